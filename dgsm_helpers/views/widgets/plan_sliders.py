"""Sliders over a scaling plan: every move simulates the whole traffic again, at once."""

import dataclasses
from functools import partial
from typing import Any

import ipywidgets

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.planning.candidates import most_instances
from dgsm_helpers.planning.comparing import PlanStudy, Played
from dgsm_helpers.planning.frames import over_time
from dgsm_helpers.simulate.scaling_plan import ScalingPlan, guide
from dgsm_helpers.views.figures.plan_svg import PlanState, plan_html
from dgsm_helpers.views.widgets import Shown, slider


class PlanSliders(Shown):
    """Target, cooldowns and bounds to play with; streams against what the instances sustain, and what it costs.

    Args:
        study: what is simulated again with every move; the target's slider begins at its measured target.

    `plan` and `played` are what is shown.
    """

    def __init__(self, study: PlanStudy) -> None:
        self.study = study
        self.played: Played | None = None
        instance = study.instance
        most = most_instances(study.traffic, max(1.0, 0.5 * instance.knee))
        target_value = study.presets[1].tracking.target_value
        real, whole, bounds = (
            partial(slider, kind, self._changed, width="38em")
            for kind in (ipywidgets.FloatSlider, ipywidgets.IntSlider, ipywidgets.IntRangeSlider)
        )
        top = instance.knee * 1.2
        self.target_value = real(description="TargetValue", value=target_value, min=1, max=top, step=0.1)
        self.scale_out_cooldown_s = whole(description="scale-out cooldown (s)", value=60, min=0, max=900, step=30)
        self.scale_in_cooldown_s = whole(description="scale-in cooldown (s)", value=300, min=0, max=1800, step=60)
        self.bounds = bounds(description="instances, from and to", value=(1, most), min=1, max=2 * most)
        self._html = ipywidgets.HTML()
        sliders = [self.target_value, self.scale_out_cooldown_s, self.scale_in_cooldown_s, self.bounds]
        self.widget = ipywidgets.VBox([*sliders, self._html])
        self._changed(None)

    @property
    def plan(self) -> ScalingPlan:
        """The plan that the sliders say."""
        low, high = self.bounds.value
        base = guide(target_value=self.target_value.value, min_capacity=low, max_capacity=high)
        policy = dataclasses.replace(
            base.tracking,
            scale_out_cooldown_s=self.scale_out_cooldown_s.value,
            scale_in_cooldown_s=self.scale_in_cooldown_s.value,
        )
        return dataclasses.replace(base, policies=(policy,), instance_types=(self.study.instance.instance_type,))

    def _changed(self, _change: Any) -> None:
        trouble = ""
        try:
            self.played = self.study.play(self.plan)
        except DgsmError as error:
            trouble = str(error)
        self._html.value = plan_html(self._state(trouble))

    def _state(self, trouble: str) -> PlanState:
        study = self.study
        origin = f"{study.traffic.name}, seed {study.seed}; {study.assumptions.headline}"
        empty = PlanState(knee=study.instance.knee, origin=origin, trouble=trouble)
        if self.played is None:
            return empty
        frame, merits, other = over_time(self.played), self.played.merits, self.played.other
        over = f"{merits.over_capacity_share:.2%}"
        if other:
            over += f" ({other.over_capacity_share:.2%} by the other statistic)"
        return dataclasses.replace(
            empty,
            hours=frame.index.tolist(),
            streams=frame["streams"].tolist(),
            instances=frame["running_instances"].tolist(),
            facts=(
                ("cost", "price unknown" if merits.cost_usd is None else f"${merits.cost_usd:.2f}"),
                ("instance-hours", f"{merits.instance_hours:.1f}"),
                ("most instances", f"{merits.peak_instances}"),
                ("stream-time over capacity", over),
                ("calls cut", f"{merits.streams_cut}"),
            ),
        )
