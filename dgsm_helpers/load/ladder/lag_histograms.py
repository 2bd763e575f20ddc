"""Lags of many streams in little room: histograms that merge across client processes."""

from collections.abc import Sequence
from math import inf

import numpy as np
from hdrh.histogram import HdrHistogram

HISTOGRAM_MAX_US = 3_600_000_000
"""Lags are histogrammed in microseconds up to an hour; a missing result counts as the maximum."""


def encode_lags(lags_s: np.ndarray) -> str:
    """An encoded HdrHistogram (microseconds, three digits) of lags; inf counts as the maximum."""
    histogram = HdrHistogram(1, HISTOGRAM_MAX_US, 3)
    micros = np.clip(np.nan_to_num(lags_s * 1e6, posinf=HISTOGRAM_MAX_US), 1, HISTOGRAM_MAX_US)
    # A tenth of a millisecond is finer than any claim, and makes few distinct values of many samples.
    values, counts = np.unique(np.maximum(np.round(micros, -2), 1).astype(np.int64), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return histogram.encode().decode()


def merge_lags(encoded: Sequence[str]) -> HdrHistogram:
    merged = HdrHistogram(1, HISTOGRAM_MAX_US, 3)
    for text in encoded:
        if text:
            merged.decode_and_add(text.encode())
    return merged


def merged_text(encoded: Sequence[str]) -> str:
    return merge_lags(encoded).encode().decode()


def percentiles_s(histogram: HdrHistogram, percentiles: Sequence[float]) -> list[float]:
    """Percentiles in seconds; inf where one is a result that never came, 0 where there is none at all."""
    micros = histogram.get_percentile_to_value_dict(percentiles)  # a look through all counts, not one for each
    found = [micros.get(percentile, 0) for percentile in percentiles]
    return [inf if value >= HISTOGRAM_MAX_US * 0.99 else value / 1e6 for value in found]
