"""Step 3, ``03_tune``: how many streams one instance sustains, measured; the TargetValue from it.

Before: `plan` says what a measurement will do and cost.

Measuring: `tune` holds the endpoint still, finds the knee and derives the target; `LadderView` shows it meanwhile.

Afterwards: `ladder_figure` draws what was measured; `WhatIf` judges it again under another limit and headroom;
`retarget` puts the value into the policy, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgsm_helpers.aws.scaling.retargeting import retarget
from dgsm_helpers.planning.measuring import tune
from dgsm_helpers.planning.tuning import plan_tuning as plan
from dgsm_helpers.views.widgets.ladder_view import LadderView, figure_labels, rung_points
from dgsm_helpers.views.widgets.what_if import WhatIf

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dgsm_helpers.planning.tuning import Tuning
    from dgsm_helpers.session import Workbook

__all__ = ["LadderView", "WhatIf", "ladder_figure", "plan", "retarget", "tune"]


def ladder_figure(wb: Workbook, tuned: Tuning) -> go.Figure:
    """Lag against streams held on one instance, with the limit, the interval of the knee and the target."""
    from dgsm_helpers.views.figures.ladder_figure import lag_against_concurrency

    points, labels = rung_points(tuned.result.rungs), figure_labels(wb, tuned.result.criteria)
    return lag_against_concurrency(points, **labels, target_value=tuned.target.value, unit=tuned.result.unit)
