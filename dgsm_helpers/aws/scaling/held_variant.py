"""A variant that is held still for a measurement: what it was before, and making it so again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.endpoint.endpoint_state import MOVING, EndpointState, OnProgress
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, Suspension, Target, triple
from dgsm_helpers.errors import NotReady
from dgsm_helpers.session import Workbook

ALL = Suspension(scale_in=True, scale_out=True, scheduled=True)
"""What is suspended while a variant is measured."""
TIMEOUT_S = 1800.0
"""How long one change of capacity may take, in workbook time; the slowest GPU instance starts in a third of it."""


@dataclass(frozen=True, kw_only=True)
class Former:
    """The variant before it is held still.

    ``min_capacity``, ``max_capacity`` and ``suspension`` are the scalable target's, None when the variant is not
    registered.
    """

    desired_instances: int
    min_capacity: int | None = None
    max_capacity: int | None = None
    suspension: Suspension | None = None

    @classmethod
    def of(cls, wb: Workbook, state: EndpointState, target: Target | None) -> Former:
        """The workbook's variant as AWS has it now. Raises NotFound: the endpoint has no such variant."""
        of_target: dict[str, Any] = {}
        if target is not None:
            bounds = {"min_capacity": target.min_capacity, "max_capacity": target.max_capacity}
            of_target = {**bounds, "suspension": target.suspension}
        return cls(desired_instances=state.variant(wb.variant_name).desired, **of_target)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Former:
        """What ``dataclasses.asdict`` made of one, back from JSON."""
        suspension = content["suspension"]
        return cls(**{**content, "suspension": suspension and Suspension(**suspension)})

    @property
    def registered(self) -> bool:
        """Whether the variant was registered as a scalable target."""
        return self.suspension is not None

    def was_held_still(self, now: Former) -> bool:
        """Whether the variant as it is ``now`` still is what holding it still made of it; nobody put it back since."""
        if self.registered:
            return now.suspension == ALL and now.max_capacity == self.max_capacity
        return not now.registered and now.desired_instances == 1

    def __str__(self) -> str:
        count = f"{self.desired_instances} instance{'s' * (self.desired_instances != 1)}"
        if self.suspension is None:
            return f"{count}, not registered for scaling"
        kinds = [kind for kind, is_suspended in vars(self.suspension).items() if is_suspended]
        state = f"suspended: {', '.join(kinds)}" if kinds else "scaling on"
        return f"{count}, {self.min_capacity} to {self.max_capacity}, {state}"


@dataclass
class HeldVariant:
    """The variant while it is held still.

    ``former`` is what it was before. ``complete`` says that it is known to have come to one instance: what differs from
    that is then somebody else's change.
    """

    wb: Workbook
    former: Former
    on_progress: OnProgress | None
    say: Callable[[str], object]
    complete: bool = False

    def put_back(self, since: datetime) -> tuple[Former, tuple[str, ...]]:
        """Undo what still is as holding it still left it, and verify.

        Returns:
            What it is again: what it was ``since`` then, with the bounds that its scheduled actions would have set.
            And what somebody else has changed meanwhile, in words; that is left as it is.

        Raises:
            NotReady: it is not as it was although nobody else changed it.
            DgsmError: AWS refused a change.
        """
        state, target = self.settle(), scalable_target.target(self.wb)
        # What did not come to be, as holding it still failed half-way, is nobody's change.
        changes = self.changes(state, target) if self.complete or state is None else ()
        due = self._due(since, target)
        wanted = [due]
        scaled_back = state is not None and self._put_capacity_back(state, due)
        if state is not None:
            target = self._put_target_back(target, due)
        if scaled_back:
            state, target = self.settle(), scalable_target.target(self.wb)
            # That took minutes, in which scheduled actions fire again.
            wanted.append(self._due(since, target))
        if not changes:
            self._verify(state, target, wanted)
        return due, changes

    def changes(self, state: EndpointState | None, target: Target | None) -> tuple[str, ...]:
        """In words, what is not as holding it still left it."""
        if state is None:
            return ("the endpoint was deleted",)
        variant, changes = state.variant(self.wb.variant_name), []
        if (variant.desired, variant.running) != (1, 1):
            changes.append(f"somebody asked for {variant.desired} instances ({variant.running} are running)")
        elif state.status != "InService":
            changes.append(f"the endpoint became {state.status}")
        if self.former.registered and target is None:
            changes.append("somebody deregistered the scalable target")
        if target is not None and target.suspension != ALL:
            changes.append(f"somebody {'switched scaling on' if self.former.registered else 'registered it to scale'}")
        return tuple(changes)

    def settle(self) -> EndpointState | None:
        """The endpoint once no change of it is in progress; None when it is gone."""
        state = endpoint_state.find(self.wb)
        if state is None or state.status not in MOVING:
            return state
        return endpoint_state.settle(self.wb, timeout_s=TIMEOUT_S, on_progress=self.on_progress)

    def _due(self, since: datetime, target: Target | None) -> Former:
        """What it was, with the bounds that its scheduled actions would have set by now."""
        former = self.former
        if target is None or former.suspension is None or former.suspension.scheduled:
            return former
        was = replace(target, min_capacity=former.min_capacity or 1, max_capacity=former.max_capacity or 1).bounds
        bounds = scalable_target.scheduled_bounds(self.wb, was, since)
        if bounds == was:
            return former
        low, high = bounds["MinCapacity"], bounds["MaxCapacity"]
        count = min(max(former.desired_instances, low), high)
        return replace(former, desired_instances=count, min_capacity=low, max_capacity=high)

    def _verify(self, state: EndpointState | None, target: Target | None, wanted: Sequence[Former]) -> None:
        if state is None:
            raise NotReady("it was deleted meanwhile.")
        now = Former.of(self.wb, state, target)
        if self.former.suspension not in (None, ALL):
            # Scaling goes on and may already have chosen another count.
            wanted = [replace(one, desired_instances=now.desired_instances) for one in wanted]
        if now not in wanted or state.status != "InService":
            raise NotReady(f"it is {now} and {state.status}.")

    def _put_capacity_back(self, state: EndpointState, due: Former) -> bool:
        """Ask for the count that is due where one instance still is asked for; whether that was necessary."""
        count = due.desired_instances
        if count == 1 or state.variant(self.wb.variant_name).desired != 1:
            return False
        # Before scaling goes on: SageMaker makes one change at a time, and this one is wanted first.
        set_desired(self.wb, count)
        self.say(f"{self.wb.resource_id}: from 1 instance back to {count}.")
        return True

    def _put_target_back(self, target: Target | None, due: Former) -> Target | None:
        """Bounds and suspension, each only where it still is as it was left; the target as it is then."""
        former = self.former
        if former.suspension is None or target is None:
            return target
        left = {"MinCapacity": 1, "MaxCapacity": former.max_capacity or 1}
        wanted = {"MinCapacity": due.min_capacity or 1, "MaxCapacity": due.max_capacity or 1}
        request: dict[str, Any] = {**scalable_target.bounds_back(target.bounds, left, wanted)}
        low, high = (request.get(bound, now) for bound, now in target.bounds.items())
        target = replace(target, min_capacity=low, max_capacity=high)
        if target.suspension == ALL:
            request["SuspendedState"] = former.suspension.to_request()
            target = replace(target, suspension=former.suspension)
        if request:
            call(self.wb, SERVICE, "RegisterScalableTarget", **triple(self.wb), **request)
            self.say("Scaling is as it was.")
        return target
