"""Quotas with the requests that are open, and asking for more once."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.account.quota_requests import EndpointQuota, EndpointQuotas, read_quotas, request_increase
from dgsm_helpers.errors import AwsCallFailed, InvalidInput

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
