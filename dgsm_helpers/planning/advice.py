"""Planning in one call: the presets and, if asked, some hundred policies on given traffic; which to take and why."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.applying import applied_plans, bounds_for
from dgsm_helpers.planning.calibrating import model_for
from dgsm_helpers.planning.candidates import targets_for
from dgsm_helpers.planning.comparing import PlanStudy, Played, WrongAssumptions
from dgsm_helpers.planning.frames import PolicyTable, row_of, settings_of
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.merits import Merits, MetricComparison
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Outcome, Progress, Recommendation, recommend
from dgsm_helpers.simulate.traffic import Traffic


@dataclass(frozen=True, kw_only=True, eq=False)
class Advice:
    """All of it simulated: ``study`` holds the presets and what was swept, ``recommendation`` is over both.

    ``played`` are, in full, the presets, the recommended plan, the runner-up and the one that spares calls.

    ``if_wrong`` is what it costs under the recommended plan when an assumption is wrong.

    ``detection`` compares the ten-second with the one-minute metric under the recommended plan on a step to the
    traffic's height (`step_like`), None when that never scales out. ``rerouted`` is the recommended plan with
    LEAST_OUTSTANDING_REQUESTS routing, None when the endpoint has that already. ``notes`` say what was not given and is
    therefore assumed.
    """

    study: PlanStudy
    played: tuple[Played, ...]
    recommendation: Recommendation
    detection: MetricComparison | None
    if_wrong: WrongAssumptions
    rerouted: Merits | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, the recommendation first; unknown numbers are null."""
        advice, traffic, instance = self.recommendation, self.study.traffic, self.study.instance
        return _plain(
            {
                "recommended": {**_outcome(advice.best), "reason": advice.reason},
                "runner_up": advice.runner_up and {**_outcome(advice.runner_up), "reason": advice.runner_up_reason},
                "sparing": advice.sparing and _outcome(advice.sparing),
                "simulated": True,
                "seed": self.study.seed,
                "traffic": {
                    "name": traffic.name,
                    "sessions": traffic.sessions,
                    "horizon_s": traffic.horizon_s,
                    "most_streams": int(traffic.concurrency().max(initial=0)),
                    "stream_hours": traffic.stream_seconds() / 3600,
                },
                "capacity": {
                    "knee_streams": instance.knee,
                    "instance_type": instance.instance_type,
                    "source": instance.source,
                    "usd_per_hour": instance.price.amount_usd,
                    "price_source": str(instance.price),
                },
                "plans": [
                    {
                        **_outcome(item),
                        "lag_p95_ms": item.lag.p95_ms,
                        "lag_unmeasured_percent": 100 * item.lag.unmeasured_share,
                        "other_statistic": item.other and row_of(item.other),
                        "with_hand_over": item.handed_over and row_of(item.handed_over),
                    }
                    for item in self.played
                ],
                "plans_simulated": len(self.study.outcomes),
                "front": [_outcome(outcome) for outcome in advice.front],
                "with_least_outstanding_requests": self.rerouted and row_of(self.rerouted),
                "detection": self.detection and _detection(self.detection),
                "if_wrong": [row.to_dict() for row in self.if_wrong.rows],
                "notes": list(self.notes),
                "assumptions": [
                    {"name": r.name, "value": r.value, "unit": r.unit, "grade": r.grade, "source": r.source}
                    for r in self.study.assumptions.rows
                ],
            }
        )

    @property
    def table(self) -> PolicyTable:
        return PolicyTable(self.played, self.study.model.statistic, self.study.other_statistic)

    def __str__(self) -> str:
        best, study = self.recommendation.best, self.study
        lines = [
            str(self.recommendation),
            "",
            f"Simulated: {study.traffic.name}, {study.traffic.summary}; seed {study.seed}.",
            str(study.instance),
            "",
            str(self.table),
            "",
        ]
        if self.rerouted:
            lines.append(
                f"Routing: with LEAST_OUTSTANDING_REQUESTS instead of RANDOM the recommended plan has "
                f"{self.rerouted.over_capacity_share:.3%} of stream-time over capacity instead of "
                f"{best.merits.over_capacity_share:.3%}, in {self.rerouted.instance_hours:.1f} instead of "
                f"{best.merits.instance_hours:.1f} instance-hours."
            )
        if self.detection:
            lines.append(str(self.detection))
        lines += ["", str(self.if_wrong), ""]
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join([*lines, f"The scaling model: {study.assumptions.headline} (--json lists them)."])


def advise(
    wb: Workbook,
    traffic: Traffic,
    instance: Measured,
    *,
    min_capacity: int | None = None,
    max_capacity: int | None = None,
    hand_over: bool = False,
    full_sweep: bool = False,
    tolerated_cuts: int | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Play the presets, and with ``full_sweep`` the grid, on ``traffic``; recommend one. Changes nothing.

    Where the workbook's endpoint exists, what it shows of its scaling replaces the model's assumptions, and the policy
    that is applied to it is compared as well.

    Args:
        traffic, instance, seed: as `PlanStudy` takes them.
        min_capacity, max_capacity: bounds of the plans; default: the endpoint's (`applying.bounds_for`).
        hand_over: callers hand over (`PlanStudy`).
        full_sweep: also simulate the grid (`candidates.grid_for`).
        tolerated_cuts: as `simulate.sweep.recommend` takes it.
        notes: to be kept with the result.
        executor, progress: as in `simulate.sweep.sweep`.

    Raises:
        InvalidInput: traffic without streams or shorter than a cooldown, or a minimum above the maximum.
    """
    if not traffic.sessions:
        raise InvalidInput(f"Traffic {traffic.name!r} has no streams.", hint="Choose a busier period, or a shape.")
    notes = [*notes, *instance.notes]
    applied: tuple[ScalingPlan, ...] = ()
    calibration = model_for(wb)
    model = calibration.model
    if endpoint_state.find(wb) is None:
        notes.append(f"There is no endpoint {wb.endpoint_name} to read: rules are assumed, routing as deployed here.")
    else:
        notes.append(f"Read from endpoint {wb.endpoint_name}: {', '.join(row.name for row in calibration.read)}.")
        applied = applied_plans(wb, traffic, instance.instance_type, notes)
    bounds = bounds_for(wb, min_capacity, max_capacity)
    study = PlanStudy(traffic, instance, model, seed=seed, hand_over=hand_over, **bounds)
    study.play_presets(*applied)
    if full_sweep:
        study.sweep_grid(executor, progress)
    else:
        plans = targets_for(traffic, study.limits)
        study.swept = tuple(Outcome(plan=plan, merits=study.merits(plan)) for plan in plans)
    recommendation = recommend(study.outcomes, tolerated_cuts=tolerated_cuts)
    best = recommendation.best.plan
    picked = (recommendation.best, recommendation.runner_up, recommendation.sparing)
    chosen = dict.fromkeys(outcome.plan for outcome in picked if outcome)
    compared = [item.plan for item in study.played]
    rerouted = None
    if model.routing == "RANDOM":
        rerouted = study.merits(best, model=replace(model, routing="LEAST_OUTSTANDING_REQUESTS"))
    return Advice(
        study=study,
        played=(*study.played, *(study.play(plan) for plan in chosen if plan not in compared)),
        recommendation=recommendation,
        detection=study.detection(best),
        if_wrong=study.if_wrong(best),
        rerouted=rerouted,
        notes=tuple(notes),
    )


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"plan": outcome.plan.name, "settings": settings_of(outcome.plan), **row_of(outcome.merits)}


def _detection(detection: MetricComparison) -> dict[str, Any]:
    fast, slow = detection.high_resolution, detection.one_minute
    return {
        "high_resolution_s": fast.detection_s,
        "one_minute_s": slow.detection_s,
        "detection_factor": detection.detection_factor,
        "high_resolution_total_s": fast.total_s,
        "one_minute_total_s": slow.total_s,
        "total_factor": detection.total_factor,
    }


def _plain(value: Any) -> Any:
    """Only what JSON knows; NaN and infinity are null, numbers have six digits."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
