"""The scaling model: every assumption about how AWS scales, by name, with its source and how well it is known.

AWS publishes neither the alarms' statistic nor the capacity formula nor its own delays. What stands here is therefore
a set of values to look at, to change, and to replace by what a real endpoint shows (``with_evidence``). Meaning, unit,
source and grade of each value are in ``data/assumptions.toml``.
"""

import dataclasses
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from dgsm_helpers.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One row of the model's table."""

    name: str
    value: Any
    unit: str
    meaning: str
    source: str
    grade: str
    settled_by: str = "built in"
    """The step of `dgsm record` that asks AWS, or why none does."""
    tolerance: float = 0.0
    """How far an observation of it may lie off, in its unit, and still agree."""
    otherwise: Any = None
    """What else it may well be: played by the planner for what being wrong costs. None: it does not change a plan."""


_TABLE = tomllib.loads((files("dgsm_helpers") / "data" / "assumptions.toml").read_text(encoding="utf-8"))
_ABOUT: Mapping[str, Mapping[str, Any]] = _TABLE["assumptions"]

GRADES: Mapping[str, str] = _TABLE["grades"]
"""How well an assumption is known, best first by kind of source."""

FIXED_RULES = tuple(Assumption(name=name, **about) for name, about in _TABLE["rules"].items())
"""What is built into the code rather than a value of the model."""


@dataclass(frozen=True, kw_only=True)
class ScalingModel:
    """How Application Auto Scaling, CloudWatch and SageMaker are taken to behave.

    The defaults are the nominal case; ``dataclasses.replace`` swaps a value, ``with_evidence`` replaces it by one that
    was read from a real endpoint. ``assumptions()`` is the table that belongs beside every simulated number.
    """

    # Alarms of a target-tracking policy
    statistic: Literal["Average", "Maximum"] = "Average"
    high_periods: int = 3
    low_periods: int = 90
    high_resolution_period_s: int = 10
    low_factor: float = 0.9
    minute_period_s: int = 60
    minute_high_periods: int = 3
    minute_low_periods: int = 15
    minute_lag_s: float = 120.0
    extra_range_periods: int = 2
    treat_missing: Literal["missing", "notBreaching", "breaching", "ignore"] = "missing"

    # Metric
    idle_instance_emits_zero: bool = True
    first_chunk_per_stream: bool = True

    # Reaction
    reaction_overhead_s: float = 30.0
    reinvoke_every_s: float = 60.0
    capacity_metric: Literal["mean", "latest"] = "mean"
    capacity_rounding: Literal["up", "nearest", "down"] = "up"
    cooldown_anchor: Literal["completion", "start"] = "completion"
    scale_in_rule: Literal["proportional", "one-at-a-time"] = "proportional"
    dead_band_code: Literal["AutoScalingAnticipatedFlapping", "AlreadyAtDesiredCapacity"] = (
        "AutoScalingAnticipatedFlapping"
    )

    bounds_act: Literal["when set", "always"] = "when set"
    promql_alarms: Literal["refused", "accepted", "scale"] = "refused"

    # Fleet
    provision_cached_s: float = 213.0
    provision_cached_spread: float = 0.12
    provision_uncached_s: float = 400.0
    provision_uncached_spread: float = 0.15
    uncached_share: float = 0.1
    image_cache: Literal["per endpoint", "kept"] = "per endpoint"
    shortage_share: float = 0.0
    shortage_s: tuple[float, float] = (900.0, 2040.0)
    scale_in_s: float = 60.0
    sigkill_after_s: float = 30.0
    routed_until: Literal["SIGTERM", "SIGKILL"] = "SIGTERM"
    cut_stream_sees: Literal["exception", "reset", "clean-end"] = "exception"
    routing: Literal["RANDOM", "LEAST_OUTSTANDING_REQUESTS"] = "RANDOM"
    stream_limit_s: float = 1800.0
    reopen_cut_streams: bool = True
    evidence: tuple[tuple[str, str], ...] = ()
    """(name, source) of the values that were read from a real endpoint; see ``with_evidence``."""

    def __post_init__(self) -> None:
        for name, about in _ABOUT.items():
            _check(name, getattr(self, name), about["unit"])

    def assumptions(self) -> tuple[Assumption, ...]:
        """Every assumption with its present value, source and grade; then the rules that are built in."""
        read, rows = dict(self.evidence), []
        for name, nominal in _ABOUT.items():
            about, value = dict(nominal), getattr(self, name)
            if name in read:
                about |= {"source": read[name], "grade": "READ"}
            elif value != getattr(ScalingModel, name):
                about |= {"source": "set in place of the default", "grade": "CHOSEN"}
            rows.append(Assumption(name=name, value=value, **about))
        return (*rows, *FIXED_RULES)

    def with_evidence(self, source: str, **values: Any) -> Self:
        """This model with ``values`` that were read from a real endpoint; ``source`` says where (call and time).

        Raises:
            InvalidInput: a name is not an assumption of the model.
        """
        if unknown := sorted(set(values) - set(_ABOUT)):
            raise InvalidInput(f"The scaling model has no assumption named {', '.join(unknown)}.")
        other_evidence = tuple(pair for pair in self.evidence if pair[0] not in values)
        return dataclasses.replace(self, **values, evidence=other_evidence + tuple((name, source) for name in values))


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


def recorded_model(recording: Mapping[str, Any]) -> ScalingModel:
    """The model with a recording's values; the assumptions where nothing was recorded (``{}``).

    Args:
        recording: ``source`` and ``date``; ``values`` by the assumption's name, each ``{"value": …}``.

    Raises:
        InvalidInput: it is no recording, or a value cannot be one of the model's.
    """
    try:
        found = {name: about["value"] for name, about in recording.get("values", {}).items()}
        source = f"{recording['source']}, {recording['date']}" if found else ""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
        return ScalingModel().with_evidence(source, **values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInput("This is no recording of `dgsm record`.", hint="Record again, or remove it.") from error


def agrees(assumed: Assumption, found: Any) -> bool:
    """Whether what was found is what is assumed, within the assumption's tolerance where that is a measure."""
    if assumed.tolerance:
        return bool(abs(found - assumed.value) <= assumed.tolerance)
    return bool(found == assumed.value)
