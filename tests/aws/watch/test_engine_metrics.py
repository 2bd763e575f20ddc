"""The engine's own estimate: read where it can be, beside the measured knee; else how to switch it on."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from kit.doctor_snapshots import healthy
from kit.waiting import until

from dgsm_helpers.aws.doctor import examine
from dgsm_helpers.aws.doctor.examine import diagnose
from dgsm_helpers.aws.watch.engine_metrics import EngineWord, read_engine
from dgsm_helpers.load.transport.background_load import Load

NOWHERE = SimpleNamespace(meta=SimpleNamespace(endpoint_url="http://127.0.0.1:1"))


@pytest.fixture
def enriched(embedded, workbook):
    """The account's metrics are enriched for one test."""
    cloudwatch = workbook().client("cloudwatch")
    cloudwatch.start_otel_enrichment()
    yield
    cloudwatch.stop_otel_enrichment()


def test_where_enrichment_is_off_it_says_how_to_switch_it_on(deployed):
    word = read_engine(deployed)
    assert word.capacity is None
    assert "aws cloudwatch start-otel-enrichment" in word.beside(10)
    assert "start-otel-enrichment" in examine.examine(deployed)["engine-agrees"].evidence


def test_the_estimate_grows_with_the_load_up_to_what_an_instance_sustains(enriched, endpoint):
    assert read_engine(endpoint).capacity == 1
    with Load(endpoint) as load:
        load.set(9)
        load.wait_open()
        until(lambda: read_engine(endpoint).active == 9, "nine streams are seen")
        word = read_engine(endpoint)
    assert word.capacity == 10
    assert word.beside(10) == "The engine's own estimate: 10 streams, agrees."


def test_the_doctor_takes_an_estimate_within_a_fifth_and_does_without_one():
    words = (EngineWord(capacity=11), EngineWord(capacity=2), None)
    near, idle, without = (diagnose(healthy(engine=word))["engine-agrees"] for word in words)
    assert [near.verdict, idle.verdict, without.verdict] == ["OK", "OK", "OK"]
    assert "grows with the load" in idle.evidence
    assert without.evidence == "no second witness: not asked"


def test_a_model_that_publishes_none_is_not_asked(workbook):
    wb = workbook(listing="spoken")
    assert "publishes none" in read_engine(wb).beside(10)


def test_what_may_not_be_read_says_which_permission_is_missing(enriched, endpoint, operator):
    operator.fault("denied", service="cloudwatch", operation="GetOTelEnrichment")
    assert "cloudwatch:GetOTelEnrichment" in read_engine(endpoint).fix


def test_what_is_no_answer_of_cloudwatch_says_what_it_needs(enriched, endpoint):
    class Elsewhere:
        """CloudWatch answers the first question; nothing answers the second."""

        asked = 0
        credentials = endpoint.clients.credentials

        def get(self, service):
            self.asked += 1
            return endpoint.client(service) if self.asked == 1 else NOWHERE

    assert "cloudwatch:QueryMetrics" in read_engine(replace(endpoint, clients=Elsewhere())).fix


@pytest.mark.parametrize(("estimate", "disagrees"), [(8, False), (12, False), (7, True), (13, True), (None, False)])
def test_more_than_a_fifth_off_is_flagged(estimate, disagrees):
    word = EngineWord(capacity=estimate)
    assert word.disagrees(10) is disagrees
    assert ("measure again" in word.beside(10)) is disagrees


@pytest.mark.parametrize("fault", ["denied", "throttling", "expired-credentials"])
def test_a_fault_strikes_the_query_as_every_other_call(enriched, endpoint, operator, fault):
    where = {} if fault == "expired-credentials" else {"service": "cloudwatch", "operation": "QueryMetrics"}
    assert queried(endpoint, endpoint.credentials())[0] == 200
    operator.fault(fault, **where, count=1)
    status, said = queried(endpoint, endpoint.credentials())
    codes = {"denied": "AccessDenied", "throttling": "Throttling", "expired-credentials": "ExpiredToken"}
    assert (status in (400, 403), codes[fault] in said) == (True, True), said
    assert "cloudwatch:QueryMetrics" in said or fault != "denied"
    assert queried(endpoint, endpoint.credentials())[0] == 200


@pytest.mark.parametrize("change", ["the secret", "the key", "the service", "the query", "the body"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_that_is_not_signed_as_it_came_is_refused(enriched, endpoint, change, method):
    keys = endpoint.credentials()
    match change:
        case "the secret":
            keys = replace(keys, secret_access_key="another")
        case "the key":
            keys = replace(keys, access_key_id="AKIANOBODY")
    status, said = queried(
        endpoint,
        keys,
        method=method,
        service="sagemaker" if change == "the service" else "monitoring",
        behind="&time=1" if change == "the query" else "",
        sent=b"time=1" if change == "the body" else b"",
    )
    assert status == 403, said
    assert ("UnrecognizedClient" if change == "the key" else "InvalidSignature") in said


def queried(wb, keys, *, method="GET", service="monitoring", behind="", sent=b""):
    """A query's status and answer; ``behind`` and ``sent`` are put to what was signed."""
    url = f"{wb.client('cloudwatch').meta.endpoint_url}/api/v1/query?query=%7B%22engine_active_requests%22%7D"
    request = AWSRequest(method=method, url=url)
    signed_with = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    SigV4Auth(signed_with, service, wb.region).add_auth(request)
    request.url, request.data = url + behind, sent
    answer = URLLib3Session(verify=wb.ca_bundle or True).send(request.prepare())
    return answer.status_code, answer.text


def test_an_unsigned_query_and_one_that_is_not_answered_are_refused(embedded):
    for query, status in (("query=x", 403), ("", 403)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{embedded.info.control_url}/api/v1/query?{query}")
        assert refused.value.code == status
