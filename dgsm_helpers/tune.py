"""Tuning in one call: hold the endpoint still, find its capacity, derive the TargetValue, say what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.core.money import InstanceCost, running_types
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import pin
from dgsm_helpers.aws.watch.metrics import gauge
from dgsm_helpers.load.ladder.capacity import CapacityResult, find_capacity, known_choice
from dgsm_helpers.load.ladder.rung import EFFORTS
from dgsm_helpers.load.ladder.search import expected_minutes
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.load.ladder.target_value import GUIDE_HIGH, TargetValue, derive_target
from dgsm_helpers.load.ladder.verdict import PRESETS
from dgsm_helpers.load.transport.stream_target import ListenOptions

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.aws.endpoint.endpoint_state import OnProgress
    from dgsm_helpers.load.ladder.crew import Crew
    from dgsm_helpers.load.ladder.rung import Rung
    from dgsm_helpers.load.transport.recordings import Recording
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


def plan(wb: Workbook, *, effort: str | None = None, criteria: str = "strict") -> TuningPlan:
    """What `tune` would do and cost; changes nothing.

    Args:
        effort, criteria: as `tune`.

    Raises:
        NotFound, NotReady: there is nothing to measure yet.
        InvalidInput: unknown effort or criteria.
    """
    search = known_choice("effort", effort or default_effort(wb), EFFORTS)
    known_choice("criteria", criteria, PRESETS)
    types = running_types(wb, endpoint_state.require_in_service(wb))
    forecasts = tuple((knee, InstanceCost.of(wb, types, expected_minutes(search, knee))) for knee in KNEES)
    return TuningPlan(wb.endpoint_name, search.name, criteria, search.confidence, search.pass_share, forecasts)


def tune(
    wb: Workbook,
    *,
    effort: str | None = None,
    criteria: str = "strict",
    max_streams: int = 1000,
    headroom: float = GUIDE_HIGH,
    instances: int = 1,
    growth_per_min: float = 0.0,
    recordings: Sequence[Recording] = (),
    options: ListenOptions | None = None,
    crew: Crew | None = None,
    on_rung: Callable[[Rung], object] | None = None,
    on_progress: OnProgress | None = None,
    say: Callable[[str], object] = print,
) -> Tuning:
    """Measure what one instance sustains and derive the TargetValue. The policy is left as it is.

    The endpoint is pinned to one instance with scaling suspended, and put back afterwards whatever happens
    (`aws.scaling.pin.one_instance`). After each rung it is made sure that nobody changed it.

    Args:
        effort: ``quick``, ``standard`` or ``thorough``: time against confidence; default: `default_effort`.
        criteria: ``strict`` or ``deepgram``.
        max_streams: never hold more.
        headroom: share of the knee that the guide's rule allows; the guide says 0.7-0.8.
        instances, growth_per_min: for the time-based rule: how many run when growth sets in, and new streams a minute.
        recordings: your own audio, streamed in turn (`read_wavs`); the bundled sample by default. Capacity depends on
            what is said and how, so an endpoint for real callers wants their kind of audio.
        options: what the model is asked for (`load.transport.stream_target.ListenOptions`): features cost capacity.
        crew: client processes elsewhere; this machine's by default.
        on_rung: called with each rung whenever it has been measured (again).
        on_progress: called while the instance count changes.
        say: told in sentences what is changed and put back.

    Raises:
        NotFound, NotReady, SpendNotConfirmed, MeasurementInvalid: as `one_instance` and `find_capacity`; evidence of
            what was measured is kept.
    """
    search_effort = known_choice("effort", effort or default_effort(wb), EFFORTS)
    derive = partial(derive_target, instances=instances, growth_per_min=growth_per_min, headroom=headroom)
    derive(1)  # refuses bad values now
    with pin.one_instance(wb, on_progress=on_progress, say=say) as pinned:

        def measured(rung: Rung) -> None:
            if on_rung is not None:
                on_rung(rung)
            pinned.check()

        result = find_capacity(
            wb,
            instance_type=pinned.instance_type,
            effort=search_effort,
            criteria=criteria,
            spec=LoadSpec(recordings=tuple(recordings), options=options or ListenOptions()),
            max_streams=max_streams,
            crew=crew,
            gauge=gauge(wb, settle_s=search_effort.settle_s),
            on_rung=measured,
        )
        types = (pinned.instance_type,) if pinned.instance_type else running_types(wb, endpoint_state.status(wb))
    gauge_ratios = [hold.gauge for rung in result.rungs for hold in rung.holds if hold.gauge and hold.void is None]
    ratio = round(median(gauge_ratios), 3) if gauge_ratios else None
    target = derive(result.feasible_max, server_per_client=ratio or 1.0)
    return Tuning(result, target, InstanceCost.of(wb, types, result.instance_minutes), ratio)
