"""What it costs when an assumption is wrong: the same plan on the same traffic, with what else it may well be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.rules.model import Assumption, ScalingModel
from dgsm_helpers.simulate.merits import Merits

_SHOWN = 4
"""Rows of the table; what matters less is named below it."""


@dataclass(frozen=True, kw_only=True)
class IfWrong:
    """One assumption, and what the plan comes to if it is ``otherwise`` instead.

    The differences are to the plan as assumed: US dollars (None: the price is unknown), instance-hours, calls cut,
    share of stream-time over capacity.
    """

    assumption: Assumption
    usd: float | None
    instance_hours: float
    calls_cut: int
    over_capacity_share: float

    @property
    def matters(self) -> bool:
        return bool(round(self.instance_hours, 2) or self.calls_cut or round(self.over_capacity_share, 5))

    def to_dict(self) -> dict[str, Any]:
        return {
            "assumption": self.assumption.name,
            "assumed": self.assumption.value,
            "otherwise": self.assumption.otherwise,
            "usd": self.usd,
            "instance_hours": self.instance_hours,
            "calls_cut": self.calls_cut,
            "over_capacity_share": self.over_capacity_share,
            "settled_by": self.assumption.settled_by,
        }


class WrongAssumptions(Table):
    """What being wrong costs, by assumption: the dearest first. Shown as a table in a notebook.

    What was read from the endpoint or recorded of AWS is no assumption any more and is left out.
    """

    _columns = ("assumption", "assumed", "if it is", "cost", "calls cut", "over capacity", "asked by dgsm record")

    def __init__(self, plan: str, model: ScalingModel, play: Callable[[ScalingModel], Merits]) -> None:
        """``play`` says what the plan of that name comes to under a model."""
        self._plan = plan
        assumed = play(model)
        rows = [
            _compared(row, assumed, play(replace(model, **{row.name: row.otherwise})))
            for row in model.assumptions()
            if row.otherwise is not None and row.otherwise != row.value and row.grade not in ("READ", "CHOSEN")
        ]
        self.rows = tuple(sorted(rows, key=lambda r: (abs(r.instance_hours), abs(r.calls_cut)), reverse=True))

    def _caption(self) -> str:
        return f"What being wrong costs: {self._plan}, on this traffic"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (
                row.assumption.name,
                row.assumption.value,
                row.assumption.otherwise,
                f"{row.instance_hours:+.1f} instance-hours" if row.usd is None else f"${row.usd:+.2f}",
                f"{row.calls_cut:+d}",
                f"{row.over_capacity_share:+.3%}",
                row.assumption.settled_by,
            )
            for row in self._matter[:_SHOWN]
        ]

    @property
    def _matter(self) -> list[IfWrong]:
        return [row for row in self.rows if row.matters]

    def _notes(self) -> list[str]:
        less = [row.assumption.name for row in self._matter[_SHOWN:]]
        none = [row.assumption.name for row in self.rows if not row.matters]
        notes = (("Less", less), ("No difference here", none))
        return [f"{what}: {', '.join(names)}." for what, names in notes if names]

    def __repr__(self) -> str:
        return f"<WrongAssumptions: {len(self._matter)} of {len(self.rows)} matter under {self._plan}>"


def _compared(assumption: Assumption, assumed: Merits, otherwise: Merits) -> IfWrong:
    unknown = assumed.cost_usd is None or otherwise.cost_usd is None
    return IfWrong(
        assumption=assumption,
        usd=None if unknown else (otherwise.cost_usd or 0.0) - (assumed.cost_usd or 0.0),
        instance_hours=otherwise.instance_hours - assumed.instance_hours,
        calls_cut=otherwise.streams_cut - assumed.streams_cut,
        over_capacity_share=otherwise.over_capacity_share - assumed.over_capacity_share,
    )
