"""Sliders that judge a measurement again under another SLO and headroom, without measuring again."""

from dataclasses import replace
from functools import partial
from html import escape
from typing import Any

import ipywidgets

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.ladder.capacity import CapacityResult
from dgsm_helpers.load.ladder.target_value import TargetValue, derive_target
from dgsm_helpers.planning.tuning import Tuning
from dgsm_helpers.views.widgets import Shown, slider


class WhatIf(Shown):
    """How interval and TargetValue change with the SLO, the headroom and the expected growth.

    The rungs that were measured are judged again; nothing runs. Where the interval becomes wide, that is said: only
    another measurement narrows it.

    Args:
        tuned: a measurement of this session (`tuning.tune`), whose single streams are still at hand.
    """

    def __init__(self, tuned: Tuning) -> None:
        criteria, target = tuned.result.criteria, tuned.target
        self.tuned, self.result = tuned, tuned.result
        self.target: TargetValue | None = target
        whole, real = (
            partial(slider, kind, self._changed, width="34em")
            for kind in (ipywidgets.IntSlider, ipywidgets.FloatSlider)
        )
        lag_ms, share, growth = round(criteria.lag_s * 1000), target.headroom, target.growth_per_min
        self.slo_ms = whole(description=f"SLO: {criteria.lag_word} (ms)", value=lag_ms, min=50, max=3000, step=50)
        self.headroom = real(description="headroom (share of knee)", value=share, min=0.5, max=1.0, step=0.05)
        new = f"new {self.result.unit} per minute"
        self.growth_per_min = real(description=new, value=growth, min=0, max=30, step=0.5)
        self.instances = whole(description="instances at that time", value=target.instances, min=1, max=20)
        self._text = ipywidgets.HTML()
        sliders = [self.slo_ms, self.headroom, self.growth_per_min, self.instances]
        self.widget = ipywidgets.VBox([*sliders, self._text])
        self._changed(None)

    def _changed(self, _change: Any) -> None:
        try:
            self.result = self._judged()
            self.target = self._derived(self.result)
        except DgsmError as error:
            self._text.value = f"⚠ {escape(str(error))}"
            return
        self._text.value = _sentence(self.result, self.target)

    def _judged(self) -> CapacityResult:
        measured, lag_s = self.tuned.result, self.slo_ms.value / 1000
        criteria = measured.criteria
        if lag_s == criteria.lag_s:
            return measured
        name = f"{criteria.lag_word} {self.slo_ms.value} ms"
        return measured.judged_by(replace(criteria, name=name, lag_s=lag_s))

    def _derived(self, result: CapacityResult) -> TargetValue | None:
        if not result.feasible_max:
            return None
        return derive_target(
            result.feasible_max,
            instances=self.instances.value,
            growth_per_min=self.growth_per_min.value,
            unit=result.unit,
            headroom=self.headroom.value,
            server_per_client=self.tuned.server_per_client or 1.0,
        )


def _sentence(result: CapacityResult, target: TargetValue | None) -> str:
    measure = f"{result.criteria.statistic} {result.criteria.lag_word}"
    limit = f"{result.criteria.lag_s * 1000:.0f} ms"
    if target is None:
        return f"No rung that was measured keeps {measure} within <b>{limit}</b>: this instance is too slow for it."
    upper = "not reached" if result.infeasible_min is None else f"{result.infeasible_min} fail"
    why = f" by {result.binding_constraint}" if result.binding_constraint else ""
    wide = "" if result.tight else " The rungs between were not measured: tune again to narrow it."
    return (
        f"{measure} within <b>{limit}</b>: <b>{result.feasible_max}</b> {result.unit} pass, {escape(upper + why)} "
        f"(measured rungs, judged again).{wide}<br>TargetValue <b>{target.value:g}</b>: {escape(target.explanation)}"
    )
