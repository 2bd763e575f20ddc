"""Traffic by name or from a file: a shape, call records, or concurrency as a CSV or as CloudWatch hands it out."""

import os
import re
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.planning.call_records import (
    ASTERISK_COLUMNS,
    Columns,
    header_at,
    is_asterisk_row,
    traffic_of_calls,
)
from dgsm_helpers.planning.cells import numbers
from dgsm_helpers.planning.cloudwatch_exports import console_series, is_cloudwatch, series_of_answers
from dgsm_helpers.planning.moments import moments
from dgsm_helpers.planning.spreadsheets import (
    RecordTable,
    csv_rows,
    decoded,
    documents_of,
    table_of,
    table_of_records,
)
from dgsm_helpers.simulate.replay import Series, replay, series_of
from dgsm_helpers.simulate.traffic import DAY_S, PRESETS, Traffic, preset

STREAM_S = 300.0
"""Mean length of a stream where the traffic does not tell: five minutes, a call (assumption)."""

_YAML = re.compile(r"(---\s+)?(- )?(MetricDataResults|Messages|Datapoints|Label|NextToken):", re.ASCII)
_UNREADABLE_YAML = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RecursionError)
"""What PyYAML raises of text that is none, and of a value that is not what its tag or its form says."""
_CLI_TEXT = re.compile(r"METRICDATARESULTS|DATAPOINTS|-{20}", re.ASCII)
_RECORDS = {"Contacts": "NextToken", "calls": "next_page_uri", "conversations": ""}
"""Under which key an answer holds its records, and under which the address of the next page."""


class _WithoutAliases(yaml.SafeLoader):
    """Reads values that are written out, as the AWS CLI does: of a few aliases of aliases no memory is large enough."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases (*)")
        return super().compose_node(parent, index)


def load_traffic(
    source: str,
    *,
    peak: float | None = None,
    horizon_s: float | None = None,
    mean_s: float = STREAM_S,
    seed: int = 0,
    columns: str = "",
) -> Traffic:
    """Traffic to plan for.

    Args:
        source: a shape (constant, step, ramp, diurnal, bursty) or a file. Calls are read from the exports of Asterisk,
            Amazon Connect, Genesys Cloud and Twilio, and from any CSV with the columns ``start`` and ``duration_s`` (or
            ``end``). A CSV with ``time`` and ``streams`` is the variant's concurrency, as is what CloudWatch's console
            downloads or ``aws cloudwatch get-metric-data`` prints for the Sum of ConcurrentRequestsPerModel, in
            whatever period. Rows may be in any order.
        peak: streams at the height of a shape; needed for one.
        horizon_s: length of a shape, a day by default.
        mean_s: mean length of a stream, for shapes and series.
        seed: of what is random.
        columns: what the columns of a CSV are called, and how its times are meant (`call_records.Columns`):
            ``start=Begin,duration_s=Talk,zone=Europe/Berlin,dates=day-first``.

    Raises:
        NotFound: neither a shape nor a file.
        InvalidInput: a shape without a peak, a peak or length for a file, or a file that is wrong or not complete;
            file, line, column and value are named.
    """
    if source in PRESETS:
        if peak is None or not peak > 0:
            raise InvalidInput(f"The shape {source!r} needs a peak above zero, not {peak}.", hint="Give peak (--peak).")
        if columns:
            raise InvalidInput(f"The shape {source!r} has no columns.", hint="Leave columns out, or give a file.")
        return preset(source, peak=peak, horizon_s=DAY_S if horizon_s is None else horizon_s, mean_s=mean_s, seed=seed)
    path = source if os.path.exists(source) else os.path.expanduser(source)
    if not os.path.isfile(path):
        raise NotFound(f"There is no traffic {source!r}.", hint=f"Give one of {', '.join(PRESETS)}, or a file.")
    name = os.path.basename(path)
    if peak is not None or horizon_s is not None:
        raise InvalidInput(f"{name} has its own height and length.", hint="Leave out peak and length for a file.")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror or error}.") from error
    return traffic_from(content, name=name, mean_s=mean_s, seed=seed, columns=columns)


def traffic_from(content: bytes, *, name: str, mean_s: float = STREAM_S, seed: int = 0, columns: str = "") -> Traffic:
    """Traffic from a file's content, as `load_traffic` reads and refuses it: for uploads."""
    described = Columns.parse(columns)
    text, notes = decoded(content, name)
    found = _from_documents(text, name, described) or _from_rows(text, name, described, notes)
    if isinstance(found, Traffic):
        return found
    series, assumed = found
    return replace(replay(series, mean_s=mean_s, seed=seed), notes=(*notes, *assumed))


def _from_documents(text: str, name: str, described: Columns) -> Traffic | tuple[Series, list[str]] | None:
    """What JSON or YAML holds; None when the text is neither."""
    begin = text.lstrip()
    if _CLI_TEXT.match(begin):
        raise InvalidInput(f"{name} is a table for people to read.", hint="Ask the AWS CLI for --output json.")
    if _YAML.match(begin):
        try:
            loaded = yaml.load(text, _WithoutAliases)
        except _UNREADABLE_YAML as error:
            raise InvalidInput(f"{name} is no YAML: {error}.", hint="Ask the AWS CLI for --output json.") from error
        documents = loaded if isinstance(loaded, list) else [loaded]
    elif begin.startswith(("{", "[")):
        documents = documents_of(text.strip(), name)
    else:
        return None
    if documents and all(is_cloudwatch(document) for document in documents):
        if described.named:
            raise InvalidInput(f"{name} comes from CloudWatch and has no columns.", hint="Leave columns out.")
        return series_of_answers(documents, name=name), []
    return traffic_of_calls(_records(documents, name), columns=described)


def _records(documents: list[object], name: str) -> RecordTable:
    """The call records of an answer's pages, or of one document for each call."""
    records: list[dict[str, object]] = []
    for number_, document in enumerate(documents, start=1):
        if not isinstance(document, Mapping):
            raise InvalidInput(
                f"{name} is not what `aws cloudwatch get-metric-data` or a telephone system prints: "
                f"{reprlib.repr(document)}.",
                hint="Give one object for each call, or a CSV.",
            )
        key = next((key for key in _RECORDS if isinstance(document.get(key), list)), None)
        if key is None:
            records.append(dict(document))
            continue
        for record in document[key]:
            if not isinstance(record, Mapping):
                raise InvalidInput(
                    f"{name} holds {reprlib.repr(record)} among its {key}, which is no record of a call.",
                    hint="Export it again.",
                )
            records.append(dict(record))
        if not isinstance(hits := document.get("totalHits", 0), int):
            raise InvalidInput(
                f"{name} says totalHits {reprlib.repr(hits)}, which is no number.", hint="Export it again."
            )
        if number_ == len(documents) and (document.get(_RECORDS[key]) or hits > len(records)):
            raise InvalidInput(
                f"{name} is not complete: after {len(records)} records it says that there are more.",
                hint="Fetch the other pages too and append them to this file.",
            )
    if not any(records):
        raise InvalidInput(
            f"{name} is not what `aws cloudwatch get-metric-data` prints, and holds no calls.", hint="Give a CSV."
        )
    return table_of_records(records, name)


def _from_rows(text: str, name: str, described: Columns, notes: list[str]) -> Traffic | tuple[Series, list[str]]:
    rows = csv_rows(text, name)
    reading = {"zone": described.zone, "order": described.order}
    if rows and (found := console_series(rows, name=name, **reading)):
        return found
    headless = bool(rows) and is_asterisk_row(rows[0][1])
    if above := header_at(rows, described):
        notes = [*notes, f"What stands above the header of {name}, {above} lines, was left out."]
        rows = rows[above:]
    table = table_of(rows, name, header=ASTERISK_COLUMNS[: len(rows[0][1])] if headless else None)
    streams = described.named.get("streams", "streams")
    if described.system() or not table.find(streams):
        return traffic_of_calls(table, columns=described, notes=notes)
    time = described.named.get("time", "time")
    times, assumed = moments(table.cells(time), **reading)
    points = sorted(zip(times, numbers(table.cells(streams)), strict=True))
    return series_of([at for at, _ in points], [value for _, value in points], name=name), assumed
