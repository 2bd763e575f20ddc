"""The whole workbook in one go on the embedded AWS, and one page that shows the results.

While calls scale one endpoint (`NOTEBOOKS`), another is measured and policies are simulated beside it (`BESIDE`): both
take as long as streams and processors take, and none of them needs what the others make.
"""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.processes.background import in_background
from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.session import Workbook, open_workbook
from dgsm_helpers.settings import settings_file
from dgsm_helpers.views.pages.demo_page import DemoResults, SummaryRow, page
from dgsm_helpers.wire.whole_file import write_whole
from dgsm_helpers.workbook.notebook_page import figures_of, write_html
from dgsm_helpers.workbook.run_notebooks import NotebookOutcome, run_notebook

NOTEBOOKS = ("00_start_here", "01_deploy", "02_register", "04_monitor", "99_clean_up")
BESIDE = ("03_tune", "05_plan")
PLANNED_AFTER = "01_deploy"
"""A sweep takes every processor, and so many kernels that start at once are slow to."""
ENDPOINT_NAME = "deepgram-make-demo"
"""Not the notebooks' default: the demo ends with deleting its endpoint, and must not delete one of the user's."""

MEASURED_ENDPOINT = f"{ENDPOINT_NAME}-knee"
"""An endpoint of its own: while one is measured nothing else may use it, and nothing scales it."""

WER_LIMIT_PERCENT = 10.0
MEASURED = (
    *("deployed_in_s", "detected_in_s", "scaled_out_in_s", "instances", "word_error_rate", "lag_p95_ms"),
    *("calls", "calls_cut", "words_lost", "knee", "target_value", "recommended", "left_behind"),
)
"""What ``summary.json`` holds; ``word_error_rate`` is a share, ``lag_p95_ms`` is before, at the peak and after."""
LEAST_SPEED = 10.0
SPEED = 200.0
"""Of an embedded AWS that is started for it: calls are in real time, and nobody wants to wait for a scale-in."""
METERED = {"lanes": 4, "service_ms": 39}
"""Of the same: 10 calls an instance. At the usual 38 ms an eleventh falls behind slowly, and measuring takes longer."""


def run_demo(*, out: Path = Path("out"), notebooks_dir: Path | None = None) -> int:
    """Run the notebooks on the embedded AWS; write ``index.html``, ``summary.json`` and a page for each into ``out``.

    Clean-up runs also when a notebook before it failed.

    Returns:
        0 when every notebook ran, the endpoint scaled out and back, no call lost a word, the speech was understood, the
        knee is the one that is known and planned for, and nothing is left; 1 otherwise.

    Raises:
        NotFound: there are no notebooks here.
        InvalidInput: the embedded AWS that runs is too slow for a demo.
        LocalStartFailed: it did not come up.
    """
    began = time.monotonic()
    folder = notebooks_dir or Path(__file__).resolve().parents[2] / "notebooks"
    if missing := [f"{name}.ipynb" for name in (*NOTEBOOKS, *BESIDE) if not (folder / f"{name}.ipynb").is_file()]:
        raise NotFound(f"{folder} has no {', '.join(missing)}.", hint="Run the demo from a clone of the repository.")
    with settings_file.left_out():
        return _run_demo(folder, out, began)


def _run_demo(folder: Path, out: Path, began: float) -> int:
    wb, measured_wb = (open_workbook("local", endpoint_name=name) for name in (ENDPOINT_NAME, MEASURED_ENDPOINT))
    if 1 / wb.wall_seconds(1) < LEAST_SPEED:
        raise InvalidInput(
            f"The embedded AWS that runs has speed {1 / wb.wall_seconds(1):g}; the demo would take hours.",
            hint="Stop it first: dgsm local down",
        )
    outcomes = _run(folder, out, measured_wb)
    left_behind = [f"{item.kind} {item.name}" for one in (wb, measured_wb) for item in deletion.prove_empty(one)]
    for name in left_behind:
        print(f"left behind: {name}")
    write_summary(measured(outcomes, left_behind=left_behind), out)
    rows = summary(outcomes, wb, left_behind=left_behind, took_s=time.monotonic() - began)
    index = write_index(outcomes, rows, out)
    width = max(len(row.label) for row in rows)
    print("\n".join(f"{row.label:<{width}}  {row.value}" for row in rows))
    print(f"Open {index}")
    return 0 if succeeded(outcomes) and not left_behind else 1


def _run(folder: Path, out: Path, measured_wb: Workbook) -> list[NotebookOutcome]:
    """Run all of them; the outcomes in the order of the notebooks' names.

    Those beside run in threads that nobody has to wait for: an interrupt ends the demo, and the kernels with it.
    """
    import_without_grammar()
    run = partial(_run_one, folder, out)
    known = local.find(local.home_folder())
    knee = known.engines["metered"]["knee"] if known else 0
    tuned = in_background(partial(_tune, run, measured_wb))
    outcomes: list[NotebookOutcome] = []
    for name in NOTEBOOKS:
        if all(outcome.ok for outcome in outcomes) or name == NOTEBOOKS[-1]:
            outcomes.append(run(name, ENDPOINT_NAME))
        if name == PLANNED_AFTER:
            # Not once 03 has measured: that takes most of the demo's time.
            planned = in_background(partial(run, "05_plan", MEASURED_ENDPOINT, beside=True, gives_way=True, knee=knee))
    for name, future in zip(BESIDE, (tuned, planned), strict=True):
        outcomes.append(_waited_for(name, future))
    return sorted(outcomes, key=lambda outcome: outcome.notebook.stem)


def _tune(run: Any, measured_wb: Workbook) -> NotebookOutcome:
    """Measure an endpoint of its own, and delete that whatever comes of it."""
    try:
        outcome: NotebookOutcome = run("03_tune", measured_wb.endpoint_name, beside=True)
        return outcome
    finally:
        deletion.delete(measured_wb)


def _run_one(
    folder: Path,
    out: Path,
    name: str,
    endpoint_name: str,
    *,
    beside: bool = False,
    gives_way: bool = False,
    **given: Any,
) -> NotebookOutcome:
    values = {"endpoint_name": endpoint_name, **given}
    outcome = run_notebook(
        folder / f"{name}.ipynb", values, out, timeout_s=240, progress_bar=not beside, gives_way=gives_way
    )
    print(outcome, flush=True)
    write_html(outcome.output, out / f"{name}.html")
    return outcome


def _waited_for(name: str, future: Future[NotebookOutcome]) -> NotebookOutcome:
    with ProgressLine() as line:
        while not future.done():
            line.show(f"{name} is still running")
            time.sleep(0.2)
    return future.result()


def succeeded(outcomes: Sequence[NotebookOutcome]) -> bool:
    """Whether all ran and left nothing, the instances went up and came back, no call lost a word, the speech was
    understood, and what was measured is what was planned for.
    """
    values = _values(outcomes)
    counts = values.get("running_instances") or [0]
    scaled = max(counts) > counts[0] == counts[-1]
    understood = values.get("wer_percent", 100.0) <= WER_LIMIT_PERCENT
    whole = values.get("calls", 0) > 0 == values.get("words_lost")
    found = values.get("feasible_max", 0) == values.get("knee")
    ran = all(outcome.ok for outcome in outcomes)
    return ran and scaled and whole and understood and found and not values["left_behind"]


def measured(outcomes: Sequence[NotebookOutcome], *, left_behind: Sequence[str]) -> dict[str, Any]:
    """`MEASURED` by name, as the notebooks gave it out; None for what was not reached."""
    values = dict(_values(outcomes))
    if "wer_percent" in values:
        values["word_error_rate"] = round(values["wer_percent"] / 100, 4)
    lag = _lag(values) or None
    values |= {"instances": values.get("running_instances"), "lag_p95_ms": lag, "left_behind": list(left_behind)}
    values |= {"knee": values.get("feasible_max")}
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
        SummaryRow(
            "One instance sustains",
            value("feasible_max", "{} calls at once"),
            "measured here, in real time, on an endpoint of its own; known beforehand by its closed form",
        ),
        SummaryRow("Target value", value("target_value", "{:g} calls an instance"), "from what one instance sustains"),
        SummaryRow("Left behind", ", ".join(left_behind) or "nothing", "asked of the embedded AWS at the end"),
        SummaryRow("All of it took", f"{took_s:.0f} s", "measured here"),
    ]


def write_index(outcomes: Sequence[NotebookOutcome], rows: Sequence[SummaryRow], out: Path) -> Path:
    """Write ``index.html``: what came of it, and links to the pages of the notebooks."""
    results = DemoResults(
        values=_values(outcomes),
        figures={outcome.notebook.stem: figures_of(outcome.output) for outcome in outcomes},
        rows=rows,
        notebooks=[(outcome.notebook.stem, _ended(outcome)) for outcome in outcomes],
    )
    index = out / "index.html"
    write_whole(index, page(results))
    return index


def _ended(outcome: NotebookOutcome) -> str:
    return f"ran in {outcome.took_s:.0f} s" if outcome.ok else f"failed: {outcome.error}"


def _lag(values: Mapping[str, Any]) -> dict[str, float | None]:
    """In the order of the story, whole milliseconds; a notebook's values come in that of the alphabet."""
    lag = values.get("lag_p95_ms", {})
    return {when: lag[when] and round(lag[when]) for when in ("before", "peak", "after") if when in lag}


def _values(outcomes: Sequence[NotebookOutcome]) -> Mapping[str, Any]:
    return {name: value for outcome in outcomes for name, value in outcome.values.items()}
