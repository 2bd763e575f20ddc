"""The doctor's vocabulary: a verdict, what a rule answers, and a rule with its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .doctor_snapshot import Snapshot


class Verdict(StrEnum):
    """How bad it is; see :attr:`rank`."""

    OK = "OK"
    UNKNOWN = "UNKNOWN"
    """It could not be judged: something was not measured, or may not be read."""
    WARN = "WARN"
    """It works and costs money, latency or surprises."""
    STOP = "STOP"
    """Scaling does not work, or streams suffer, until this is changed."""

    @property
    def rank(self) -> int:
        """0 for OK, up to 3 for STOP."""
        return list(Verdict).index(self)


class Judged(NamedTuple):
    """A rule's answer: the verdict, the values it rests on, and what to do."""

    verdict: Verdict
    evidence: str
    fix: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing to look at. ``judge`` is a pure function of the snapshot; ``source`` is where the rule comes from.

    ``needs`` names the parts of the snapshot without which it cannot judge.
    """

    name: str
    judge: Callable[[Snapshot], Judged]
    source: str
    needs: tuple[str, ...] = ()


def ok(evidence: str) -> Judged:
    """All is well."""
    return Judged(Verdict.OK, evidence)


def unknown(evidence: str, fix: str) -> Judged:
    """It cannot be told; ``fix`` says how it could."""
    return Judged(Verdict.UNKNOWN, evidence, fix)


def warn(evidence: str, fix: str) -> Judged:
    """Better changed."""
    return Judged(Verdict.WARN, evidence, fix)


def stop(evidence: str, fix: str) -> Judged:
    """To be changed now."""
    return Judged(Verdict.STOP, evidence, fix)
