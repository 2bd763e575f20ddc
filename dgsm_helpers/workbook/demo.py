"""The whole workbook in one go on the embedded AWS, and one page that shows the results."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.session import Workbook, open_workbook
from dgsm_helpers.settings import settings_file
from dgsm_helpers.wire.whole_file import write_whole
from dgsm_helpers.workbook.notebook_page import figures_of, write_html
from dgsm_helpers.workbook.run_notebooks import NotebookOutcome, run_notebook

NOTEBOOKS = ("00_start_here", "01_deploy", "02_register", "04_monitor", "99_clean_up")
ENDPOINT_NAME = "deepgram-make-demo"
"""Not the notebooks' default: the demo ends with deleting its endpoint, and must not delete one of the user's."""

WER_LIMIT_PERCENT = 10.0
MEASURED = (
    *("deployed_in_s", "detected_in_s", "scaled_out_in_s", "instances", "word_error_rate", "lag_p95_ms"),
    *("calls", "calls_cut", "words_lost", "left_behind"),
)
"""What ``summary.json`` holds; ``word_error_rate`` is a share, ``lag_p95_ms`` is before, at the peak and after."""
LEAST_SPEED = 10.0
SPEED = 100.0
"""Of an embedded AWS that is started for it: calls are in real time, and nobody wants to wait for a scale-in."""


@dataclass(frozen=True)
class SummaryRow:
    """One line of the summary: a value, what it is called, and where it comes from."""

    label: str
    value: str
    origin: str


def run_demo(*, out: Path = Path("out"), notebooks_dir: Path | None = None) -> int:
    """Run the notebooks in order on the embedded AWS; write ``index.html``, ``summary.json`` and a page for each into
    ``out``.

    Clean-up runs also when a notebook before it failed.

    Returns:
        0 when every notebook ran, the endpoint scaled out and back, no call lost a word, the speech was understood and
        nothing is left; 1 otherwise.

    Raises:
        NotFound: there are no notebooks here.
        InvalidInput: the embedded AWS that runs is too slow for a demo.
        LocalStartFailed: it did not come up.
    """
    began = time.monotonic()
    folder = notebooks_dir or Path(__file__).resolve().parents[2] / "notebooks"
    paths = [folder / f"{name}.ipynb" for name in NOTEBOOKS]
    with settings_file.left_out():
        return _run_demo(paths, out, began)


def _run_demo(paths: Sequence[Path], out: Path, began: float) -> int:
    folder = paths[0].parent
    if missing := [path.name for path in paths if not path.is_file()]:
        raise NotFound(f"{folder} has no {', '.join(missing)}.", hint="Run the demo from a clone of the repository.")
    wb = open_workbook("local", endpoint_name=ENDPOINT_NAME)
    if 1 / wb.wall_seconds(1) < LEAST_SPEED:
        raise InvalidInput(
            f"The embedded AWS that runs has speed {1 / wb.wall_seconds(1):g}; the demo would take hours.",
            hint="Stop it first: dgsm local down",
        )
    outcomes = _run(paths, out)
    left_behind = [f"{item.kind} {item.name}" for item in deletion.prove_empty(wb)]
    for name in left_behind:
        print(f"left behind: {name}")
    write_summary(measured(outcomes, left_behind=left_behind), out)
    rows = summary(outcomes, wb, left_behind=left_behind, took_s=time.monotonic() - began)
    page = write_index(outcomes, rows, out)
    width = max(len(row.label) for row in rows)
    print("\n".join(f"{row.label:<{width}}  {row.value}" for row in rows))
    print(f"Open {page}")
    return 0 if succeeded(outcomes) and not left_behind else 1


def _run(paths: Sequence[Path], out: Path) -> list[NotebookOutcome]:
    outcomes: list[NotebookOutcome] = []
    for path in paths:
        if all(outcome.ok for outcome in outcomes) or path is paths[-1]:
            outcomes.append(run_notebook(path, {"endpoint_name": ENDPOINT_NAME}, out, timeout_s=240))
            print(outcomes[-1], flush=True)
    return outcomes


def succeeded(outcomes: Sequence[NotebookOutcome]) -> bool:
    """Whether all ran and left nothing, the instances went up and came back, no call lost a word, and the speech was
    understood.
    """
    values = _values(outcomes)
    counts = values.get("running_instances") or [0]
    scaled = max(counts) > counts[0] == counts[-1]
    understood = values.get("wer_percent", 100.0) <= WER_LIMIT_PERCENT
    whole = values.get("calls", 0) > 0 == values.get("words_lost")
    return all(outcome.ok for outcome in outcomes) and scaled and whole and understood and not values["left_behind"]


def measured(outcomes: Sequence[NotebookOutcome], *, left_behind: Sequence[str]) -> dict[str, Any]:
    """`MEASURED` by name, as the notebooks gave it out; None for what was not reached."""
    values = dict(_values(outcomes))
    if "wer_percent" in values:
        values["word_error_rate"] = round(values["wer_percent"] / 100, 4)
    lag = _lag(values) or None
    values |= {"instances": values.get("running_instances"), "lag_p95_ms": lag, "left_behind": list(left_behind)}
    return {name: values.get(name) for name in MEASURED}


def write_summary(values: Mapping[str, Any], out: Path) -> Path:
    """Write ``summary.json``, for whoever reads it by program."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "summary.json"
    write_whole(path, json.dumps(values, indent=1) + "\n")
    return path


def summary(
    outcomes: Sequence[NotebookOutcome], wb: Workbook, *, left_behind: Sequence[str], took_s: float
) -> list[SummaryRow]:
    """The summary's lines. A value that no notebook gave out is shown as not reached."""
    values = _values(outcomes)
    speed = 1 / wb.wall_seconds(1)
    local = f"simulated: the embedded AWS, whose time runs {speed:g} times as fast"

    def value(name: str, form: str) -> str:
        return form.format(values[name]) if name in values else "not reached"

    lag = _lag(values)
    lags = " → ".join(f"{ms / 1000:.1f} s" for ms in lag.values() if ms is not None) or "not reached"
    here = "measured here, in real time, against the exact transcript"
    counts = " → ".join(str(count) for count in values.get("running_instances", ())) or "not reached"
    return [
        SummaryRow("Deployed in", value("deployed_in_s", "{} s"), local),
        SummaryRow("Detected in", value("detected_in_s", "{} s from the first stream to the scaling activity"), local),
        SummaryRow("Scaled out in", value("scaled_out_in_s", "{} s until the instances served"), local),
        SummaryRow("Instances over time", counts, local),
        SummaryRow("Callers' lag", lags, "measured here, in real time: p95 before the load, at its height, and after"),
        SummaryRow("Calls", value("calls", "{}"), "held here, in real time, each 20 to 60 s long"),
        SummaryRow("Sessions cut", value("calls_cut", "{}, whose calls went on"), "by instances that were removed"),
        SummaryRow("Words lost", value("words_lost", "{}"), here),
        SummaryRow(
            "Word error rate",
            value("wer_percent", "{} %"),
            f"measured here against the exact transcript; heard by {values.get('transcribed_by', 'nothing')}",
        ),
        SummaryRow("Left behind", ", ".join(left_behind) or "nothing", "asked of the embedded AWS at the end"),
        SummaryRow("All of it took", f"{took_s:.0f} s", "measured here"),
    ]


def write_index(outcomes: Sequence[NotebookOutcome], rows: Sequence[SummaryRow], out: Path) -> Path:
    """Write a page for each executed notebook, and ``index.html`` with the summary, the figure and the links."""
    links = []
    for outcome in outcomes:
        page = write_html(outcome.output, out / f"{outcome.notebook.stem}.html")
        verdict = f"ran in {outcome.took_s:.0f} s" if outcome.ok else f"failed: {outcome.error}"
        links.append(
            f'<li><a href="{in_html(quote(page.name))}">{in_html(outcome.notebook.stem)}</a> {in_html(verdict)}</li>'
        )
    table = "".join(
        f"<tr><th>{in_html(row.label)}</th><td>{in_html(row.value)}</td>"
        f"<td class=origin>{in_html(row.origin)}</td></tr>"
        for row in rows
    )
    figure = next((html for o in outcomes if o.notebook.stem == "04_monitor" for html in figures_of(o.output)), "")
    index = out / "index.html"
    template = Template((files("dgsm_helpers") / "data" / "demo.html").read_text(encoding="utf-8"))
    write_whole(index, template.substitute(table=table, figure=figure, links="".join(links)))
    return index


def _lag(values: Mapping[str, Any]) -> dict[str, float | None]:
    """In the order of the story, whole milliseconds; a notebook's values come in that of the alphabet."""
    lag = values.get("lag_p95_ms", {})
    return {when: lag[when] and round(lag[when]) for when in ("before", "peak", "after") if when in lag}


def _values(outcomes: Sequence[NotebookOutcome]) -> Mapping[str, Any]:
    return {name: value for outcome in outcomes for name, value in outcome.values.items()}
