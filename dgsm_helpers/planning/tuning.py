"""A tuning before and after: what it will do and cost, and what came of it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from dgsm_helpers.aws.core.money import InstanceCost
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.watch.engine_metrics import EngineWord
from dgsm_helpers.load.ladder.capacity import CapacityResult, known_choice, lasting
from dgsm_helpers.load.ladder.criteria import Criteria, presets
from dgsm_helpers.load.ladder.rung import EFFORTS, Effort
from dgsm_helpers.load.ladder.search import FIRST_RUNG
from dgsm_helpers.load.ladder.search_length import minutes_after_ramp, minutes_from
from dgsm_helpers.load.ladder.target_value import TargetValue
from dgsm_helpers.load.transport.conversation import read_texts
from dgsm_helpers.load.transport.paced_audio import PacedAudio
from dgsm_helpers.load.transport.workloads import Workload, without_pauses, workload_of
from dgsm_helpers.session import Workbook

KNEES = (4, 40)
"""The forecast is made for these; what the knee is nobody knows beforehand."""


@dataclass(frozen=True)
class TuningPlan:
    """What a tuning run will do and cost; nothing has been changed yet.

    ``forecasts`` holds a cost for each of the `KNEES`, without void holds and repetitions. ``unit`` is what is counted.
    """

    endpoint_name: str
    effort: str
    criteria: Criteria
    unit: str
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
            f"that {self.pass_share:.0%} of {self.unit} keep to {self.criteria.name!r}.\n"
            f"Forecast on one instance: {times}; repetitions come on top.\n"
            f"Price of the longest of these: {self.most}, plus the Marketplace software fee."
        )


@dataclass(frozen=True)
class Tuning:
    """A measured capacity, the TargetValue derived from it, and what it cost.

    ``server_per_client`` is the endpoint's own count over the streams held, None where CloudWatch had no data in time
    (then 1 is assumed). ``turns`` is how many calls may speak at once, all the time, where a model speaks; the target
    does not come from it, because CloudWatch counts calls that are silent, too. ``engine`` is what the model's own
    engine says of its capacity, where it does.
    """

    result: CapacityResult
    target: TargetValue
    cost: InstanceCost
    server_per_client: float | None
    turns: CapacityResult | None = None
    engine: EngineWord | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the answer and its derivation; every rung is in the file ``evidence``."""
        answer = self.result.to_dict()
        del answer["schema"], answer["rungs"]
        turns = None
        if self.turns is not None:
            turns = self.turns.to_dict() | {"evidence": str(self.turns.evidence)}
            del turns["schema"], turns["rungs"], turns["fingerprint"]
        derivation = {**asdict(self.target), "explanation": self.target.explanation}
        return {
            **answer,
            "target_value": self.target.value,
            "derivation": derivation,
            "turns": turns,
            "duty": round(self.duty, 3) if self.turns is not None else None,
            "server_per_client": self.server_per_client,
            "engine_estimate": self.engine and self.engine.capacity,
            "engine_says": self._engine,
            "instance_type": self.cost.instance_type,
            "cost_usd": None if self.cost.usd is None else round(self.cost.usd, 4),
            "price": str(self.cost.price),
            "evidence": str(self.result.evidence),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per rung, by number of streams or calls; latencies in ms, growth of lag in ms per second."""
        return self.result.to_frame()

    @property
    def duty(self) -> float:
        """Share of a call in which it spoke, as measured at the knee; 0 where nothing speaks."""
        at_knee = [rung for rung in self.result.rungs if rung.n == self.result.feasible_max]
        return at_knee[0].duty if at_knee else 0.0

    def _calls_and_turns(self) -> str:
        """Why neither number follows from the other."""
        if self.turns is None or not self.duty:
            return "Both were measured."
        naive = int(self.turns.feasible_max / self.duty)
        return (
            f"Both were measured: calls spoke {self.duty:.0%} of their time, and {self.turns.feasible_max} turns at "
            f"once divided by that would be {naive} calls. Turns of calls coincide at random, so fewer are sustained."
        )

    @property
    def _engine(self) -> str:
        """What the engine says of its capacity, beside the measured one."""
        knee = self.result.feasible_max
        return self.engine.beside(knee) if self.engine is not None and knee else ""

    def __str__(self) -> str:
        turns = f"\n{self.turns}\n{self._calls_and_turns()}" if self.turns is not None else ""
        engine = f"\n{self._engine}" if self._engine else ""
        return (
            f"{self.result}{turns}{engine}\nTargetValue {self.target.value:g}: {self.target.explanation}\n"
            f"Cost: {self.cost}\nEvidence: {self.result.evidence}"
        )


def default_effort(wb: Workbook) -> str:
    """``quick`` where waiting is what costs, ``standard`` where the answer decides about money."""
    return "standard" if wb.bills else "quick"


def plan_tuning(
    wb: Workbook,
    *,
    effort: str | None = None,
    criteria: str = "strict",
    texts: str = "",
    think_s: float = 0.0,
) -> TuningPlan:
    """What a tuning would do and cost; changes nothing.

    Args:
        effort: ``quick``, ``standard`` or ``thorough``; default: `default_effort`.
        criteria: ``strict``, ``deepgram``, or another of the family's.
        texts, think_s: as in ``tune.tune``: how long calls last decides how long they are held.

    Raises:
        NotFound, NotReady: there is nothing to measure yet.
        InvalidInput: unknown effort, criteria or family, or texts that cannot be used.
    """
    search = known_choice("effort", effort or default_effort(wb), EFFORTS)
    endpoint = EndpointReading(wb)
    endpoint.ready()
    family = of_its_model(wb, endpoint).family
    asked = known_choice("criteria", criteria, presets(family))
    workload = workload_of(family, texts=read_texts(texts) if texts else (), think_s=think_s or None)
    types = endpoint.running_types
    forecasts = tuple((knee, InstanceCost.of(wb, types, _minutes(search, workload, knee))) for knee in KNEES)
    shares = (search.confidence, search.pass_share)
    return TuningPlan(wb.endpoint_name, search.name, asked, workload.unit, *shares, forecasts)


def of_its_model(wb: Workbook, endpoint: EndpointReading) -> Workbook:
    """The workbook with the model package that its endpoint really runs, which says of what family it is."""
    return replace(wb, model_package_arn=endpoint.model_package_arn or wb.model_package_arn)


def _minutes(effort: Effort, workload: Workload, knee: int) -> float:
    """Of one search, or of two where turns are counted besides calls."""
    lasts = lasting(effort, workload)
    if isinstance(workload, PacedAudio):
        return minutes_after_ramp(lasts, knee)
    if (talking := without_pauses(workload)) is None:
        return minutes_from(FIRST_RUNG, lasts, knee)
    turns = max(round(knee * workload.duty), 1)
    first = minutes_from(FIRST_RUNG, lasting(effort, talking), turns)
    return first + minutes_from(max(turns, FIRST_RUNG), lasts, knee)
