"""Scaling activities in AWS's words: what DescribeScalingActivities says of a decision.

Source: AAS guide, "Scaling activities for Application Auto Scaling" and its examples; SageMaker's words from an
activity log pasted in public. ``activity`` gives the texts when a decision is made, ``finished_activity`` when its
change has ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.rules.decision import Decision
from dgsm_helpers.rules.policies import Bounds


@dataclass(frozen=True, kw_only=True)
class ActivityText:
    """Texts and codes of one activity; ``not_scaled_reasons`` is as the API shapes it."""

    description: str
    cause: str
    status_code: str
    status_message: str = ""
    not_scaled_reasons: tuple[Mapping[str, Any], ...] = ()


def alarm_name(resource_id: str, side: str, uuid: str) -> str:
    """Name of a target-tracking policy's alarm; ``side`` is ``High`` or ``Low``.

    ``resource_id`` is ``endpoint/NAME/variant/VARIANT``.
    """
    return f"TargetTracking-{resource_id}-Alarm{side}-{uuid}"


def activity(decision: Decision, bounds: Bounds) -> ActivityText | None:
    """The activity that AWS records for a decision when it is made, None when it records nothing.

    One that is not scaled is shown on request only (IncludeNotScaledActivities).
    """
    triggered = f"monitor alarm {decision.alarm} in state {decision.alarm_state} triggered policy {decision.policy}"
    cause = decision.cause or triggered
    if decision.kind in ("out", "in"):
        return ActivityText(
            description=f"Setting desired instance count to {decision.capacity}.",
            cause=cause,
            status_code="InProgress",
            status_message=f"Successfully set desired instance count to {decision.capacity}. "
            "Waiting for change to be fulfilled by sagemaker.",
        )
    if decision.kind == "not_scaled":
        return ActivityText(
            description="Attempting to scale due to alarm triggered",
            cause=cause,
            status_code="Failed",
            not_scaled_reasons=(_reason(decision, bounds),),
        )
    return None


def finished_activity(text: ActivityText, *, capacity: int, failure: str = "") -> ActivityText:
    """The same activity after its change has ended; ``failure`` is the reason if it could not be fulfilled."""
    done = f"Successfully set desired instance count to {capacity}. Change successfully fulfilled by sagemaker."
    failed = f"Failed to set desired instance count to {capacity}. Reason: {failure}"
    return replace(text, status_code="Failed" if failure else "Successful", status_message=failed if failure else done)


def scheduled_activity(name: str, *, min_capacity: int, max_capacity: int) -> ActivityText:
    limits = f"min capacity to {min_capacity} and max capacity to {max_capacity}"
    return ActivityText(
        description=f"Setting {limits}",
        cause=f"scheduled action name {name} was triggered",
        status_code="Successful",
        status_message=f"Successfully set {limits}",
    )


def _reason(decision: Decision, bounds: Bounds) -> Mapping[str, Any]:
    limits = {
        "AlreadyAtMaxCapacity": {"MaxCapacity": bounds.max_capacity},
        "AlreadyAtMinCapacity": {"MinCapacity": bounds.min_capacity},
    }
    return {"Code": decision.code, **limits.get(decision.code, {"CurrentCapacity": decision.capacity})}
