"""Simulated policies side by side, in words and units: what decides first, elasticity behind it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from dgsm_helpers.aws.core.tables import Table, folded, html_table
from dgsm_helpers.planning.comparing import Played
from dgsm_helpers.planning.frames import comparison
from dgsm_helpers.simulate.merits import Merits
from dgsm_helpers.simulate.words_at_risk import words_at_risk


@dataclass(frozen=True)
class PolicyTable(Table):
    """One row a policy. In brackets: what the alarms' ``other`` statistic gives, while it is open which they follow."""

    played: Sequence[Played]
    statistic: str
    other: str | None

    _columns: ClassVar[tuple[str, ...]] = (
        *("policy", "cost", "instance-hours", "most instances", "stream-time over capacity", "calls cut"),
        *("words at risk", "relief", "new calls on a full instance", "lag p95"),
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
