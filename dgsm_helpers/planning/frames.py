"""Simulated runs as data frames, for figures, and side by side in words and units: what decides first, then elasticity.

The frames are for `views.figures.planning_figures`; units are in the column names.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from dgsm_helpers.aws.core.tables import Table, folded, html_table
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


@dataclass(frozen=True)
class PolicyTable(Table):
    """One row a policy. In brackets: what the alarms' ``other`` statistic gives, while it is open which they follow."""

    played: Sequence[Played]
    statistic: str
    other: str | None

    _columns: ClassVar[tuple[str, ...]] = (
        *("policy", "cost", "instance-hours", "most", "over capacity", "calls cut", "words at risk", "relief"),
        *("new on a full one", "lag p95"),
    )

    def __repr__(self) -> str:
        # A dataclass's own would write every run out.
        return str(self)

    def to_frame(self) -> pd.DataFrame:
        """The numbers: one row a policy, a column for each figure of merit with its unit in the name."""
        return comparison(self.played)

    def _caption(self) -> str:
        return "Policies on this traffic, simulated"

    def _rows(self) -> list[tuple[object, ...]]:
        return [_row(item) for item in self.played]

    def _notes(self) -> list[str]:
        if any(item.handed_over for item in self.played):
            notes = ["Words at risk: where callers do not hand over. Hand-over cuts no call (a named assumption)."]
            notes.append("Relief: the longest overload, and after the arrow where callers hand over.")
        else:
            notes = ["Callers hand over: no call is cut, no word lost (a named assumption)."]
            notes.append("Relief: the longest overload.")
        notes.append(
            "Over capacity: share of stream-time. Most: instances. New on a full one: calls that find the knee."
        )
        if self.other:
            notes.append(f"In brackets: if the alarms follow the instances' {self.other}, not their {self.statistic}.")
        return notes

    def _repr_html_(self) -> str:
        """The table; elasticity, which few ask for, can be opened."""
        columns = ("policy", "too few: by", "of the time", "too many: by", "of the time", "speed-up", "a stream-hour")
        rows = [(item.plan.name, *_elasticity(item.merits)) for item in self.played]
        caption = (
            "Instances against demand: by how much and how long too few (θU, τU) or too many (θO, τO); a speed-up "
            "above 1 follows demand better than as many instances held fixed (SPEC's elasticity)"
        )
        return super()._repr_html_() + folded("Elasticity", html_table(caption, columns, rows))


def _row(item: Played) -> tuple[object, ...]:
    def both(figure: Callable[[Merits], str]) -> str:
        return figure(item.merits) + (f" ({figure(item.other)})" if item.other else "")

    return (
        item.plan.name,
        both(lambda m: "?" if m.cost_usd is None else f"${m.cost_usd:.2f}"),
        both(lambda m: f"{m.instance_hours:.1f}"),
        item.merits.peak_instances,
        both(lambda m: f"{m.over_capacity_share:.2%}"),
        both(lambda m: f"{m.streams_cut}"),
        words_at_risk(item.merits.streams_cut),
        f"{item.merits.relief_s:.0f} s" + (f" → {item.handed_over.relief_s:.0f} s" if item.handed_over else ""),
        f"{item.merits.new_above_knee_share:.1%}",
        _lag(item),
    )


def _elasticity(merits: Merits) -> tuple[str, ...]:
    shares = merits.elasticity
    return (
        f"{shares.under_accuracy:.1f}%",
        f"{shares.under_share:.1f}%",
        f"{shares.over_accuracy:.1f}%",
        f"{shares.over_share:.1f}%",
        f"{merits.elastic_speedup:.2f}",
        "?" if merits.usd_per_stream_hour is None else f"${merits.usd_per_stream_hour:.3f}",
    )


def _lag(item: Played) -> str:
    p95_ms, beyond = item.lag.p95_ms, f"{item.lag.unmeasured_share:.1%} beyond the ladder"
    if math.isnan(p95_ms):
        return "not measured"
    if math.isinf(p95_ms):
        return beyond
    return f"{p95_ms:.0f} ms" + (f" ({beyond})" if item.lag.unmeasured_share > 0 else "")
