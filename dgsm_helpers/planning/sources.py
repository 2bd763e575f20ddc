"""Traffic by name or from a file: a shape, a CSV of calls, or concurrency as CSV or as the AWS CLI prints it."""

import codecs
import dataclasses
import json
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.simulate.replay import Series, columns_of, moment_of, read_calls, read_series, replay, series_of
from dgsm_helpers.simulate.traffic import DAY_S, PRESETS, Traffic, preset

STREAM_S = 300.0
"""Mean length of a stream where the traffic does not tell: five minutes, a call (assumption)."""
METRIC_EVERY_S = 10
"""Each instance publishes its concurrency so often (AWS: high-resolution metric)."""


def load_traffic(
    source: str,
    *,
    peak: float | None = None,
    horizon_s: float | None = None,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> Traffic:
    """Traffic to plan for.

    Args:
        source: a shape (constant, step, ramp, diurnal, bursty) or a file. A CSV with the columns ``start`` and
            ``duration_s`` (or ``end``) is calls; one with ``time`` and ``streams`` is the variant's concurrency; a JSON
            file is what ``aws cloudwatch get-metric-data`` prints for the Sum of ConcurrentRequestsPerModel, in
            whatever period.
        peak: streams at the height of a shape; needed for one.
        horizon_s: length of a shape, a day by default.
        mean_s: mean length of a stream, for shapes and series.
        seed: of what is random.

    Raises:
        NotFound: neither a shape nor a file.
        InvalidInput: a shape without a peak, a peak or length for a file, or a file that is wrong; the line is named.
    """
    if source in PRESETS:
        if peak is None or not peak > 0:
            raise InvalidInput(f"The shape {source!r} needs a peak above zero, not {peak}.", hint="Give peak (--peak).")
        return preset(source, peak=peak, horizon_s=DAY_S if horizon_s is None else horizon_s, mean_s=mean_s, seed=seed)
    path = Path(source)
    if not path.is_file():
        raise NotFound(f"There is no traffic {source!r}.", hint=f"Give one of {', '.join(PRESETS)}, or a file.")
    if peak is not None or horizon_s is not None:
        raise InvalidInput(f"{path.name} has its own height and length.", hint="Leave out peak and length for a file.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error}.") from error
    return traffic_from(content, name=path.name, mean_s=mean_s, seed=seed)


def traffic_from(content: bytes, *, name: str, mean_s: float = STREAM_S, seed: int = 0) -> Traffic:
    """Traffic from a file's content, as `load_traffic` reads it: for uploads.

    Raises:
        InvalidInput: it is wrong; the line is named.
    """
    text = _decoded(content, name)
    if text.lstrip().startswith("{"):
        return replay(_cloudwatch_series(text, name), mean_s=mean_s, seed=seed)
    if "streams" in columns_of(text, name=name):
        return replay(read_series(text, name=name), mean_s=mean_s, seed=seed)
    return read_calls(text, name=name)


def _decoded(content: bytes, name: str) -> str:
    """UTF-8, or the UTF-16 into which PowerShell redirects what a command prints; without a byte-order mark."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} cannot be read as text: {error}.", hint="Give a CSV or JSON file.") from error


def _cloudwatch_series(text: str, name: str) -> Series:
    try:
        results = json.loads(text)["MetricDataResults"]
        pairs = zip(results[0]["Timestamps"], results[0]["Values"], strict=True)
        points = sorted((_moment(t), float(v)) for t, v in pairs)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InvalidInput(
            f"{name} is not what `aws cloudwatch get-metric-data` prints: {type(error).__name__} {error}.",
            hint="Give its JSON with one result, or a CSV.",
        ) from error
    if len(results) > 1:
        raise InvalidInput(f"{name} has {len(results)} results, not one.", hint="Ask for one metric.")
    series = series_of([t for t, _ in points], [v for _, v in points], name=name)
    # The sum of a minute counts every stream six times, once for each time that its instance published.
    samples = max(1.0, series.period_s / METRIC_EVERY_S)
    return dataclasses.replace(series, values=tuple(value / samples for value in series.values))


def _moment(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else moment_of(value)
