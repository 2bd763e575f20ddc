"""Notebooks by papermill's own command, as Studio's jobs run them: what arrives as text is no consent."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from kit.without_grammar import starting

from dgsm_helpers import cleanup, plan
from dgsm_helpers.aws.account import operator_alarms
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state, pause
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.errors import DeletionNotConfirmed, InvalidInput

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"

STANDS_FOR_AWS = """
from dgsm_helpers.places import clients

clients._require_elsewhere = lambda url: None
"""


@pytest.fixture
def papermill(embedded, tmp_path, on_embedded, keys_of_an_account):
    """Runs ``papermill NOTEBOOK out.ipynb …`` in a shell of its own; the exit code, and all that it printed."""

    # The kernel's interpreter takes the embedded AWS for an account where it is asked to work on one.
    (tmp_path / "sitecustomize.py").write_text(STANDS_FOR_AWS)
    keys = {**keys_of_an_account, "PYTHONPATH": str(tmp_path)}

    def run(name, *words, where="local"):
        environment = {**embedded.env, "AWS_EC2_METADATA_DISABLED": "true", **(keys if where == "aws" else {})}
        done = subprocess.run(
            [
                *starting("from papermill.cli import papermill; papermill()"),
                str(FOLDER / f"{name}.ipynb"),
                "out.ipynb",
                "-p",
                "where",
                where,
                *words,
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def deployed_demo(on_embedded):
    deployment.deploy(on_embedded, deployment_plan.plan(on_embedded))
    return on_embedded


@pytest.mark.parametrize("text", ["False", "false"])
def test_a_text_false_deletes_nothing(papermill, deployed_demo, text):
    code, said = papermill("99_clean_up", "-r", "delete", text)
    assert code == 0, said[-2000:]
    assert endpoint_state.status(deployed_demo).status == "InService"


def test_a_text_that_is_neither_is_refused_before_anything_is_deleted(papermill, deployed_demo):
    code, said = papermill("99_clean_up", "-r", "delete", "no")
    assert code != 0 and "InvalidInput: delete='no' is not of type bool." in said
    assert endpoint_state.status(deployed_demo).status == "InService"


def test_a_text_true_is_yes(papermill, deployed_demo):
    code, said = papermill("99_clean_up", "-r", "delete", "true")
    assert code == 0, said[-2000:]
    assert endpoint_state.find(deployed_demo) is None


def test_deleting_from_an_account_asks_as_spending_does(papermill, deployed_demo):
    code, said = papermill("99_clean_up", "-r", "confirm_delete", "False", where="aws")
    assert code != 0 and "DeletionNotConfirmed" in said and "confirm_delete=True" in said
    assert endpoint_state.status(deployed_demo).status == "InService"
    code, said = papermill("99_clean_up", "-p", "confirm_delete", "True", where="aws")
    assert code == 0, said[-2000:]
    assert endpoint_state.find(deployed_demo) is None


@pytest.mark.parametrize(
    ("given", "refusal"),
    [(("-r", "False"), "SpendNotConfirmed"), (("-r", "ja"), "confirm_spend='ja' is not of type bool")],
)
def test_a_text_is_no_consent_to_spend(papermill, on_embedded, given, refusal):
    listing = ("-p", "listing", on_embedded.model_package_arn, "-p", "role_arn", on_embedded.role_arn)
    flag, text = given
    code, said = papermill("02_register", *listing, flag, "confirm_spend", text, where="aws")
    assert code != 0 and refusal in said, said[-2000:]
    assert endpoint_state.find(on_embedded) is None


def test_numbers_that_arrive_as_text_are_numbers(papermill, on_embedded, tmp_path):
    words = ("-r", "target_value", "8", "-r", "max_capacity", "3", "-r", "scale_in_cooldown_s", "600")
    code, said = papermill("02_register", *words)
    assert code == 0, said[-2000:]
    state = registration.verify(on_embedded)
    assert (state.policy().target_value, state.target.max_capacity) == (8.0, 3)
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1]


@pytest.mark.parametrize("consent", ["False", "True", 1, 0, None, "", [True]])
def test_whoever_calls_nothing_is_done_on_a_value_that_is_no_bool(deployed_demo, consent):
    wb = deployed_demo
    for call in (
        lambda: cleanup.delete(wb, confirmed=consent),
        lambda: plan.Study.apply(None, None, confirmed=consent),
        lambda: replace(wb, confirm_spend=consent),
        lambda: replace(wb, confirm_delete=consent),
    ):
        with pytest.raises(InvalidInput, match="is not of type bool"):
            call()
    assert endpoint_state.status(wb).status == "InService"


def test_every_way_to_delete_from_an_account_asks(deployed_demo):
    registration.register(deployed_demo)
    account = replace(deployed_demo, bills=True)
    for call in (cleanup.delete, pause.pause_endpoint, registration.remove, operator_alarms.remove):
        with pytest.raises(DeletionNotConfirmed, match="would be deleted from your account"):
            call(account)
    assert registration.verify(deployed_demo).target is not None
    assert registration.remove(replace(account, confirm_delete=True))
