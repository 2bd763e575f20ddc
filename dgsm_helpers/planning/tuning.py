"""A tuning before and after: what it will do and cost, and what came of it."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from dgsm_helpers.aws.core.money import InstanceCost
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.load.ladder.capacity import CapacityResult, known_choice
from dgsm_helpers.load.ladder.rung import EFFORTS
from dgsm_helpers.load.ladder.search import expected_minutes
from dgsm_helpers.load.ladder.target_value import TargetValue
from dgsm_helpers.load.ladder.verdict import PRESETS
from dgsm_helpers.session import Workbook

KNEES = (4, 40)
"""The forecast is made for these; what the knee is nobody knows beforehand."""


@dataclass(frozen=True)
class TuningPlan:
    """What a tuning run will do and cost; nothing has been changed yet.

    ``forecasts`` holds a cost for each of the `KNEES`, without void holds and repetitions.
    """

    endpoint_name: str
    effort: str
    criteria: str
    confidence: float
    pass_share: float
    forecasts: tuple[tuple[int, InstanceCost], ...]

    @property
    def most(self) -> InstanceCost:
        """The dearest of the forecasts."""
        return max((cost for _, cost in self.forecasts), key=lambda cost: cost.instance_minutes)

    @property
    def longest_s(self) -> float:
        """Wall-clock seconds of the longest forecast."""
        return self.most.instance_minutes * 60

    def __str__(self) -> str:
        times = ", ".join(f"{cost.instance_minutes:.1f} min for a knee of {knee}" for knee, cost in self.forecasts)
        return (
            f"Measure {self.endpoint_name} with effort {self.effort}: each verdict at {self.confidence:.0%} confidence "
            f"that {self.pass_share:.0%} of streams keep to {self.criteria!r}.\n"
            f"Forecast on one instance: {times}; repetitions come on top.\n"
            f"Price of that: up to {self.most}, plus the Marketplace software fee."
        )


@dataclass(frozen=True)
class Tuning:
    """A measured capacity, the TargetValue derived from it, and what it cost.

    ``server_per_client`` is the endpoint's own count over the streams held, None where CloudWatch had no data in time
    (then 1 is assumed).
    """

    result: CapacityResult
    target: TargetValue
    cost: InstanceCost
    server_per_client: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the answer and its derivation; every rung is in the file ``evidence``."""
        answer = self.result.to_dict()
        del answer["schema"], answer["rungs"]
        derivation = {**asdict(self.target), "explanation": self.target.explanation}
        return {
            **answer,
            "target_value": self.target.value,
            "derivation": derivation,
            "server_per_client": self.server_per_client,
            "instance_type": self.cost.instance_type,
            "cost_usd": None if self.cost.usd is None else round(self.cost.usd, 4),
            "price": str(self.cost.price),
            "evidence": str(self.result.evidence),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per rung, by number of streams; latencies in ms, growth of lag in ms per second."""
        return self.result.to_frame()

    def __str__(self) -> str:
        return (
            f"{self.result}\nTargetValue {self.target.value:g}: {self.target.explanation}\n"
            f"Cost: {self.cost}\nEvidence: {self.result.evidence}"
        )


def default_effort(wb: Workbook) -> str:
    """``quick`` where waiting is what costs, ``standard`` where the answer decides about money."""
    return "standard" if wb.bills else "quick"


def plan_tuning(wb: Workbook, *, effort: str | None = None, criteria: str = "strict") -> TuningPlan:
    """What a tuning would do and cost; changes nothing.

    Args:
        effort: ``quick``, ``standard`` or ``thorough``; default: `default_effort`.
        criteria: ``strict`` or ``deepgram``.

    Raises:
        NotFound, NotReady: there is nothing to measure yet.
        InvalidInput: unknown effort or criteria.
    """
    search = known_choice("effort", effort or default_effort(wb), EFFORTS)
    known_choice("criteria", criteria, PRESETS)
    endpoint = EndpointReading(wb)
    endpoint.ready()
    types = endpoint.running_types
    forecasts = tuple((knee, InstanceCost.of(wb, types, expected_minutes(search, knee))) for knee in KNEES)
    return TuningPlan(wb.endpoint_name, search.name, criteria, search.confidence, search.pass_share, forecasts)
