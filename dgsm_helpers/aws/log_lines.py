"""The lines of a container's log that are known, and what they mean. Pure.

Sources: Deepgram, observability-sagemaker, health-checks-sagemaker and deploy-amazon-sagemaker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import tables


@dataclass(frozen=True)
class Pattern:
    """A line that is known: an ``example`` of what it contains, what it means, what to do (empty: nothing), and whether
    it is a ``problem``."""

    example: str
    regex: str
    meaning: str
    action: str = ""
    problem: bool = False


PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "[cuda-preflight]",
        r"\[cuda-preflight\]",
        "the host's GPU driver is too old for the container",
        "Deploy with the AMI that deploy.plan(wb) pins.",
        problem=True,
    ),
    Pattern(
        "composite health check failed",
        r"composite health check failed",
        "the engine is unhealthy",
        "Send the log to Deepgram's support.",
        problem=True,
    ),
    Pattern(
        "panicked at",
        r"panicked at",
        "the engine crashed",
        "Send the lines around it to Deepgram's support.",
        problem=True,
    ),
    Pattern(
        "unsupported_parameter",
        r"unsupported_parameter|[Uu]nsupported parameter",
        "a caller asked for a parameter that this model does not know: on a stream it sees only a 424",
        "Take the parameter out of the query string.",
        problem=True,
    ),
    Pattern("ERROR", r"\bERROR\b", "the container logged an error", "Read the line and those before it.", problem=True),
    Pattern(
        "WARNING … skipped",
        r"WARNING .*skipped",
        "a setting was skipped",
        "Compare the endpoint's Environment with Deepgram's manual.",
    ),
    Pattern("Deepgram Engine is ready", r"Deepgram Engine is ready", "the engine is ready and serves from here on"),
    Pattern("/ping returning 503", r"/ping returning 503", "still starting: normal until the engine is ready"),
)


_KNOWN = "Lines that are known, the gravest first"
_KNOWN_COLUMNS = ("line contains", "kind", "means", "what to do")


@dataclass(frozen=True)
class Known:
    """The lines that are known, as a table: what each looks like, what it means, what to do."""

    patterns: tuple[Pattern, ...] = PATTERNS

    def __str__(self) -> str:
        return tables.text_table(_KNOWN, _KNOWN_COLUMNS, self._rows())

    def _repr_html_(self) -> str:
        return tables.html_table(_KNOWN, _KNOWN_COLUMNS, self._rows())

    def _rows(self) -> list[tuple[object, ...]]:
        return [(p.example, "problem" if p.problem else "normal", p.meaning, p.action or "-") for p in self.patterns]


def explain(message: str) -> Pattern | None:
    """The known pattern that a line matches, the gravest first. Pure."""
    return next((pattern for pattern in PATTERNS if re.search(pattern.regex, message)), None)
