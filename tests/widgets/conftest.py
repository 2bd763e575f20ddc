"""A workbook whose endpoint serves and scales, shared by the widget tests."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws import cleanup, deploy, scaling
from dgsm_helpers.session import open_workbook


@pytest.fixture(scope="module")
def scaling_endpoint(embedded):
    """A deployed, registered endpoint with the guide's policy (target 5, 1 to 4 instances)."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-widgets")
    deploy.deploy(wb, deploy.plan(wb))
    scaling.register(wb, min_capacity=1, max_capacity=4)
    scaling.apply(wb)
    yield wb
    cleanup.delete(wb)
