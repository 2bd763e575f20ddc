"""Write docs/reliability.md: each fault at each step of the work, and every call that is made on AWS.

The first is what happens when it is tried, on an embedded AWS of its own; it takes some minutes. The second is read
from the source.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from kit.aws_calls import table  # noqa: E402
from kit.reliability import STEPS, STRIKES, WORDS, Outcome, outcomes  # noqa: E402

from dgsm_helpers import local  # noqa: E402

PAGE = HERE / "reliability.md"
HEAD = """# Reliability

Made by `docs/reliability_table.py`, which tries each fault at each step on an embedded AWS; a slow test tries them
again and compares. A fault begins at the call named and lasts until the command ends; then the same line is run again.
"As before" is the endpoint with its scaling, models and configs, once no change is in progress.
"""


def matrix(rows: Iterable[tuple[str, str, Outcome]]) -> str:
    """The tables of faults, one for each step."""
    by_step: dict[str, list[str]] = {step.name: [] for step in STEPS}
    for fault, step, outcome in rows:
        said = outcome.said.replace("|", "\\|") or "nothing"
        by_step[step].append(f"| {WORDS[fault]} | {outcome.exit} | {said} | {outcome.left} | {outcome.rerun} |")
    parts = []
    for step in STEPS:
        parts += [f"\n## {step.name.capitalize()}\n", f"`{step.line}`, struck at {step.at}.\n"]
        parts += [
            "| fault | exit | you see | left | the same line again |",
            "|---|---|---|---|---|",
            *by_step[step.name],
        ]
    return "\n".join(parts) + "\n"


def tried() -> str:
    """The tables as they come out now."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        local.up(home, speed=600)
        try:
            return matrix(outcomes(home, tuple(STRIKES)))
        finally:
            local.down(home)


def page(tables: str) -> str:
    """The page's text."""
    return f"{HEAD}{tables}\n{table()}"


if __name__ == "__main__":
    PAGE.write_text(page(tried()), encoding="utf-8")
