"""Every operation answered, against botocore's models: what they admit is never a server error, what they refuse is
refused where the constraint is, and rules between members that the models hold only in prose are kept."""

from __future__ import annotations

import json
import random
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from kit.cross_field_rules import RULES
from kit.imports import ROOT
from kit.model_requests import ANSWERING, operations, valid_request, violations
from kit.moved_aws import MovedAws

from dgsm_helpers.rules.request_checks import service_model

SIGNING = {"cloudwatch": "monitoring", "service-quotas": "servicequotas", "resourcegroupstaggingapi": "tagging"}
EVERYTHING = [(service, operation) for service in ANSWERING for operation in operations(service)]
REFUSED = ("ValidationError", "ValidationException", "InvalidParameterException", "SerializationException")
EXAMPLES = 60


class Sender:
    """Sends requests past the checks of an SDK, as any client can form them."""

    def __init__(self):
        self.aws = MovedAws()

    def __call__(self, service, operation, request):
        meta = service_model(service).metadata
        name = SIGNING.get(service, service)
        headers = {
            "Content-Type": f"application/x-amz-json-{meta.get('jsonVersion', '1.0')}",
            "X-Amz-Target": f"{meta['targetPrefix']}.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/{name}/aws4_request, Signature=x",
        }
        status, answered, body = self.aws.send("POST", "/", headers, json.dumps(request).encode())
        told = json.loads(body or b"{}")
        code = answered.get("x-amzn-query-error", told.get("__type", "")).partition(";")[0]
        return status, code, told.get("message", told.get("Message", ""))


@pytest.fixture(scope="module")
def send():
    return Sender()


@pytest.mark.parametrize(("service", "operation"), EVERYTHING)
def test_conformance_nothing_that_the_model_admits_is_a_server_error(send, service, operation):
    rng = random.Random(f"{service}.{operation}")
    for _ in range(EXAMPLES):
        request = valid_request(service, operation, rng)
        status, code, message = send(service, operation, request)
        assert status < 500, (request, code, message)
        assert code != "UnknownOperationException"


@pytest.mark.parametrize(("service", "operation"), EVERYTHING)
def test_conformance_each_constraint_of_the_model_is_refused_where_it_is(send, service, operation):
    for violation in violations(service, operation):
        status, code, message = send(service, operation, violation.request)
        assert (status, code in REFUSED) == (400, True), (str(violation), code, message)
        assert "validation error" in message, (str(violation), message)
        assert f"'{violation.path}'" in message, (str(violation), message)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_conformance_rules_between_members_are_kept(rule):
    send = Sender()
    for before in rule.before:
        status, code, message = send(*before)
        assert status == 200, (code, message)
    status, code, message = send(rule.service, rule.operation, rule.good)
    assert status == 200, (code, message)
    for request in rule.bad():
        status, code, message = send(rule.service, rule.operation, request)
        assert (status, code) == (400, rule.code), (request, message)
        assert message


def test_conformance_page_is_that_of_the_source():
    spec = spec_from_file_location("coverage_table", ROOT / "docs" / "coverage_table.py")
    table = module_from_spec(spec)
    spec.loader.exec_module(table)
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run docs/coverage_table.py"
