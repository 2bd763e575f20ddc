"""A period that a real endpoint recorded, played again: how well does the simulator know that endpoint?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.aws.watch.retention import finest_period_s
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.planning.applying import active_plan
from dgsm_helpers.planning.calibrating import TEN_SECOND_DATA, Calibration, read_model
from dgsm_helpers.planning.cloudwatch_exports import METRIC_EVERY_S
from dgsm_helpers.planning.sources import STREAM_S
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.replay import replay, series_of
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Replayed:
    """A recorded period played again.

    ``counts`` has one row a minute: ``recorded_instances`` and ``simulated_instances`` by UTC time. ``equal_share``
    is the share of minutes with the same count, ``mean_error`` the mean absolute difference, ``bias`` the mean of
    simulated minus recorded. ``notes`` say what was assumed of the traffic.
    """

    calibration: Calibration
    counts: pd.DataFrame
    equal_share: float
    mean_error: float
    bias: float
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = (
            f"Back-test of {len(self.counts)} minutes: the simulated instance count equals the recorded one in "
            f"{self.equal_share:.0%} of them; mean difference {self.mean_error:.2f} instances, bias {self.bias:+.2f}. "
            f"{len(self.calibration.read)} rules read, {len(self.calibration.assumed)} assumed."
        )
        return " ".join((text, *self.notes))


def recorded_concurrency(wb: Workbook, start: datetime, end: datetime) -> pd.Series:
    """The streams of the whole variant over a period, by UTC time; NaN where CloudWatch has nothing.

    From the first to the last value that there is, in the finest period that is kept.

    Raises:
        NotReady: no concurrency was recorded in that period.
    """
    recorded = read_metrics(wb, start, end, period_s=finest_period_s(wb.now() - start), frames=("concurrency",))
    frame = recorded.concurrency
    # One sample per instance and interval: their sum is the variant's concurrency, averaged over a longer period.
    total = frame["concurrency_mean_streams"] * frame["samples_count"] / (recorded.period_s / METRIC_EVERY_S)
    first, last = total.first_valid_index(), total.last_valid_index()
    if first is None or first == last:
        raise NotReady(
            f"CloudWatch has no concurrency of {wb.resource_id} from {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC.",
            hint="Choose a period in which the endpoint was in service.",
        )
    return total.loc[first:last]


def without_pauses(wb: Workbook, streams: pd.Series) -> tuple[pd.Series, tuple[str, ...]]:
    """The same with zero streams where the endpoint did not exist, being paused or deleted; and a sentence about it.

    That is any gap which begins before the endpoint that is there now was created. Other gaps stay.
    """
    endpoint = endpoint_state.find(wb)
    created = endpoint.created if endpoint and endpoint.created else wb.now()
    missing = streams.isna()
    # A gap is known by the last moment at which there was something.
    before = pd.Series(streams.index, streams.index).mask(missing).ffill()
    absent = missing & (before < created)
    if not absent.any():
        return streams, ()
    gaps, period = before[absent].nunique(), streams.index.freq
    minutes, of = (count * period / timedelta(minutes=1) for count in (absent.sum(), len(streams)))
    note = (
        f"{wb.endpoint_name} did not exist (paused or deleted) for {minutes:.0f} of {of:.0f} minutes, {gaps} "
        f"time{'s' * (gaps != 1)}, at last until {streams.index[absent][-1] + period:%Y-%m-%d %H:%M:%S} UTC: no "
        "streams then."
    )
    return streams.mask(absent, 0.0), (note,)


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
        InvalidInput: CloudWatch has nothing for a while in which the endpoint existed.
    """
    end = end or wb.now() - timedelta(seconds=2 * METRIC_EVERY_S)
    start = start or wb.now() - TEN_SECOND_DATA + timedelta(seconds=60)
    streams, notes = without_pauses(wb, recorded_concurrency(wb, start, end))
    if (missing := streams.index[streams.isna()]).size:
        raise InvalidInput(
            f"CloudWatch has no concurrency of {wb.resource_id} for {len(missing)} of {len(streams)} periods, at first "
            f"{missing[0]:%Y-%m-%d %H:%M:%S} UTC, although the endpoint existed.",
            hint=f"Choose a period without them, such as from {missing[-1] + streams.index.freq:%Y-%m-%d %H:%M:%S} on.",
        )
    times = [time.timestamp() for time in streams.index]
    series = series_of(times, streams.tolist(), name=f"concurrency of {wb.endpoint_name}")
    return replace(replay(series, mean_s=mean_s, seed=seed), notes=notes), streams.index[0].to_pydatetime()


def back_test(
    wb: Workbook,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    mean_s: float = STREAM_S,
    seed: int = 0,
) -> Replayed:
    """Play a recorded period again under the plan that AWS holds, and compare instance counts minute by minute.

    Bounds and policies must have been the same throughout: AWS keeps no history of them.

    Args:
        start, end: aware datetimes; default: from the policy's creation, at most three hours back, until now.
        mean_s, seed: as `recorded_traffic` takes them.

    Raises:
        NotFound, NotReady, InvalidInput: as `active_plan` and `recorded_traffic`.
    """
    calibration = read_model(wb)
    start = start or max(_policy_created(wb), wb.now() - TEN_SECOND_DATA + timedelta(seconds=60))
    traffic, begin = recorded_traffic(wb, start, end, mean_s=mean_s, seed=seed)
    recorded = _counts_since(observe.instances(wb), begin)
    plan = active_plan(wb, begin=begin, horizon_s=traffic.horizon_s, initial_count=round(recorded[0][1]))
    # Instance counts do not depend on what an instance can carry; a knee is only needed to judge overload.
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=1), model=calibration.model, seed=seed))
    return compared(run, recorded, calibration, begin)


def compared(run: Run, recorded: Sequence[tuple[float, float]], calibration: Calibration, begin: datetime) -> Replayed:
    """A run beside recorded instance counts, minute by minute.

    Args:
        run: of the traffic that was recorded, under the plan that was active.
        recorded: (seconds since ``begin``, instances), ascending from 0 on; a count holds until the next point.
        calibration: what the run's model was read from.
        begin: of the traffic.
    """
    times, counts = np.asarray(recorded, float).T
    minutes = np.arange(1, int(run.times_s[-1] // 60) + 1) * 60.0
    actual = counts[np.searchsorted(times, minutes, "right") - 1].astype(int)
    simulated = run.serving[np.searchsorted(run.times_s, minutes, "right") - 1]
    difference = simulated - actual
    index = pd.date_range(begin + timedelta(minutes=1), periods=len(minutes), freq="min", name="time")
    return Replayed(
        calibration=calibration,
        counts=pd.DataFrame({"recorded_instances": actual, "simulated_instances": simulated}, index=index),
        equal_share=float((difference == 0).mean()),
        mean_error=float(np.abs(difference).mean()),
        bias=float(difference.mean()),
        notes=run.traffic.notes,
    )


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
