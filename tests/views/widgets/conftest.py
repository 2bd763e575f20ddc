"""A workbook whose endpoint serves and scales, shared by the widget tests."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.session import open_workbook


@pytest.fixture(scope="module")
def scaling_endpoint(embedded):
    """A deployed, registered endpoint with the guide's policy (target 5, 1 to 4 instances)."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-widgets")
    deployment.deploy(wb, deployment.plan(wb))
    registration.register(wb, min_capacity=1, max_capacity=4)
    registration.apply(wb)
    yield wb
    deletion.delete(wb)
