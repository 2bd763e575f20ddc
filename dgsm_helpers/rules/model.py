"""The scaling model: every assumption about how AWS scales, by name, with its source and how well it is known.

AWS publishes neither the alarms' statistic nor the capacity formula nor its own delays. What stands here is therefore
a set of values to look at, to change, and to replace by what a real endpoint shows (``with_evidence``).
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.assumptions import FIXED_RULES, Assumption, assume

_AWS_NOTEBOOK = (
    "aws/amazon-sagemaker-examples, sm-app_autoscaling_realtime_endpoints, 2d519b52 (target 5, ml.g5.2xlarge)"
)
_REPOST = "re:Post QUf450Wsd9RROGGOIwaolN9w (InvocationsPerInstance, target 1500)"
_TT_OVERVIEW = "Application Auto Scaling guide, target-tracking-scaling-policy-overview"
_CACHING_BLOG = "AWS blog on container caching, June 2026"


@dataclass(frozen=True, kw_only=True)
class ScalingModel:
    """How Application Auto Scaling, CloudWatch and SageMaker are taken to behave.

    The defaults are the nominal case; ``dataclasses.replace`` swaps a value, ``with_evidence`` replaces it by one that
    was read from a real endpoint. ``assumptions()`` is the table that belongs beside every simulated number.
    """

    # Alarms of a target-tracking policy
    statistic: Literal["Average", "Maximum"] = assume(
        "Average",
        unit="statistic",
        meaning="statistic over the instances in the alarms of the ten-second metric. Unsettled: report both; "
        "Average is the default: this policy's own manual says so, and every other predefined instance metric is one",
        source="Deepgram's streaming auto-scaling manual (average) against AWS's metric table (Min, Max only)",
        grade="CONFLICT",
    )
    high_periods: int = assume(
        3, unit="datapoints", meaning="AlarmHigh: `> target` in 3 of 3 datapoints", source=_AWS_NOTEBOOK, grade="SAMPLE"
    )
    low_periods: int = assume(
        90,
        unit="datapoints",
        meaning="AlarmLow of the ten-second metric: `< 0.9 target` in 90 of 90 datapoints",
        source=_AWS_NOTEBOOK,
        grade="SAMPLE",
    )
    high_resolution_period_s: int = assume(
        10, unit="s", meaning="period of the predefined high-resolution metric", source=_AWS_NOTEBOOK, grade="SAMPLE"
    )
    low_factor: float = assume(
        0.9,
        unit="ratio",
        meaning="threshold of AlarmLow as a share of the target",
        source=_AWS_NOTEBOOK,
        grade="SAMPLE",
    )
    minute_period_s: int = assume(
        60,
        unit="s",
        meaning="period of every other metric, metric math included",
        source=f"{_TT_OVERVIEW}: one-minute granularity for all predefined and custom metrics",
        grade="AWS",
    )
    minute_high_periods: int = assume(
        3, unit="datapoints", meaning="AlarmHigh of a one-minute metric: 3 of 3", source=_REPOST, grade="MEAS"
    )
    minute_low_periods: int = assume(
        15, unit="datapoints", meaning="AlarmLow of a one-minute metric: 15 of 15", source=_REPOST, grade="MEAS"
    )
    extra_range_periods: int = assume(
        2,
        unit="datapoints",
        meaning="datapoints looked back over beyond the evaluation periods when some are missing (documented for 3: 5)",
        source="CloudWatch guide, how alarms treat missing data",
        grade="INF",
    )
    treat_missing: Literal["missing", "notBreaching", "breaching", "ignore"] = assume(
        "missing",
        unit="mode",
        meaning="missing datapoints make the alarm INSUFFICIENT_DATA, and then nothing scales in either direction",
        source="CloudWatch guide; Terraform dump of a policy's alarm",
        grade="AWS",
    )

    # Metric
    idle_instance_emits_zero: bool = assume(
        True,
        unit="yes/no",
        meaning="an instance without streams publishes 0 rather than nothing",
        source="not documented; scaling in of idle fleets would fail otherwise",
        grade="INF",
    )

    # Reaction
    reaction_overhead_s: float = assume(
        30.0,
        unit="s",
        meaning="publish, evaluate and react, beyond the alarm's datapoints; sweep 20 to 120",
        source="kokoro artifact 61 s - 30 s; ECS blog 86 s - 60 s; AWS notebooks say 1 to 2 minutes longer",
        grade="MEAS",
    )
    reinvoke_every_s: float = assume(
        60.0,
        unit="s",
        meaning="an alarm that stays in ALARM triggers its policy again",
        source="CloudWatch guide: once per minute that the alarm remains in the new state",
        grade="AWS",
    )
    capacity_metric: Literal["mean", "latest"] = assume(
        "mean",
        unit="rule",
        meaning="metric of the capacity formula: mean of the datapoints the alarm was judged on, or the latest one",
        source="stackd 9dc356f5 (mean of the alarm's recentDatapoints)",
        grade="EMU",
    )
    capacity_rounding: Literal["up", "nearest"] = assume(
        "up",
        unit="rule",
        meaning="running * metric / target in whole instances: up in both directions, or to the nearest; no step limit",
        source="stackd 9dc356f5; agrees with sample-voice-agent and kokoro (another emulator, sockerless, rounds)",
        grade="EMU",
    )
    cooldown_anchor: Literal["completion", "start"] = assume(
        "completion",
        unit="rule",
        meaning="cooldowns start when the new capacity is there, or is asked for; what a scale-out added is credited",
        source="AAS guide (after a successful scale-out); stackd 9dc356f5",
        grade="EMU",
    )
    scale_in_rule: Literal["proportional", "one-at-a-time"] = assume(
        "proportional",
        unit="rule",
        meaning="instances removed at once: as many as the formula says, or one",
        source=f"{_TT_OVERVIEW} (rounded up; scales in more gradually, which is not specified)",
        grade="INF",
    )
    dead_band_code: Literal["AutoScalingAnticipatedFlapping", "AlreadyAtDesiredCapacity"] = assume(
        "AutoScalingAnticipatedFlapping",
        unit="code",
        meaning="reason reported when AlarmLow is in ALARM but one instance less would be above the target",
        source=f"{_TT_OVERVIEW} has the rule; which of the two codes is reported is not documented",
        grade="INF",
    )

    # Fleet
    provision_cached_s: float = assume(
        213.0,
        unit="s",
        meaning="median time from the new desired count to a serving instance, image cached or small",
        source=f"kokoro 260.2 s less 47.4 s to recovered traffic; {_CACHING_BLOG}: 134 to 258 s",
        grade="MEAS",
    )
    provision_cached_spread: float = assume(
        0.12, unit="ln s", meaning="log-normal spread of the cached time", source="range of the above", grade="INF"
    )
    provision_uncached_s: float = assume(
        400.0,
        unit="s",
        meaning="median of the same when the image of 10 to 18 GB is pulled",
        source=f"{_CACHING_BLOG}: 346, 346, 381, 525 s",
        grade="AWS",
    )
    provision_uncached_spread: float = assume(
        0.15, unit="ln s", meaning="log-normal spread of the uncached time", source="range of the above", grade="INF"
    )
    uncached_share: float = assume(
        0.1,
        unit="share",
        meaning="starts that find no cached image (caching falls back silently)",
        source="not documented; chosen",
        grade="INF",
    )
    shortage_share: float = assume(
        0.0,
        unit="share",
        meaning="starts that hit a shortage of capacity; 0 in the nominal case",
        source="not documented; a property of type, region and day",
        grade="INF",
    )
    shortage_s: tuple[float, float] = assume(
        (900.0, 2040.0),
        unit="s",
        meaning="how long a shortage lasts (uniform between the two)",
        source="g5.xlarge unplaceable for 22 to 34 min; ICE tail 15 to 34 min",
        grade="MEAS",
    )
    scale_in_s: float = assume(
        60.0,
        unit="s",
        meaning="how long the endpoint is Updating when instances are only removed",
        source="not documented; chosen",
        grade="INF",
    )
    on_scale_in: Literal["kill", "drain"] = assume(
        "kill",
        unit="rule",
        meaning="streams on a removed instance are cut at once, or finish within drain_s",
        source="no AWS statement found on draining bidirectional streams",
        grade="INF",
    )
    drain_s: float = assume(1800.0, unit="s", meaning="longest drain", source="stream limit of 30 minutes", grade="INF")
    routing: Literal["RANDOM", "LEAST_OUTSTANDING_REQUESTS"] = assume(
        "RANDOM",
        unit="strategy",
        meaning="instance of a new stream: RANDOM or LEAST_OUTSTANDING_REQUESTS",
        source="SageMaker API reference, RoutingConfig (RANDOM is the default)",
        grade="AWS",
    )
    stream_limit_s: float = assume(
        1800.0,
        unit="s",
        meaning="a stream ends after 30 minutes; its caller opens another",
        source="Deepgram guide",
        grade="3P",
    )
    reopen_cut_streams: bool = assume(
        True,
        unit="yes/no",
        meaning="the caller of a stream that was cut opens another at once",
        source="chosen",
        grade="INF",
    )
    evidence: tuple[tuple[str, str], ...] = ()
    """(name, source) of the values that were read from a real endpoint; see ``with_evidence``."""

    def __post_init__(self) -> None:
        for item in _assumed_fields():
            _check(item.name, getattr(self, item.name), item.metadata["unit"])

    def assumptions(self) -> tuple[Assumption, ...]:
        """Every assumption with its present value, source and grade; then the rules that are built in."""
        read, rows = dict(self.evidence), []
        for item in _assumed_fields():
            about, value = dict(item.metadata), getattr(self, item.name)
            if item.name in read:
                about |= {"source": read[item.name], "grade": "READ"}
            elif value != item.default:
                about |= {"source": "set in place of the default", "grade": "CHOSEN"}
            rows.append(Assumption(name=item.name, value=value, **about))
        return (*rows, *FIXED_RULES)

    def with_evidence(self, source: str, **values: Any) -> ScalingModel:
        """This model with ``values`` that were read from a real endpoint; ``source`` says where (call and time).

        Raises:
            InvalidInput: a name is not an assumption of the model.
        """
        known = {item.name for item in _assumed_fields()}
        if unknown := sorted(set(values) - known):
            raise InvalidInput(f"The scaling model has no assumption named {', '.join(unknown)}.")
        other_evidence = tuple(pair for pair in self.evidence if pair[0] not in values)
        return dataclasses.replace(self, **values, evidence=other_evidence + tuple((name, source) for name in values))


def _assumed_fields() -> list[dataclasses.Field[Any]]:
    return [item for item in dataclasses.fields(ScalingModel) if item.name != "evidence"]


_CHOICES = {name: get_args(hint) for name, hint in get_type_hints(ScalingModel).items() if get_origin(hint) is Literal}
_MOST = {"share": 1.0, "ratio": 1.0}
"""Largest values by unit."""
_ABOVE_ZERO = (
    *("high_periods", "low_periods", "minute_high_periods", "minute_low_periods"),
    *("high_resolution_period_s", "minute_period_s", "low_factor", "reinvoke_every_s"),
    *("provision_cached_s", "provision_uncached_s", "stream_limit_s"),
)


def _check(name: str, value: Any, unit: str) -> None:
    """Refuse what would be played as something else than it says."""
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise InvalidInput(f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}.")
        return
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        if not 0 <= number <= _MOST.get(unit, sys.float_info.max) or (number == 0 and name in _ABOVE_ZERO):
            least = "above 0" if name in _ABOVE_ZERO else "0 or more"
            most = f", at most {_MOST[unit]:g}" if unit in _MOST else ""
            raise InvalidInput(f"{name} must be {least}{most} ({unit}), not {number}.")
    if list(numbers) != sorted(numbers):
        raise InvalidInput(f"{name} must be (shortest, longest), not {value}.")
