"""A period that a real endpoint recorded, played again: how well does the simulator know that endpoint?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import finest_period_s
from dgsm_helpers.errors import NotReady
from dgsm_helpers.planning.calibrating import TEN_SECOND_DATA, active_plan, read_model
from dgsm_helpers.planning.sources import METRIC_EVERY_S, STREAM_S
from dgsm_helpers.simulate.calibration import Backtest, Calibration, backtest
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.replay import replay, series_of

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from dgsm_helpers.rules.model import ScalingModel
    from dgsm_helpers.session import Workbook
    from dgsm_helpers.simulate.engine import Run
    from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """A recorded period played again.

    ``counts`` has one row a minute: ``recorded_instances`` and ``simulated_instances`` by UTC time.
    """

    result: Backtest
    calibration: Calibration
    run: Run
    counts: pd.DataFrame

    def __str__(self) -> str:
        minutes, r = len(self.result.recorded), self.result
        return (
            f"Back-test of {minutes} minutes: the simulated instance count equals the recorded one in "
            f"{r.equal_share:.0%} of them; mean difference {r.mean_error:.2f} instances, bias {r.bias:+.2f}. "
            f"{len(self.calibration.read)} rules read, {len(self.calibration.assumed)} assumed."
        )


def recorded_traffic(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> tuple[Traffic, datetime]:
    """The endpoint's own concurrency of a period as sessions, and when it begins.

    Args:
        start, end: aware datetimes; default: the last three hours, as long as ten-second data is kept.
        mean_s: mean length of a stream, which CloudWatch does not know.
        seed: of the lengths.

    Raises:
        NotReady: no concurrency was recorded in that period.
        InvalidInput: the record has a gap (the endpoint was not in service, or metrics came late).
    """
    end = end or wb.now() - timedelta(seconds=2 * METRIC_EVERY_S)
    start = start or wb.now() - TEN_SECOND_DATA + timedelta(seconds=60)
    recorded = observe.metrics(wb, start, end, period_s=finest_period_s(wb.now() - start))
    frame = recorded.concurrency
    # One sample per instance and interval: their sum is the variant's concurrency, averaged over a longer period.
    total = frame["concurrency_mean_streams"] * frame["samples_count"] / (recorded.period_s / METRIC_EVERY_S)
    first, last = total.first_valid_index(), total.last_valid_index()
    if first is None or first == last:
        raise NotReady(
            f"CloudWatch has no concurrency of {wb.resource_id} from {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC.",
            hint="Choose a period in which the endpoint was in service.",
        )
    streams = total.loc[first:last].dropna()
    times = [time.timestamp() for time in streams.index]
    series = series_of(times, streams.tolist(), name=f"concurrency of {wb.endpoint_name}")
    return replay(series, mean_s=mean_s, seed=seed), first.to_pydatetime()


def back_test(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    model: ScalingModel | None = None,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> Replayed:
    """Play a recorded period again under the plan that AWS holds, and compare instance counts minute by minute.

    Bounds and policies must have been the same throughout: AWS keeps no history of them.

    Args:
        start, end: aware datetimes; default: from the policy's creation, at most three hours back, until now.
        model: where what cannot be read comes from; the nominal assumptions by default.
        mean_s: mean length of a stream, which CloudWatch does not know.
        seed: of what is random.

    Raises:
        NotFound, NotReady, InvalidInput: as `active_plan` and `recorded_traffic`.
    """
    calibration = read_model(wb, model)
    start = start or max(_policy_created(wb), wb.now() - TEN_SECOND_DATA + timedelta(seconds=60))
    traffic, begin = recorded_traffic(wb, start, end, mean_s=mean_s, seed=seed)
    recorded = _counts_since(observe.instances(wb), begin)
    plan = active_plan(wb, begin=begin, horizon_s=traffic.horizon_s, initial_count=round(recorded[0][1]))
    # Instance counts do not depend on what an instance can carry; a knee is only needed to judge overload.
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=1), model=calibration.model, seed=seed))
    result = backtest(run, recorded)
    return Replayed(result=result, calibration=calibration, run=run, counts=_per_minute(result, begin))


def _policy_created(wb: Workbook) -> datetime:
    created = [policy.created for policy in scalable_target.policies(wb) if policy.created]
    if not created:
        raise NotReady(f"{wb.resource_id} has no scaling policy.", hint="Apply one: register.apply(wb).")
    return max(created)


def _counts_since(instances: pd.DataFrame, begin: datetime) -> list[tuple[float, float]]:
    """(seconds since ``begin``, running instances), the first at 0; of several changes at one time the last."""
    running = instances["running_instances"]
    before = running[running.index <= begin]
    points = {0.0: float(before.iloc[-1] if len(before) else running.iloc[0])}
    for time, count in running[running.index > begin].items():
        points[(time - begin).total_seconds()] = float(count)
    return sorted(points.items())


def _per_minute(result: Backtest, begin: datetime) -> pd.DataFrame:
    import pandas as pd

    index = pd.date_range(begin + timedelta(minutes=1), periods=len(result.recorded), freq="min", name="time")
    return pd.DataFrame({"recorded_instances": result.recorded, "simulated_instances": result.simulated}, index=index)
