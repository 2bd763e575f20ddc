"""The rules are functions of their arguments: no file but the package's own data, no clock, environment or chance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RULES = Path(__file__).resolve().parents[2] / "dgsm_helpers" / "rules"
EXEMPT = {"sample.py"}
"""The recording that the package brings along."""

FORBIDDEN_MODULES = {
    "os",
    "pathlib",
    "io",
    "socket",
    "subprocess",
    "threading",
    "urllib",
    "requests",
    "boto3",
    "logging",
}
FORBIDDEN_CALLS = {"open", "input", "print", "time.time", "time.monotonic", "time.sleep", "uuid.uuid4"}
WALL_CLOCK = {"now", "utcnow", "today"}
SEEDED = {"random.Random"}
"""What may be used of ``random``: a generator that the caller hands in or seeds."""


def impurities(source: str) -> list[str]:
    """Every import, call or use in ``source`` that reads something other than the arguments."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            package = node.module.split(".")[0]
            names += [node.module] if package in FORBIDDEN_MODULES | {"random", "time"} else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            clock = called.split(".")[-1] in WALL_CLOCK and called.split(".")[0] in ("datetime", "date")
            names += [called] if called in FORBIDDEN_CALLS or clock else []
        if isinstance(node, ast.Attribute):
            used = ast.unparse(node)
            names += [used] if used.startswith("random.") and used.count(".") == 1 and used not in SEEDED else []
        if isinstance(node, ast.Global):
            names += [f"global {name}" for name in node.names]
    return names


@pytest.mark.parametrize("path", sorted(p for p in RULES.glob("*.py") if p.name not in EXEMPT), ids=lambda p: p.stem)
def test_a_rule_depends_on_its_arguments_alone(path):
    assert not impurities(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import boto3.session",
        "from pathlib import Path",
        "from time import time",
        "from random import random",
        "import time\ndef f(): return time.time()",
        "def f(): return open('x').read()",
        "def f(): return datetime.now(UTC)",
        "def f(): return datetime.date.today()",
        "import random\ndef f(): return random.random()",
        "import random\nf = random.choice",
        "def f():\n    global seen",
    ],
)
def test_every_way_to_read_something_else_is_seen(source):
    assert impurities(source)


def test_a_generator_that_is_handed_in_is_no_chance_of_its_own():
    assert not impurities("import random\ndef f(rng: random.Random): return rng.random()")
