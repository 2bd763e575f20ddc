"""Making an endpoint what it was before a command changed it, by what the command has written down.

``former`` holds, by the kind of change: for a measurement, a `Former`; for a suspension, the SuspendedState ``before``
and ``within``; for all others ``setup``, a `Setup`, and for a change of settings (retarget, plan) what it ``adds`` too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.core.calls import call_or_none
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.held_variant import Former, HeldVariant
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, triple
from dgsm_helpers.aws.scaling.setup_calls import Setup, restore_scaling, unregister
from dgsm_helpers.session import Workbook

_TIMEOUT_S = 3600.0
_ADDED = {
    "PutScalingPolicy": ("DeleteScalingPolicy", "PolicyName"),
    "PutScheduledAction": ("DeleteScheduledAction", "ScheduledActionName"),
}
"""How what a change of settings added is removed: by the operation that added it."""


@dataclass(frozen=True)
class PutBack:
    """What an endpoint has again, in words, and what somebody else had changed ``meanwhile``, which was left."""

    restored: tuple[str, ...]
    meanwhile: tuple[str, ...] = ()


def put_back(
    wb: Workbook,
    what: str,
    former: Mapping[str, Any],
    *,
    held: HeldVariant | None = None,
    say: Callable[[str], object],
) -> PutBack:
    """Undo a change of the kind ``what``; may be repeated.

    Args:
        held: of a measurement, by the process that made it; it knows how far it came.

    Raises:
        DgsmError: AWS refused something, or it is not as it was afterwards.
    """
    if what == "measurement":
        return _variant_back(wb, Former.from_json(former), held, say)
    if what == "suspension":
        return _suspension_back(wb, former["before"], former["within"])
    setup = Setup.from_json(former["setup"])
    if "adds" in former:
        return settings_back(wb, setup, former["adds"])
    # An update, a roll-back or a pause: the endpoint may still be in motion.
    if endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=None) is None:
        return PutBack((), ("the endpoint was deleted",))
    return PutBack(restore_scaling(wb, setup))


def _variant_back(wb: Workbook, former: Former, held: HeldVariant | None, say: Callable[[str], object]) -> PutBack:
    if held is None:
        now = Former.of(wb, endpoint_state.status(wb), scalable_target.target(wb))
        if not former.was_held_still(now):
            return PutBack(())
        held = HeldVariant(wb, former, None, say)
    meanwhile = held.put_back()
    return PutBack((str(held.former),), meanwhile)


def _suspension_back(wb: Workbook, before: Mapping[str, bool], within: Mapping[str, bool]) -> PutBack:
    there = scalable_target.target(wb)
    if there is None or there.suspension.to_request() != within:
        return PutBack((), ("somebody changed what is suspended",))
    scalable_target.change(wb, SuspendedState=before)
    return PutBack(("what was suspended",))


def settings_back(wb: Workbook, setup: Setup, added: Mapping[str, list[str]]) -> PutBack:
    """Bounds, policies and scheduled actions of the variant are what they were, and those added go."""
    registered = next((r for r in setup.of("RegisterScalableTarget") if r["ResourceId"] == wb.resource_id), None)
    if registered is None:
        unregister(wb)
        return PutBack(())
    there = scalable_target.target(wb)
    bounds = {key: registered[key] for key in ("MinCapacity", "MaxCapacity")}
    if there is not None and (there.min_capacity, there.max_capacity) != tuple(bounds.values()):
        scalable_target.change(wb, **bounds)
    for put, names in added.items():
        operation, key = _ADDED[put]
        for name in {*names} - {request[key] for request in setup.of(put)}:
            call_or_none(wb, SERVICE, operation, **triple(wb), **{key: name})
    return PutBack(restore_scaling(wb, setup))
