"""Endpoints of kinds that other tools make: every verb works on them, or refuses at once and says what they are."""

from __future__ import annotations

import json
from itertools import product

import pytest
from kit.described_endpoints import BUCKET, GONE, SUPPORTED, UNSUPPORTED, described_account

from dgsm_helpers.cli.options import FAILED, NO

pytestmark = pytest.mark.usefixtures("stands_for_aws")

VERBS = {
    "tune": ("--confirm-spend",),
    "plan": ("--traffic", "diurnal", "--knee", "10"),
    "watch": ("--once",),
    "show": ("--no-open",),
    "report": (),
    "export": (),
    "update": ("--instance-type", "ml.g5.2xlarge", "--single-type-reason", "a test", "--confirm-spend"),
}
SAID = {"serverless": "serverless", "async": "temporarily not supported", "components": "inference components"}


@pytest.fixture
def account(embedded, keys_of_an_account, monkeypatch):
    """SageMaker of an account with endpoints of every kind; all else of it is the embedded AWS."""
    with described_account() as made:
        for name, value in (embedded.info.env() | keys_of_an_account).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", made.url)
        yield made


@pytest.fixture
def on_aws(account, run, tmp_path):
    """Runs a verb on one of the account's endpoints."""
    return lambda verb, name, *words: run(verb, name, *words, "--where", "aws", home=tmp_path)


def findings(answer):
    return {f["rule"]: f for f in json.loads(answer.stdout)["findings"]}


@pytest.mark.parametrize(
    ("verb", "name"),
    [*product(VERBS, SAID), *(("tune", name) for name in UNSUPPORTED if name not in SAID)],
)
def test_a_foreign_kind_is_refused_at_once_by_what_it_is(account, on_aws, verb, name):
    answer = on_aws(verb, name, *VERBS[verb])
    assert answer.exit_code == FAILED
    assert SAID[name.partition("-")[0]] in answer.stderr
    assert "01_deploy" in answer.stderr, "says what to do instead"
    assert account.sent == []


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_the_doctor_of_a_foreign_kind_says_stop_of_the_kind_and_nothing_of_what_it_did_not_look_at(on_aws, name):
    answer = on_aws("doctor", name, "--json")
    found = findings(answer)
    kind = found.pop("endpoint-kind")
    assert (answer.exit_code, kind["verdict"]) == (NO, "STOP")
    assert SAID[name.partition("-")[0]] in kind["evidence"]
    assert {f["verdict"] for f in found.values()} == {"UNKNOWN"}
    assert all("not looked at" in f["evidence"] for f in found.values())


@pytest.mark.parametrize("name", GONE)
@pytest.mark.parametrize("verb", ("tune", "export", "update"))
def test_a_foreign_endpoint_without_its_config_or_model_is_refused_in_a_sentence(account, on_aws, verb, name):
    answer = on_aws(verb, name, *VERBS[verb])
    assert answer.exit_code == FAILED
    assert "was deleted: SageMaker can neither update nor patch the endpoint" in answer.stderr
    assert "Could not find" not in answer.stderr
    assert account.sent == []


@pytest.mark.parametrize("name", GONE)
def test_the_doctor_stops_at_a_foreign_endpoint_without_its_config_or_model(on_aws, name):
    answer = on_aws("doctor", name, "--json")
    found = findings(answer)
    assert (answer.exit_code, found["endpoint-kind"]["verdict"]) == (NO, "STOP")
    assert "can neither update nor patch" in found["endpoint-kind"]["evidence"]
    unseen = {"network-isolation", "fallback-types"}
    if name == "config-gone":
        unseen |= {"inference-ami", "enhanced-metrics", "routing", "quota"}
    judged = {rule for rule in unseen if found[rule]["verdict"] != "UNKNOWN"}
    assert not judged
    assert found["endpoint-in-service"]["verdict"] == "OK"


def test_the_live_view_of_a_foreign_endpoint_without_its_config_says_so_beside_the_picture(on_aws):
    answer = on_aws("watch", "config-gone", "--once")
    assert (answer.exit_code, "was deleted" in answer.stdout) == (0, True)


@pytest.mark.parametrize(
    ("name", "verdict", "said"),
    [
        ("plain", "OK", "real-time"),
        ("pool", "OK", "real-time"),
        ("rolling", "OK", "real-time"),
        ("shadow", "UNKNOWN", "shadow variant canary"),
        ("several", "UNKNOWN", "variant second"),
        ("captured", "WARN", BUCKET),
    ],
)
def test_the_doctor_says_what_a_foreign_endpoint_has_beside_what_it_looks_at(on_aws, name, verdict, said):
    kind = findings(on_aws("doctor", name, "--json"))["endpoint-kind"]
    assert (kind["verdict"], said in kind["evidence"]) == (verdict, True), kind


@pytest.mark.parametrize("name", SUPPORTED)
def test_an_export_of_a_foreign_endpoint_has_every_model_that_it_names(on_aws, name):
    answer = on_aws("export", name, "--to", "json")
    assert answer.exit_code == 0, answer.stderr
    calls = json.loads(answer.stdout)["calls"]
    requests = {
        kind: [c["request"] for c in calls if c["operation"] == kind]
        for kind in ("CreateModel", "CreateEndpointConfig")
    }
    (config,) = requests["CreateEndpointConfig"]
    variants = (*config["ProductionVariants"], *config.get("ShadowProductionVariants", ()))
    pools = [pool for v in variants for pool in v.get("InstancePools", ())]
    named = {v["ModelName"] for v in variants} | {p["ModelNameOverride"] for p in pools if "ModelNameOverride" in p}
    assert named == {m["ModelName"] for m in requests["CreateModel"]}
    (endpoint,) = (c["request"] for c in calls if c["operation"] == "CreateEndpoint")
    assert ("DeploymentConfig" in endpoint) == (name == "rolling")
    assert ("The endpoint is Updating: what it changes to is not part of this." in answer.stderr) == (
        name == "updating"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shadow", "canary"),
        ("several", "second"),
        ("pool", "models of single instance types (m, m2)"),
        ("pipeline", "the 2 containers of its model"),
        ("captured", "DataCaptureConfig of its endpoint config"),
    ],
)
def test_an_update_refuses_to_end_what_no_plan_states_of_a_foreign_endpoint(account, on_aws, name, said):
    answer = on_aws("update", name, *VERBS["update"])
    assert (answer.exit_code, said in answer.stderr) == (FAILED, True), answer.stderr
    assert "roll_back" in answer.stderr, "says how it goes all the same"
    assert account.sent == []


@pytest.mark.parametrize(
    ("name", "bills", "said"),
    [
        ("serverless", False, "billed by request alone"),
        ("serverless-held", True, "2 held ready"),
        ("async", True, "1 of 1 instances"),
        ("shadow", True, "1 of 1 instances and 1 shadow variant"),
        ("config-gone", True, "delete-endpoint --endpoint-name config-gone --region us-east-1"),
    ],
)
def test_clean_up_says_whether_a_foreign_endpoint_bills_and_leaves_it_alone(account, on_aws, name, bills, said):
    answer = on_aws("clean-up", name, "--yes")
    assert (answer.exit_code, said in answer.stdout) == (NO if bills else 0, True), answer.stdout
    assert (f"Nothing of {name} bills in us-east-1." in answer.stdout) is not bills
    assert "Other endpoints bill there: " in answer.stdout
    assert "Not looked at: other regions, notebook instances" in answer.stdout
    assert account.sent == []
