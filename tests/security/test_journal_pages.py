"""Pages of the journal that nobody wrote in earnest: set aside with a sentence; what is good beside them is used."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import endpoints
from kit.command_line import run_line

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import journal, scaling_setup
from dgsm_helpers.session import open_workbook

TARGET = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/pages/variant/AllTraffic", "ScalableDimension": "d"}


@pytest.fixture(scope="module")
def wb(embedded):
    made = endpoints.scaled(open_workbook("local", home=embedded.home, endpoint_name="pages"))
    yield made
    deletion.delete(made)


@pytest.fixture(scope="module")
def good(wb):
    """What an update that was cut off has written down."""
    entry = journal.Entry(
        what="update",
        by="somebody",
        since=wb.now().isoformat(),
        endpoint_name=wb.endpoint_name,
        endpoint_created=str(endpoint_state.status(wb).created),
        variant_name=wb.variant_name,
        former={"setup": asdict(scaling_setup.read(wb))},
    )
    return {"schema": 1, **json.loads(json.dumps(asdict(entry), default=str))}


@pytest.fixture
def folder(wb):
    found = wb.state_path(f"journal/{wb.key}/x").parent
    yield found
    for path in found.iterdir():
        path.unlink()


def call(operation, **request):
    return {"service": "application-autoscaling", "operation": operation, "request": {**TARGET, **request}}


def setup(*steps, **more):
    return {
        "setup": {"endpoint_name": "pages", "region": "us-east-1", "steps": steps, "notes": [], "alarms": [], **more}
    }


FORGED = {
    "of another endpoint": {"endpoint_name": "other"},
    "a name that leads away": {"endpoint_name": "../../etc"},
    "a variant that is none": {"variant_name": "../x"},
    "no time": {"since": "yesterday"},
    "a time without a zone": {"since": "2026-11-29T00:00:00"},
    "a number for a time": {"since": 7},
    "a kind that is none": {"what": "sabotage"},
    "no former": {"former": {}},
    "a list for former": {"former": []},
    "steps that are none": {"former": setup(7)},
    "a step without a request": {
        "former": setup({"service": "application-autoscaling", "operation": "PutScalingPolicy"})
    },
    "a step that deletes": {"former": setup(call("DeleteScalingPolicy", PolicyName="p"))},
    "a step of another service": {"former": setup({"service": "iam", "operation": "CreateUser", "request": {}})},
    "a pause of nothing": {"what": "pause", "former": {**setup(), "instances": 1, "usd_per_hour": 1.0}},
    "a measurement of a text": {"what": "measurement", "former": {"desired_instances": "2", "suspension": None}},
    "a suspension of nothing": {"what": "suspension", "former": {"before": {}, "within": {}}},
    "of the future": {"schema": 99},
    "more than it should hold": {"also": 1},
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_page_is_set_aside_with_a_sentence_and_changes_nothing(wb, good, folder, kind):
    page = folder / "update.AllTraffic.json"
    page.write_text(json.dumps({**good, **FORGED[kind]}))
    before = scaling_setup.read(wb)
    with pytest.warns(UserWarning, match="set aside"):
        assert journal.finish(wb, say=str) == ()
    assert not page.exists() and page.with_suffix(".aside").exists()
    assert scaling_setup.read(wb) == before


def test_a_good_page_beside_forged_ones_is_used(wb, good, folder):
    (folder / "a.json").write_text("{")
    (folder / "update.json").write_text(json.dumps(good))
    with pytest.warns(UserWarning, match="set aside"):
        assert len(journal.finish(wb, say=str)) == 1
    assert sorted(path.suffix for path in folder.iterdir() if path.suffix != ".lock") == [".aside"]


@pytest.mark.parametrize("verb", ["restore", "doctor", "register"])
def test_every_command_says_what_it_sets_aside_and_does_its_work(wb, good, folder, verb):
    (folder / "update.json").write_text(json.dumps({**good, "former": {}}))
    with pytest.warns(UserWarning, match="set aside"):
        ended = run_line(wb.home, verb, wb.endpoint_name)
    assert ended.exit_code == 0, ended.output


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(st.sampled_from(["setup", "steps", "request", "before"]), one, max_size=3)
    ),
)


@given(member=st.sampled_from(["what", "since", "variant_name", "former", "endpoint_created", "by"]), value=JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_anywhere_in_a_page_is_set_aside_or_harmless(wb, good, folder, member, value):
    page = folder / "update.json"
    page.write_text(json.dumps({**good, member: value}))
    with warnings.catch_warnings(action="ignore"):
        assert all(isinstance(entry.began, datetime) for _, entry in journal._entries(wb))
