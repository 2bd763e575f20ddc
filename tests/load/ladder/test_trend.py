from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgsm_helpers.load.ladder.trend import BINS, Trend, bin_medians, combined, common_and_own, common_trend, theil_sen

TIMES = (np.arange(BINS) + 0.5) / BINS


@given(seed=st.integers(0, 10_000), hold_s=st.floats(2, 300), slope=st.floats(-0.1, 1))
@settings(max_examples=50)
def test_slopes_and_their_bounds_are_scipys(seed, hold_s, slope):
    from scipy.stats import theilslopes  # half a second, for whoever collects the tests

    noise = np.random.default_rng(seed).normal(0, 0.01, BINS)
    row = slope * TIMES * hold_s + noise
    ours = theil_sen(row[None, :], hold_s=hold_s, confidence=0.95)
    theirs = theilslopes(row, TIMES * hold_s, alpha=0.95)
    assert ours.slope[0] == pytest.approx(theirs.slope)
    assert ours.low[0] <= ours.slope[0] <= ours.high[0]
    step = abs(theirs.high_slope - theirs.low_slope) * 0.15 + 1e-9  # ranks are rounded to whole ones
    assert ours.low[0] == pytest.approx(theirs.low_slope, abs=step)
    assert ours.high[0] == pytest.approx(theirs.high_slope, abs=step)


def test_missing_parts_are_left_out_and_too_few_say_nothing():
    rows = np.tile(0.1 * TIMES * 10, (2, 1))
    rows[0, 5:9] = np.nan
    rows[1, 4:] = np.inf
    result = theil_sen(rows, hold_s=10)
    assert result.slope[0] == pytest.approx(0.1)
    assert result.slope[1] == 0 and np.isinf(result.high[1])


def test_the_common_trend_is_found_in_noise_that_hides_it_in_each_stream():
    random = np.random.default_rng(1)
    rows = 0.004 * TIMES * 8 + random.normal(0, 0.02, (200, BINS))
    trend = common_trend(rows, hold_s=8)
    assert trend.low < 0.004 < trend.high
    assert trend.high - trend.low < 0.002


def test_one_growing_stream_among_many_is_its_own_part():
    rows = np.full((10, BINS), 0.05)
    rows[3] += 0.05 * TIMES * 10
    assert common_trend(rows, hold_s=10).slope == pytest.approx(0, abs=1e-9)
    slopes = common_and_own(rows, hold_s=10)[1].slope
    assert slopes[3] == pytest.approx(0.05)
    assert np.delete(slopes, 3) == pytest.approx(0, abs=1e-9)


def test_binning_keeps_each_parts_median():
    due = np.linspace(0, 10, 401)[:-1]
    lag = np.where(np.arange(400) % 20 == 0, 9.0, due)
    medians = bin_medians(due, lag, from_s=0, to_s=10)
    assert medians == pytest.approx(TIMES * 10, abs=0.05)
    assert np.isnan(bin_medians(np.array([1.0]), np.array([0.1]), from_s=0, to_s=10)).sum() == BINS - 1


def test_holds_that_agree_sharpen_and_holds_that_do_not_blur():
    sure = Trend(0.0, -0.001, 0.001)
    both = combined([sure, sure])
    assert both.high < sure.high
    torn = combined([sure, Trend(0.01, 0.009, 0.011)])
    assert torn.low <= 0.0 and torn.high >= 0.005
    assert np.isinf(combined([]).high)


def test_what_every_hold_shows_stays_shown():
    growing = combined([Trend(0.012, 0.010, 0.014), Trend(0.05, 0.013, 0.09)])
    assert growing.low >= 0.010
