"""Quotas are paged through once in a notebook, and a quota on which a refusal rests is read anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from kit.call_counter import counted_calls

from dgsm_helpers.aws.account.quotas import (
    KEPT,
    EndpointQuota,
    EndpointQuotas,
    endpoint_quotas,
    read_quotas,
    request_increase,
    without_zero_quota,
)
from dgsm_helpers.errors import AwsCallFailed, InvalidInput, QuotaExceeded

TYPES = ("ml.g6.2xlarge", "ml.g5.2xlarge")
PAGES = 2
"""Pages that the embedded AWS gives until the types are found."""


def test_a_reading_is_used_again_and_asked_for_once(workbook):
    wb = workbook()
    with counted_calls(wb) as counts:
        first = endpoint_quotas(wb, TYPES, at_least=1)
        again = endpoint_quotas(wb, TYPES[:1], at_least=4)
    assert counts["ListServiceQuotas"] <= PAGES
    assert again == {TYPES[0]: first[TYPES[0]]}


@pytest.mark.parametrize("at_least", [None, 1])
def test_a_type_that_was_not_read_is_read(workbook, at_least):
    wb = workbook()
    endpoint_quotas(wb, TYPES[:1], at_least=at_least)
    assert set(endpoint_quotas(wb, TYPES, at_least=at_least)) == set(TYPES)


def test_a_quota_that_was_raised_is_seen_by_the_refusal_that_rests_on_it(workbook, operator):
    wb = workbook()
    operator.quota(wb, TYPES[0], 0)
    with pytest.raises(QuotaExceeded):
        without_zero_quota(wb, TYPES[:1])
    operator.quota(wb, TYPES[0], 3)
    assert without_zero_quota(wb, TYPES[:1]).kept == TYPES[:1]
    assert endpoint_quotas(wb, TYPES[:1], at_least=4) == {TYPES[0]: 3}


def test_without_a_need_and_after_an_hour_it_is_read_anew(workbook, operator):
    wb = workbook()
    endpoint_quotas(wb, TYPES, at_least=1)
    operator.quota(wb, TYPES[0], 7)
    assert endpoint_quotas(wb, TYPES)[TYPES[0]] == 7
    operator.quota(wb, TYPES[0], 8)
    later_s = (wb.now() + KEPT + timedelta(seconds=1)).timestamp()
    later = replace(wb, now_s=lambda: later_s)
    assert endpoint_quotas(later, TYPES, at_least=1)[TYPES[0]] == 8


def test_another_region_has_quotas_of_its_own(workbook):
    wb = workbook()
    endpoint_quotas(wb, TYPES, at_least=1)
    elsewhere = replace(wb, region="eu-west-1")
    with counted_calls(elsewhere) as counts:
        endpoint_quotas(elsewhere, TYPES, at_least=1)
    assert counts["ListServiceQuotas"] >= 1


POOL = ("ml.g6.4xlarge", "ml.g5.4xlarge")
OTHER = "us-west-2"
"""Requests stay on the embedded AWS: they are made in a region of their own."""


def test_types_that_have_less_are_requested_once_and_shown_as_open(workbook, operator):
    wb = workbook(region=OTHER)
    operator.quota(wb, POOL[0], 0)
    before = read_quotas(wb, POOL)
    assert [(row.instance_type, row.instances, row.requested) for row in before.rows] == [
        (POOL[0], 0, None),
        (POOL[1], 20, None),
    ]
    assert not before.ok
    after = request_increase(wb, before, 4)
    assert [(row.requested, row.request_status) for row in after.rows] == [(4, "PENDING"), (None, "")]
    assert "PENDING" in str(after)
    assert request_increase(wb, after, 8) == after


def test_case_of_a_type_without_a_quota_is_refused_before_anything_is_asked(workbook):
    wb = workbook(region=OTHER)
    found = read_quotas(wb, ["ml.g9.huge", POOL[1]])
    assert (found.rows[0].instances, found.ok) == (None, False)
    assert "not listed" in str(found)
    with pytest.raises(InvalidInput, match=r"ml\.g9\.huge"):
        request_increase(wb, found, 30)


def test_request_that_is_refused_names_those_made_before(scripted):
    s = scripted()
    rows = (EndpointQuota("ml.g6.2xlarge", 0, "L-1"), EndpointQuota("ml.g5.2xlarge", 0, "L-2"))
    row = {"Id": "1", "Status": "PENDING", "QuotaCode": "L-1"}
    s.answers("service-quotas", "request_service_quota_increase", {"RequestedQuota": row})
    s.refuses("service-quotas", "request_service_quota_increase", "DependencyAccessDeniedException", "no")
    with pytest.raises(AwsCallFailed) as caught:
        request_increase(s.wb, EndpointQuotas("us-east-1", rows), 2)
    assert caught.value.__notes__ == ["Requested before that: ml.g6.2xlarge."]
