"""What each call does to an account, and a table for readers of every call that the package can make."""

from __future__ import annotations

import re

import botocore.session
import pytest
from kit.aws_calls import CLIENTS_WITHOUT_BOTO, ROOT, calls, table

from dgsm_helpers.aws.account.permissions import NOTEBOOK_CALLS
from dgsm_helpers.rules.call_effects import BILLS, Effect, effect_of

PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
TOLD = set(re.findall(r"^\| ([a-z-]+) \| ([A-Z]\w+) \|", PAGE, re.MULTILINE))
"""Service and operation of each call in the table for readers. The code is looked through by one test, not for each."""


def test_the_table_of_calls_is_made_from_the_code():
    assert calls() == TOLD
    assert PAGE.endswith(table()), "make it anew: python docs/reliability_table.py"


@pytest.mark.parametrize(("service", "operation"), sorted(TOLD - CLIENTS_WITHOUT_BOTO))
def test_every_call_is_an_operation_of_aws_and_reads_only_where_aws_says_so_too(service, operation):
    model = botocore.session.get_session().get_service_model(service)
    assert operation in model.operation_names
    if effect_of(operation) is Effect.READS:
        assert not re.match(r"(Create|Update|Delete|Put|Register|Deregister|Start|Stop|Request|Invoke|Tag)", operation)


def test_what_the_notebooks_call_by_their_iam_policies_is_in_the_table():
    named = {action.partition(":")[2] for actions in NOTEBOOK_CALLS.values() for action in actions}
    missing = named - {operation for _, operation in calls()}
    assert {name for name in missing if effect_of(name) is not Effect.READS} <= {"AddTags", "PassRole", "TagResource"}


def test_every_call_that_bills_says_how():
    assert {operation for _, operation in calls() if effect_of(operation) is Effect.BILLS} <= BILLS.keys()
    assert all(BILLS.values())


@pytest.mark.parametrize(
    "operation", ["StartPipeline", "PurchaseOffer", "AcceptEula", "InvokeEverything", "TagResource"]
)
def test_a_call_that_nobody_has_judged_is_not_taken_for_reading(operation):
    assert effect_of(operation) is Effect.CHANGES
