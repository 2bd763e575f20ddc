"""Simulated runs as data frames, for tables and for `views.figures.planning_figures`; units are in the column names."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dgsm_helpers.planning.comparing import Played
from dgsm_helpers.simulate.merits import Merits
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.sweep import Outcome
from dgsm_helpers.simulate.traffic import DAY_S
from dgsm_helpers.simulate.words_at_risk import words_at_risk

_POLICY_SETTINGS = ("target_value", "metric", "scale_out_cooldown_s", "scale_in_cooldown_s", "disable_scale_in")
_MOST_POINTS = 72
"""Points of a drawn series; a day has 8640 beats, and a figure in a notebook must stay small."""


def over_time(played: Played, *, usd_per_hour: Mapping[str, float] | None = None) -> pd.DataFrame:
    """One run by time: at most 72 rows, each the worst of the beats it stands for (cost: up to its end).

    Index ``hours`` from the begin of the traffic; columns ``running_instances``, ``desired_instances``, ``streams``,
    ``mean_streams`` and ``max_streams`` per instance, ``lag_p95_ms`` (NaN where not measured), ``cost_usd`` (with a
    price) or ``instance_hours``, cumulated.
    """
    run = played.run
    step_h = float(run.times_s[0]) / 3600
    frame = pd.DataFrame(
        {
            "running_instances": run.serving,
            "desired_instances": run.desired,
            "streams": run.streams,
            "mean_streams": run.average,
            "max_streams": run.maximum,
            "lag_p95_ms": played.lag.over_time_ms,
        },
        index=pd.Index(run.times_s / 3600, name="hours"),
    )
    rate = (usd_per_hour or {}).get(run.plan.instance_types[0], 1.0)
    frame["cost_usd" if usd_per_hour else "instance_hours"] = (run.serving * step_h * rate).cumsum()
    per_row = -(-len(frame) // _MOST_POINTS)
    grouped = frame.groupby([i // per_row for i in range(len(frame))])
    thinned = grouped.max()
    thinned.index = pd.Index(frame.index[per_row - 1 :: per_row].append(frame.index[-1:])[: len(thinned)], name="hours")
    return thinned


def comparison(played: Sequence[Played]) -> pd.DataFrame:
    """One row a plan: cost, elasticity, what callers feel; ``*_other_statistic`` while the statistic is unsettled."""
    rows = []
    for item in played:
        row = {"plan": item.plan.name, **row_of(item.merits), "lag_p95_ms": item.lag.p95_ms}
        if item.handed_over is not None:
            row["relief_s_handed_over"] = item.handed_over.relief_s
        if item.other is not None:
            row["instance_hours_other_statistic"] = item.other.instance_hours
            row["over_capacity_percent_other_statistic"] = 100 * item.other.over_capacity_share
        rows.append(row)
    return pd.DataFrame(rows).set_index("plan")


def row_of(merits: Merits) -> dict[str, Any]:
    """The figures of merit that a comparison shows, by column name."""
    return {
        "cost_usd": merits.cost_usd,
        "usd_per_stream_hour": merits.usd_per_stream_hour,
        "instance_hours": merits.instance_hours,
        "peak_instances": merits.peak_instances,
        "over_capacity_stream_s": merits.over_capacity_stream_s,
        "over_capacity_percent": 100 * merits.over_capacity_share,
        "calls_cut": merits.streams_cut,
        "words_at_risk": words_at_risk(merits.streams_cut),
        "words_at_risk_handed_over": words_at_risk(merits.streams_cut, handed_over=True),
        "hand_overs": merits.hand_overs,
        "relief_s": merits.relief_s,
        "new_above_knee_percent": 100 * merits.new_above_knee_share,
        "under_accuracy_percent": merits.elasticity.under_accuracy,
        "over_accuracy_percent": merits.elasticity.over_accuracy,
        "under_share_percent": merits.elasticity.under_share,
        "over_share_percent": merits.elasticity.over_share,
        "elastic_speedup": merits.elastic_speedup,
    }


def settings_of(plan: ScalingPlan) -> dict[str, Any]:
    """The settings of a plan's first policy, how many calls a scale-in may cut, its bounds, the minimum that a schedule
    raises it to, and until when."""
    first = plan.policies[0]
    changes = [(c.min_capacity, c.at_s % DAY_S / 3600) for c in plan.schedule if c.min_capacity is not None]
    return {
        **{name: getattr(first, name, None) for name in _POLICY_SETTINGS},
        "most_cut": plan.most_cut,
        "min_capacity": plan.bounds.min_capacity,
        "max_capacity": plan.bounds.max_capacity,
        "scheduled_minimum": max(changes)[0] if changes else None,
        "scheduled_until_h": min(changes)[1] if changes else None,
    }


def swept(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row a plan of a sweep: its settings and figures of merit; ``cost`` in dollars, or instance-hours."""
    rows = [
        {
            "plan": o.plan.name,
            **settings_of(o.plan),
            **row_of(o.merits),
            "cost": o.cost,
            "can_be_applied": o.plan.can_be_applied,
        }
        for o in outcomes
    ]
    return pd.DataFrame(rows).set_index("plan")
