"""Capacity is measured: never defaulted, never extrapolated."""

import numpy as np
import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.ladder.verdict import streams_needed
from dgsm_helpers.simulate.conditions import Capacity

KOKORO = tuple(zip((1, 5, 10, 20, 30, 40, 50, 60), (65, 286, 568, 1129, 1690, 2245, 2806, 3375), strict=True))


@pytest.mark.parametrize(
    ("share", "confidence", "failed", "streams"), [(0.99, 0.99, 0, 459), (0.90, 0.99, 1, 64), (0.99, 0.99, 1, 662)]
)
def test_r12_mlperf_early_stopping(share, confidence, failed, streams):
    """R12: MLPerf's binomial early stopping: h_min(0, p99, 99 %) = 459; floors p90 = 64, p99 = 662."""
    assert streams_needed(share, confidence, failed=failed) == streams


def test_lag_is_interpolated_inside_and_unknown_above():
    lag = Capacity(knee=50, rungs=KOKORO).lag_ms(np.array([0, 1, 15, 60, 61]))
    assert lag[:4].tolist() == pytest.approx([65, 65, (568 + 1129) / 2, 3375])
    assert np.isnan(lag[4])
    assert np.isnan(Capacity(knee=5).lag_ms(np.array([1]))).all()


def test_a_capacity_that_no_measurement_gives_is_refused():
    for knee in (0, -1, 2.5, float("nan"), float("inf")):
        with pytest.raises(InvalidInput, match="whole number"):
            Capacity(knee=knee)
    with pytest.raises(InvalidInput, match="no lag"):
        Capacity(knee=5, rungs=((4, 1.0), (8, float("nan"))))
    with pytest.raises(InvalidInput, match="ascend"):
        Capacity(knee=5, rungs=((4, 1.0), (2, 1.0)))
