"""What a tuning is said to take and cost, before anything is changed."""

from __future__ import annotations

import pytest
from kit import endpoints

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.planning.tuning import plan_tuning
from dgsm_helpers.session import open_workbook


@pytest.fixture
def deployed(embedded):
    made = []

    def deploy(listing):
        name = f"plan-{listing}"
        wb = open_workbook("local", home=embedded.home, endpoint_name=name, listing=listing)
        made.append(endpoints.deployed(wb))
        return made[-1]

    yield deploy
    for wb in made:
        deletion.delete(wb)


MEASURED_MINUTES = {"metered": 1.1, "metered-aura": 6.6 + 9.4}
"""Instance-minutes that quick measurements took: of 10 streams; of 10 turns at once, and of 24 calls."""


@pytest.mark.parametrize("listing", MEASURED_MINUTES)
def test_the_forecast_is_within_a_factor_of_two_with_all_searches_in_it(deployed, listing):
    took = MEASURED_MINUTES[listing]
    planned = plan_tuning(deployed(listing), effort="quick")
    assert all(took / 2 < cost.instance_minutes < took * 2 for _, cost in planned.forecasts)


def test_the_price_is_said_of_the_longest_forecast_and_not_as_a_limit(deployed):
    planned = plan_tuning(deployed("metered"), effort="quick")
    longest = max(cost.instance_minutes for _, cost in planned.forecasts)
    assert planned.longest_s == longest * 60
    assert f"Price of the longest of these: {longest:.1f} instance-minutes" in str(planned)
    assert "up to" not in str(planned)
