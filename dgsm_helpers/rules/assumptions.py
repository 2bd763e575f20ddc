"""Assumptions as data: a value with its unit, meaning, source and grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GRADES: Mapping[str, str] = {
    "AWS": "AWS documentation, API reference or blog",
    "SAMPLE": "sample, notebook or recorded artifact written by AWS",
    "MEAS": "measured by a third party on real AWS",
    "EMU": "emulator reverse-engineered from native observations",
    "3P": "other third party",
    "INF": "inferred from the above",
    "CONFLICT": "sources disagree; both values are supported",
    "CHOSEN": "set by whoever made this model",
    "READ": "read from the endpoint that is modelled",
}
"""How well an assumption is known, best first by kind of source."""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One row of the model's table."""

    name: str
    value: Any
    unit: str
    meaning: str
    source: str
    grade: str


def assume(default: Any, *, unit: str, meaning: str, source: str, grade: str) -> Any:
    """A dataclass field that carries what a table of assumptions says of it."""
    return field(default=default, metadata={"unit": unit, "meaning": meaning, "source": source, "grade": grade})


FIXED_RULES: tuple[Assumption, ...] = tuple(
    Assumption(name=name, value=value, unit="rule", meaning=meaning, source=source, grade=grade)
    for name, value, meaning, source, grade in (
        (
            "anticipated_flapping",
            "newest datapoint",
            "nothing is removed that would bring the newest datapoint above the target",
            "AAS guide, target-tracking-scaling-policy-overview has the rule; by which datapoints is not documented",
            "AWS",
        ),
        (
            "updates_in_flight",
            1,
            "an endpoint that is Updating takes no further change of capacity",
            "ValidationException: Cannot update in-progress endpoint (kokoro)",
            "MEAS",
        ),
        (
            "several_policies",
            "largest wins",
            "out if any policy says so, in only if all that may scale in agree",
            "AAS guide, target-tracking-scaling-policy-overview",
            "AWS",
        ),
        (
            "evaluation",
            "10 s or 60 s",
            "alarms of a period below a minute are evaluated every 10 s, others every minute",
            "CloudWatch guide, alarm evaluation",
            "AWS",
        ),
        (
            "sample",
            "peak over the interval",
            "what an instance publishes every ten seconds: the most requests in flight, queued ones included",
            "AWS metric table (in flight per instance, queued included); how it samples is not documented",
            "INF",
        ),
        (
            "removal",
            "lowest pool, emptiest, newest",
            "which instance a scale-in removes first",
            "instance pools: lowest priority first (AWS); within a pool not documented",
            "INF",
        ),
        (
            "equally_loaded",
            "oldest",
            "which of several least loaded instances gets a new stream",
            "not documented",
            "INF",
        ),
        (
            "billing",
            "serving to removal",
            "when an instance costs",
            "not documented for the time of starting",
            "INF",
        ),
    )
)
"""What is built into the code rather than a value of the model."""
