"""Bytes that nobody meant are taken or refused, and nothing else: what was found before, and what is made up now.

``FUZZ`` is how many inputs are made up for each target. An input that a target breaks on is kept in ``corpus``.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.fuzz_targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
EXAMPLES = int(os.environ.get("FUZZ", "60"))
tally: defaultdict[str, Counter[str]] = defaultdict(Counter)


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of the seeds, cut, joined, repeated and with other bytes in it."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["bytes", "cut", "out", "join", "repeat"])):
            case "bytes":
                new = draw(st.binary(min_size=1, max_size=8))
                data = data[:at] + new + data[at + draw(st.sampled_from([0, len(new)])) :]
            case "cut":
                data = data[:at]
            case "out":
                data = data[:at] + data[at + draw(st.integers(1, 16)) :]
            case "join":
                data = data[:at] + draw(st.sampled_from(seeds))
            case "repeat":
                data = data[:at] + data[at : at + 64] * draw(st.sampled_from([2, 50])) + data[at:]
    return data[:100_000]


def found(name: str) -> list[Path]:
    """Inputs of the corpus for a target."""
    return sorted((CORPUS / name).glob("*"))


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before_is_taken_or_refused(name):
    for data in (*TARGETS[name].seeds, *(path.read_bytes() for path in found(name))):
        tally[name][TARGETS[name].run(data)] += 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_what_is_made_up_is_taken_or_refused(name):
    target = TARGETS[name]
    seeds = [*target.seeds, *(path.read_bytes() for path in found(name))]

    @settings(max_examples=EXAMPLES, database=None)
    @given(st.one_of(changed(seeds), st.binary(max_size=300)))
    def fuzzed(data: bytes) -> None:
        try:
            tally[name][target.run(data)] += 1
        except Exception:
            smallest.append(data)
            raise

    smallest: list[bytes] = []
    try:
        fuzzed()
    except BaseException:
        if smallest:  # the last one that hypothesis tries is the smallest it has
            (CORPUS / name).mkdir(parents=True, exist_ok=True)
            (CORPUS / name / hashlib.sha256(smallest[-1]).hexdigest()[:16]).write_bytes(smallest[-1])
        raise
