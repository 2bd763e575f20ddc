"""docs/reliability.md: what a user sees, what is left and what a rerun does, of each fault at each step."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from kit.reliability import STEPS, STRIKES, WORDS

ROOT = Path(__file__).resolve().parents[2]


def script():
    spec = spec_from_file_location("reliability_table", ROOT / "docs" / "reliability_table.py")
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def rows():
    """Cells by step and fault."""
    text, found, step = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), {}, ""
    for line in text.partition("\n## What is called")[0].splitlines():
        if line.startswith("## "):
            step = line[3:].lower()
        elif line.startswith("| ") and not line.startswith("| fault"):
            fault, *cells = (cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("| ")))
            found[step, fault] = cells
    return found


def test_every_fault_was_tried_at_every_step():
    assert set(rows()) == {(step.name, WORDS[fault]) for step in STEPS for fault in STRIKES}
    assert (len(STEPS), len(STRIKES)) == (12, 9)


@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_the_same_line_again_does_what_was_asked_whatever_struck_before(step):
    assert {cells[-1] for (name, _), cells in rows().items() if name == step} == {"does it"}


@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_every_end_is_said_in_words_and_none_is_a_fault_of_dgsms(step):
    for (name, fault), (exit_code, said, left, _) in rows().items():
        if name == step:
            assert exit_code in ("0", "1", "2", "129", "143", "SIGKILL"), (fault, exit_code)
            assert "unforeseen" not in said and "Traceback" not in said
            assert said != "nothing" or exit_code in ("0", "1", "129", "143", "SIGKILL"), fault
            assert left


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_page_is_what_happens_when_it_is_tried():
    made = script()
    assert made.PAGE.read_text(encoding="utf-8") == made.page(made.tried()), "run docs/reliability_table.py"
