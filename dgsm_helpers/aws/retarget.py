"""Putting a measured TargetValue into the policy, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import NotReady
from . import scalable, scaling
from .scaling_policy import ScalingPolicy
from .scaling_state import ScalingState

if TYPE_CHECKING:
    from ..session import Workbook


@dataclass(frozen=True)
class Retargeted:
    """The policy with its new TargetValue as AWS holds it; ``former_value`` is None where there was no policy."""

    policy: ScalingPolicy
    former_value: float | None
    state: ScalingState

    def __str__(self) -> str:
        before = "new" if self.former_value is None else f"it was {self.former_value:g}"
        return f"TargetValue of {self.policy.name} is {self.policy.target_value:g} ({before})."


def retarget(wb: Workbook, target_value: float) -> Retargeted:
    """Set the TargetValue of the workbook's policy, keep its cooldowns, and verify.

    A variant that is not registered is registered with the guide's bounds (1 to 4); a missing policy gets the guide's
    other values.

    Raises:
        NotReady: AWS holds something else afterwards, or scaling is suspended; the message says what.
        SpendNotConfirmed: it has to be registered, and the workbook was opened without ``confirm_spend=True``.
    """
    if scalable.target(wb) is None:
        scaling.register(wb)
    held = next((p.configuration for p in scalable.policies(wb) if p.name == wb.policy_name), None)
    policy = ScalingPolicy(target_value=target_value, name=wb.policy_name)
    if held:
        policy = replace(
            policy,
            scale_in_cooldown_s=held.get("ScaleInCooldown", policy.scale_in_cooldown_s),
            scale_out_cooldown_s=held.get("ScaleOutCooldown", policy.scale_out_cooldown_s),
            disable_scale_in=held.get("DisableScaleIn", False),
        )
    scaling.apply(wb, policy)
    state = scaling.verify(wb, policy)
    if not state.ok:
        raise NotReady(
            f"The policy was put, but {'; '.join(state.problems)}", hint="Correct what is named, then apply it again."
        )
    return Retargeted(policy, held.get("TargetValue") if held else None, state)
