"""Concurrency as CloudWatch hands it out: the AWS CLI's JSON or YAML, and the console's CSV."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.cells import Cell, numbers
from dgsm_helpers.planning.moments import moments
from dgsm_helpers.simulate.replay import Series, series_of

METRIC_EVERY_S = 10
"""Each instance publishes its concurrency so often (AWS: high-resolution metric)."""

_GET_THE_REST = (
    "Get the rest: run the command again without --max-items, --max-datapoints and --no-paginate, or append the pages "
    "that --starting-token (or --next-token) gives to this file."
)
_CONSOLE_HEADS = frozenset(
    ("id", "statuscode", "messages", "full label", "label", "region", "unit", "statistic", "period")
)
_MEASURE = re.compile(
    r".*\b(\S+) (Sum|Average|Minimum|Maximum|SampleCount|IQM|[a-z]{1,2}[\d.:%()]+)( \d+)?\s*", re.DOTALL
)

_OTHER_METRICS = re.compile(r"\w*Utilization\w*|\w*Latency|Invocations?\w*|\w*Errors|\w*PerCopy|ModelSetupTime")
"""Those that SageMaker publishes of an endpoint. CloudWatch's own label of a series is its metric's name."""


def is_cloudwatch(document: Any) -> bool:
    """Whether a JSON document is an answer of GetMetricData or GetMetricStatistics."""
    return isinstance(document, Mapping) and bool({"MetricDataResults", "Datapoints"} & document.keys())


def series_of_answers(pages: Sequence[Mapping[str, Any]], *, name: str) -> Series:
    """The Sum of ConcurrentRequestsPerModel as concurrency, from the pages of one answer.

    Entries of one Id are joined in whatever order, as the CLI prints several when it follows pages.

    Raises:
        InvalidInput: it is of several metrics, not complete, no Sum, or no answer at all.
    """
    try:
        points = (_statistics if "Datapoints" in pages[0] else _metric_data)(pages, name)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{name} is not what `aws cloudwatch get-metric-data` prints: {type(error).__name__} {str(error)[:200]}.",
            hint="Give its JSON with one result, or a CSV.",
        ) from error
    return _concurrency(points, name)


def _metric_data(pages: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    entries = [entry for page in pages for entry in page["MetricDataResults"]]
    ids = list(dict.fromkeys(entry.get("Id", entry.get("Label", "")) for entry in entries))
    if len(ids) != 1:
        raise InvalidInput(
            f"{name} has {len(ids)} results, not one{': ' * bool(ids)}{', '.join(ids)}.", hint="Ask for one metric."
        )
    _require_concurrency(str(entries[0].get("Label", "")), name)
    status, token = entries[-1].get("StatusCode", "Complete"), pages[-1].get("NextToken")
    if token or status == "PartialData":
        count = sum(len(entry["Values"]) for entry in entries)
        signs = " and ".join(
            sign for sign, there in (("PartialData", status == "PartialData"), ("a NextToken", token)) if there
        )
        raise InvalidInput(
            f"{name} is not complete: after {count} values it says {signs}, so more of it was not fetched.",
            hint=_GET_THE_REST,
        )
    if status != "Complete":
        said = "; ".join(str(m.get("Value", "")) for entry in entries for m in entry.get("Messages") or ())
        raise InvalidInput(f"{name} has no data: CloudWatch answered {status}. {said}".strip(), hint="Ask again.")
    cells: list[Cell] = []
    values: list[float] = []
    for entry in entries:
        for time, value in zip(entry["Timestamps"], entry["Values"], strict=True):
            cells.append(_moment_cell(name, len(cells) + 1, time))
            values.append(float(value))
    return list(zip(moments(cells)[0], values, strict=True))


def _statistics(pages: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    _require_concurrency(str(pages[0].get("Label", "")), name)
    datapoints = [point for page in pages for point in page["Datapoints"]]
    if datapoints and not all("Sum" in point for point in datapoints):
        kinds = sorted(set(datapoints[0]) - {"Timestamp", "Unit"})
        raise InvalidInput(
            f"{name} holds {', '.join(kinds) or 'no statistic'} of each period, not the Sum.",
            hint="Ask with --statistics Sum: only the sum over the instances is the variant's concurrency.",
        )
    cells = [_moment_cell(name, number, point["Timestamp"]) for number, point in enumerate(datapoints, start=1)]
    return list(zip(moments(cells)[0], (float(point["Sum"]) for point in datapoints), strict=True))


def _moment_cell(name: str, number: int, value: Any) -> Cell:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return Cell(f"Value {number} of {name}", "timestamp", text)


def console_series(
    rows: Sequence[tuple[int, list[str]]], *, name: str, **reading: Any
) -> tuple[Series, list[str]] | None:
    """The series of a CSV that the console's *Download as .csv* wrote, and what was assumed; None when it is no such.

    Its first lines say what the metric is (``Full label``: name, statistic and period); then come times and values.

    Args:
        rows: line numbers and cells.
        name: of the file.
        reading: `cells.moments`' zone and order: the console writes its own time zone and does not name it.

    Raises:
        InvalidInput: several metrics, another statistic than the Sum, or not complete.
    """
    head = {row[0].strip().lower(): row[1:] for _, row in rows[:12] if row[0].strip().lower() in _CONSOLE_HEADS}
    if not {"full label", "label"} & head.keys() or rows[0][1][0].strip().lower() not in _CONSOLE_HEADS:
        return None
    points = [(line, row) for line, row in rows if row[0].strip().lower() not in _CONSOLE_HEADS]
    metrics = max((len([cell for cell in row[1:] if cell.strip()]) for _, row in rows), default=0)
    if metrics > 1:
        raise InvalidInput(f"{name} has {metrics} metrics, not one.", hint="Graph one metric and download that.")
    if (status := " ".join(head.get("statuscode", ())).strip()) not in ("", "Complete"):
        raise InvalidInput(
            f"{name} is not complete: it says {status}.", hint="Graph a shorter time, and download it again."
        )
    label = " ".join(head.get("full label", head.get("label", [])))
    _require_concurrency(" ".join([label, *head.get("statistic", ())]).strip(), name)
    cells = [Cell(f"Line {line} of {name}", "time", row[0]) for line, row in points]
    values = [Cell(f"Line {line} of {name}", "value", row[1] if len(row) > 1 else "") for line, row in points]
    times, assumed = moments(cells, **reading)
    return _concurrency(list(zip(times, numbers(values), strict=True)), name), assumed


def _require_concurrency(label: str, name: str) -> None:
    """Refuse a series whose label says that it is another metric, or another statistic than the sum."""
    measure = _MEASURE.fullmatch(label)
    if _OTHER_METRICS.fullmatch(metric := measure[1] if measure else label):
        raise InvalidInput(
            f"{name} holds {metric}, not ConcurrentRequestsPerModel.",
            hint="Only the sum of ConcurrentRequestsPerModel over the instances is the variant's concurrency.",
        )
    if measure and measure[2] != "Sum":
        raise InvalidInput(
            f"{name} holds the {measure[2]} of {measure[1]}, not the Sum.",
            hint="Choose the statistic Sum: only the sum over the instances is the variant's concurrency.",
        )


def _concurrency(points: Sequence[tuple[float, float]], name: str) -> Series:
    ordered = sorted(dict.fromkeys(points))
    series = series_of([time for time, _ in ordered], [value for _, value in ordered], name=name)
    # The sum of a minute counts every stream six times, once for each time that its instance published.
    samples = max(1.0, series.period_s / METRIC_EVERY_S)
    return replace(series, values=tuple(np.divide(series.values, samples).tolist()))
