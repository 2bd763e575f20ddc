"""A workbook whose endpoint serves and scales, shared by the widget tests."""

from __future__ import annotations

import pytest
from kit import endpoints


@pytest.fixture(scope="module")
def scaling_endpoint(embedded):
    """A deployed, registered endpoint with the guide's policy (target 5, 1 to 4 instances)."""
    with endpoints.scaled_endpoint(embedded.home, "dg-widgets") as wb:
        yield wb
