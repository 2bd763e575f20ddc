"""Where the knee comes from, and that it is never made up."""

from __future__ import annotations

import pytest

from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.measured import measured


def test_the_newest_measurement_gives_knee_ladder_type_and_price(workbook, tuned):
    wb = workbook()
    tuned(wb)
    found = measured(wb)
    assert (found.knee, found.instance_type) == (10, "ml.g6.2xlarge")
    assert found.capacity.rungs == ((8, 120.0), (10, 180.0), (11, 900.0))
    assert found.usd_per_hour == {"ml.g6.2xlarge": found.price.amount_usd}
    assert "measured 2026-11-24" in str(found)
    assert not found.notes


def test_without_a_measurement_the_knee_is_asked_for(workbook):
    with pytest.raises(NotReady, match=r"has not been measured.*dgsm tune.*--knee"):
        measured(workbook())


def test_a_given_knee_stands_and_is_said_to_be_given(workbook, tuned):
    wb = workbook()
    tuned(wb)
    found = measured(wb, knee=7)
    assert (found.knee, found.capacity.rungs) == (7, ())
    assert "as given" in found.source
    assert measured(wb, knee=7, instance_type="ml.g5.2xlarge").instance_type == "ml.g5.2xlarge"


@pytest.mark.parametrize("given", [{"knee": 0}, {"instance_type": "ml.g5.2xlarge"}])
def test_what_contradicts_the_measurement_is_refused(workbook, tuned, given):
    wb = workbook()
    tuned(wb)
    with pytest.raises(InvalidInput):
        measured(wb, **given)


@pytest.mark.parametrize("changed", [{"region": "eu-west-1"}, {"model_package_arn": "arn:aws:other"}])
def test_a_measurement_of_something_else_is_doubted_aloud(workbook, tuned, changed):
    wb = workbook()
    tuned(wb, **changed)
    (note,) = measured(wb).notes
    assert "may not hold" in note


def test_an_unknown_price_leaves_the_cost_open(workbook):
    found = measured(workbook(), knee=5, instance_type="ml.nothing.large")
    assert found.usd_per_hour is None
    assert "unknown" in str(found)
