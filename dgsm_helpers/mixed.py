"""Step 6, ``06_mixed_fleet``: instance types that do not carry the same, under one policy.

`capacities` says what one instance of each type carries. `compare_forms` plays the forms of a weighted policy on the
same traffic. `weighted_policy` makes one; `register.apply` puts it on the endpoint.

`usage` reads how full each type is; `wait_within` waits until the fleet has room; `readings` says what each form makes
of this very minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgsm_helpers.aws.scaling import weighted_policy as weighted
from dgsm_helpers.aws.scaling.weighted_policy import weighted_policy
from dgsm_helpers.aws.watch.pool_usage import usage, wait_within
from dgsm_helpers.rules.weighted_metrics import FORMS
from dgsm_helpers.simulate import pool_forms
from dgsm_helpers.simulate.traffic import diurnal

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.session import Workbook
    from dgsm_helpers.simulate.pool_forms import FormOutcome

__all__ = ["capacities", "compare_forms", "readings", "usage", "wait_within", "weighted_policy"]


@dataclass(frozen=True)
class FormComparison:
    """The forms on the same simulated traffic, with the one to take and why."""

    outcomes: tuple[FormOutcome, ...]
    best: FormOutcome
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """One row per form."""
        import pandas as pd

        return pd.DataFrame([outcome.row() for outcome in self.outcomes]).set_index("form")


def capacities(wb: Workbook, text: str) -> dict[str, float]:
    """Streams that one instance of each type of the endpoint's pool carries.

    Args:
        text: ``"ml.g6.2xlarge: 20, ml.g5.2xlarge: 8"``; a type left out must have been measured (``03_tune``).

    Raises:
        InvalidInput: the text cannot be read, or names a type that is not in the pool.
        NotReady: a type has neither a number nor a measurement.
    """
    return weighted.capacities(wb, weighted.parse_capacities(text))


def compare_forms(
    capacity_by_type: Mapping[str, int], *, max_capacity: int, low: float, high: float, mean_s: float, seed: int = 0
) -> FormComparison:
    """Play every form of a weighted policy on half a simulated day.

    Args:
        capacity_by_type: streams that one instance carries, by type, in the pool's order.
        max_capacity: most instances.
        low, high: streams at the quietest and the busiest hour.
        mean_s: mean length of a stream in seconds.
        seed: of all that is random.
    """
    day = diurnal(low=low, high=high, peak_s=6 * 3600, horizon_s=12 * 3600, mean_s=mean_s, seed=seed)
    outcomes = tuple(pool_forms.compare_forms(day, capacity_by_type, max_capacity=max_capacity))
    best, reason = pool_forms.recommended(outcomes)
    return FormComparison(outcomes, best, reason)


def readings(wb: Workbook, capacity_by_type: Mapping[str, float]) -> pd.DataFrame:
    """What each form reads from CloudWatch now, beside its target: columns ``reads_now`` and ``its_target``."""
    import pandas as pd

    policies = {form: weighted_policy(wb, form, capacity_by_type=capacity_by_type) for form in FORMS}
    columns = {
        "reads_now": {form: weighted.reading(wb, policy) for form, policy in policies.items()},
        "its_target": {form: policy.target_value for form, policy in policies.items()},
    }
    return pd.DataFrame(columns).round(2)
