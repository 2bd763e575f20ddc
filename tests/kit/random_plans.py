"""Cases for the planner by number: any traffic, plan and model, the same ones on every machine.

Sessions come from Python's generator, not from numpy's distributions, whose numbers differ between releases.
"""

from __future__ import annotations

import hashlib
import math
import random

import numpy as np

from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.fleet import Shortage
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, ScheduledChange, StepAdjustment, StepScaling, TargetTracking
from dgsm_helpers.rules.weighted_metrics import FORMS
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic

MISSING = ("missing", "ignore", "breaching", "notBreaching")
TYPES = ("ml.g6.2xlarge", "ml.g5.2xlarge", "ml.g5.xlarge")


def random_case(number: int) -> tuple[Traffic, ScalingPlan, Conditions]:
    """The case of a number."""
    chance = random.Random(number)
    horizon_s = chance.choice([3600 * 1.5, 3600 * 3.0, 3600 * 6.0, 12_345.0])
    types = TYPES[: chance.choice([1, 1, 2, 3])]
    low = chance.randrange(1, 4)
    high = low + chance.randrange(0, 25)
    plan = ScalingPlan(
        name=f"case {number}",
        policies=_policies(chance, types),
        bounds=Bounds(
            min_capacity=low,
            max_capacity=high,
            scaling_in_suspended=chance.random() < 0.05,
            scaling_out_suspended=chance.random() < 0.05,
        ),
        schedule=tuple(
            ScheduledChange(at_s=_moment(chance, horizon_s), min_capacity=chance.randrange(1, high + 1), name=f"at {n}")
            for n in range(chance.choice([0, 0, 1, 3]))
        ),
        instance_types=types,
        shortages=tuple(
            Shortage(instance_type=chance.choice(types), start_s=start_s, end_s=start_s + chance.uniform(100, 4000))
            for start_s in (chance.uniform(0, horizon_s) for _ in range(chance.choice([0, 0, 2])))
        ),
        initial_count=chance.choice([None, low]),
    )
    capacity = {t: Capacity(knee=chance.randrange(2, 14)) for t in types}
    return (
        _traffic(chance, horizon_s),
        plan,
        Conditions(capacity=capacity, model=_model(chance), seed=chance.randrange(50)),
    )


def _moment(chance: random.Random, horizon_s: float) -> float:
    return chance.choice([chance.uniform(0, horizon_s), 10.0 * chance.randrange(int(horizon_s // 10))])


def _traffic(chance: random.Random, horizon_s: float) -> Traffic:
    """Sessions of a shape; of some cases all times are whole beats, as in traffic that CloudWatch recorded."""
    shape = chance.choice(["even", "step", "wave", "bursts"])
    places, mean_s = chance.choice([None, None, 0, -1]), chance.choice([30.0, 300.0, 3000.0])
    bursts = [chance.uniform(0, horizon_s) for _ in range(3)]

    def weight(at_s: float) -> float:
        match shape:
            case "step":
                return 1.0 if at_s > horizon_s / 3 else 0.1
            case "wave":
                return 0.55 - 0.45 * math.cos(2 * math.pi * at_s / horizon_s)
            case "bursts":
                return 1.0 if any(0 <= at_s - burst_s < 600 for burst_s in bursts) else 0.05
        return 1.0

    sessions = []
    for _ in range(int(chance.uniform(0, 120) * min(30.0, horizon_s / mean_s)) + 1):
        at_s = chance.uniform(0, horizon_s - 11)
        if chance.random() < weight(at_s):
            length_s = chance.expovariate(1 / mean_s) + 0.001
            if places is not None:
                at_s, length_s = round(at_s, places), max(10.0, round(length_s, places))
            sessions.append((at_s, length_s))
    pairs = np.array(sorted(sessions) or [(0.0, 10.0)])
    return Traffic(name=shape, starts_s=pairs[:, 0], durations_s=pairs[:, 1], horizon_s=horizon_s)


def _policies(chance: random.Random, types: tuple[str, ...]) -> tuple[TargetTracking | StepScaling, ...]:
    policies: list[TargetTracking | StepScaling] = []
    for number in range(chance.choice([1, 1, 1, 2])):
        form = chance.choice(list(FORMS)) if chance.random() < 0.25 else ""
        share = bool(form) and not FORMS[form].in_streams
        policies.append(
            TargetTracking(
                name=f"track {number}",
                target_value=chance.uniform(0.3, 0.9) if share else chance.uniform(1, 12),
                metric="metric-math" if form else chance.choice(["high-resolution", "one-minute"]),
                form=form,
                weights=tuple(1 / len(types) for _ in types) if form and not share else (),
                scale_out_cooldown_s=chance.choice([0.0, 60.0, 300.0]),
                scale_in_cooldown_s=chance.choice([0.0, 300.0, 600.0]),
                disable_scale_in=chance.random() < 0.2,
            )
        )
    if chance.random() < 0.3:
        down = chance.random() < 0.7
        policies.append(
            StepScaling(
                name="step",
                alarm=AlarmSpec(
                    threshold=chance.uniform(0.3, 3),
                    comparison=chance.choice(["<", "<="] if down else [">", ">="]),
                    period_s=chance.choice([10, 60, 300]),
                    evaluation_periods=10,
                    datapoints_to_alarm=chance.choice([3, 8, 10]),
                    statistic=chance.choice(["Average", "Average", "Maximum", "Sum"]),
                    treat_missing=chance.choice(MISSING),
                ),
                steps=(StepAdjustment(adjustment=-1, upper=0.0) if down else StepAdjustment(adjustment=2, lower=0.0),),
                aggregation=chance.choice(["Average", "Minimum", "Maximum"]),
                cooldown_s=300,
            )
        )
    return tuple(policies)


def _model(chance: random.Random) -> ScalingModel:
    routing = chance.choice(["RANDOM", "LEAST_OUTSTANDING_REQUESTS"])
    statistic = chance.choice(["Average", "Maximum"])
    at_once, drain_s = chance.choice([True, True, False]), chance.choice([300.0, 1800.0])
    return ScalingModel(
        routing=routing,
        statistic=statistic,
        sigkill_after_s=0.0 if at_once else drain_s,
        idle_instance_emits_zero=chance.random() < 0.6,
        reopen_cut_streams=chance.random() < 0.7,
        treat_missing=chance.choice(MISSING),
        scale_in_rule=chance.choice(["proportional", "one-at-a-time"]),
        capacity_metric=chance.choice(["mean", "latest"]),
        capacity_rounding=chance.choice(["up", "nearest"]),
        cooldown_anchor=chance.choice(["completion", "start"]),
        reaction_overhead_s=chance.choice([0.0, 30.0, 45.0]),
        minute_lag_s=0.0,
        reinvoke_every_s=chance.choice([60.0, 60.0, 25.0]),
        low_periods=chance.choice([90, 30]),
        minute_low_periods=chance.choice([15, 5]),
        extra_range_periods=chance.choice([0, 2]),
        shortage_share=chance.choice([0.0, 0.3]),
        stream_limit_s=chance.choice([1800.0, 600.0]),
    )


def fingerprint(run) -> str:
    """A digest of everything a run says, to the last bit of its floats."""
    digest = hashlib.sha256()
    for counts in (run.serving, run.desired, run.streams, run.peaks):
        digest.update(np.ascontiguousarray(counts, dtype="<i8").tobytes())
    for values in (run.times_s, run.average, run.maximum):
        digest.update(np.nan_to_num(np.asarray(values, "<f8"), nan=-1.0).tobytes())
    # Hand-overs were not counted when the runs were recorded.
    tally = repr(run.tally).replace(f", handed_over={run.tally.handed_over}", "")
    digest.update(f"({run.events!r}, {tally}, {sorted(run.instance_s.items())!r})".encode())
    return digest.hexdigest()[:16]
