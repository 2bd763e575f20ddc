"""CloudWatch's alarm evaluation as a pure function.

Source of the rules: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data" and "Avoiding
premature transitions to alarm state". Every row of the two tables there is a test. What the page leaves open:

- How many datapoints are looked at in all. The page says 5 for 3 evaluation periods; here it is the periods plus two.
- What `- - - - X` is under ``missing``. The page says only that it is not ALARM yet; an earlier revision of the same
  table has INSUFFICIENT_DATA, which is used here.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dgsm_helpers.errors import InvalidInput

AlarmStateName = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Comparison = Literal[">", ">=", "<", "<="]
TreatMissing = Literal["missing", "notBreaching", "breaching", "ignore"]

COMPARISONS: Mapping[str, Comparison] = {
    "GreaterThanThreshold": ">",
    "GreaterThanOrEqualToThreshold": ">=",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}
"""CloudWatch's comparison operators, by the API's names."""

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """What an alarm compares: ``datapoints_to_alarm`` of ``evaluation_periods`` (M of N) datapoints.

    ``period_s`` is the length of one datapoint in seconds. ``extra_range_periods`` is how many datapoints beyond N are
    looked at when some are missing.

    Raises:
        InvalidInput: not 1 <= M <= N, or a period, comparison or mode that CloudWatch does not have.
    """

    threshold: float
    comparison: Comparison
    period_s: int
    evaluation_periods: int
    datapoints_to_alarm: int
    statistic: str = "Average"
    treat_missing: TreatMissing = "missing"
    extra_range_periods: int = 2

    def __post_init__(self) -> None:
        if self.comparison not in _COMPARE:
            raise InvalidInput(f"Comparison must be one of {', '.join(_COMPARE)}, not {self.comparison!r}.")
        if self.treat_missing not in ("missing", "notBreaching", "breaching", "ignore"):
            raise InvalidInput(f"CloudWatch cannot treat missing data as {self.treat_missing!r}.")
        if not 1 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise InvalidInput(
                f"An alarm on {self.datapoints_to_alarm} of {self.evaluation_periods} datapoints cannot be evaluated.",
                hint="Datapoints to alarm must lie between 1 and the evaluation periods.",
            )
        if self.period_s <= 0:
            raise InvalidInput(f"The period of an alarm must be above zero, not {self.period_s} s.")

    @property
    def evaluation_range(self) -> int:
        """How many of the newest periods ``evaluate`` wants to see."""
        return self.evaluation_periods + self.extra_range_periods

    @property
    def evaluated_every_s(self) -> float:
        """How often CloudWatch evaluates it: every 10 s for periods below a minute, else every minute."""
        return 10.0 if self.period_s < 60 else 60.0

    def breaches(self, value: float) -> bool:
        """Whether one datapoint is on the alarm's side of the threshold."""
        return _COMPARE[self.comparison](value, self.threshold)


def deciding_datapoints(spec: AlarmSpec, datapoints: Sequence[float | None]) -> tuple[float, ...]:
    """The existing datapoints that decide, oldest first: the newest ``evaluation_periods`` within the evaluation range.

    Their mean is the metric from which a policy computes capacity.
    """
    real = [value for value in datapoints[-spec.evaluation_range :] if value is not None]
    return tuple(real[-spec.evaluation_periods :])


def evaluate(spec: AlarmSpec, datapoints: Sequence[float | None]) -> AlarmStateName | None:
    """The state that CloudWatch would set.

    Args:
        datapoints: one value a period, oldest first, None where none was reported. The newest
            ``spec.evaluation_range`` are looked at; fewer count as missing.

    Returns:
        The new state, or None to keep the current one (``ignore``).
    """
    real = deciding_datapoints(spec, datapoints)
    breaching = sum(map(spec.breaches, real))
    lacking = spec.evaluation_periods - len(real)
    if spec.treat_missing == "breaching":
        breaching += lacking
    if breaching >= spec.datapoints_to_alarm:
        return "ALARM"
    if lacking == 0 or spec.treat_missing in ("breaching", "notBreaching") or breaching < len(real):
        return "OK"
    # What exists is breaching, or nothing exists; how much is missing decides.
    if spec.treat_missing == "ignore":
        return None
    in_range = datapoints[-spec.evaluation_range :]
    oldest = next((len(in_range) - index for index, value in enumerate(in_range) if value is not None), 0)
    return "ALARM" if oldest >= spec.datapoints_to_alarm else "INSUFFICIENT_DATA"
