"""An endpoint held still while it is measured: one instance, no scaling; afterwards it is as it was.

Suspending scaling leaves ``UpdateEndpointWeightsAndCapacities`` free, so the variant is pinned by it. The scalable
target's minimum is lowered to 1 where it is above: putting it back afterwards is a registration, which brings the
count into the bounds whatever is suspended.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.interrupts import put_off, termination_raises
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.capacity import set_desired
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import MOVING, EndpointState, OnProgress
from dgsm_helpers.aws.scaling import scalable_target
from dgsm_helpers.aws.scaling.pin_journal import ALL, Former, journal, left_over
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, triple
from dgsm_helpers.aws.scaling.scaling_answers import Target
from dgsm_helpers.errors import DgsmError, MeasurementInvalid, NotFound, NotReady
from dgsm_helpers.session import Workbook
from dgsm_helpers.state import Record

TIMEOUT_S = 1800.0
"""How long one change of capacity may take, in workbook time; the slowest GPU instance starts in a third of it."""


@dataclass
class Pinned:
    """The variant while it is held still; made by `one_instance`.

    ``former`` is what it was before; ``instance_type`` the type of its one instance, None when AWS does not say.
    """

    wb: Workbook
    record: Record
    former: Former
    on_progress: OnProgress | None
    say: Callable[[str], object]
    instance_type: str | None = None
    _complete: bool = False

    def check(self) -> None:
        """Make sure that it still is as it was pinned; two free calls.

        Raises:
            MeasurementInvalid: somebody changed capacity or scaling meanwhile, or the endpoint is gone.
        """
        changes = self._changes(endpoint_state.find(self.wb), scalable_target.target(self.wb))
        if changes:
            raise MeasurementInvalid(
                f"While {self.wb.resource_id} was measured, {'; '.join(changes)}.",
                hint="Measure again while nobody else works on the endpoint.",
            )

    def pin(self, endpoint: EndpointReading, *, cut_off: bool) -> None:
        """Suspend scaling, lower the minimum, go to one instance.

        Args:
            endpoint: as it was read just before; ``former`` is taken from it.
            cut_off: ``former`` is of an earlier measurement that was cut off.

        Raises:
            MeasurementInvalid: it cannot be pinned; somebody else may be changing it.
            NotFound, NotReady: it was deleted meanwhile, or is not ``InService`` after the change.
        """
        wb, former = self.wb, self.former
        if former.registered:
            lowered = {"MinCapacity": 1} if (former.min_capacity or 1) > 1 else {}
            call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), SuspendedState=ALL.to_request(), **lowered)
            self.say("Scaling is suspended" + (", its minimum lowered to 1." if lowered else "."))
        # Scaling may have begun a change just before it was suspended: that one ends first, and gives the former count.
        state = self._settled()
        variant = state.variant(wb.variant_name)
        if not cut_off:
            self.former = replace(former, desired_instances=variant.desired)
            self.record.write(asdict(self.former))
        if (variant.running, variant.desired) != (1, 1):
            self.say(f"{wb.resource_id}: from {variant.desired} instances to 1.")
            set_desired(self.wb, 1)
            state = self._settled()
            # That took minutes: what was read before it may have changed.
            changes = self._changes(state, scalable_target.target(wb))
            if changes:
                raise MeasurementInvalid(
                    f"{wb.resource_id} cannot be pinned to one instance: {'; '.join(changes)}.",
                    hint="Look at the endpoint and its scalable target; somebody else may be changing them.",
                )
        types = state.variant(wb.variant_name).running_types or endpoint.instance_types
        self.instance_type = types[0] if len(types) == 1 else None
        self._complete = True

    def unpin(self) -> list[str]:
        """Undo the pinning as far as it is still in place, and verify.

        Returns:
            What somebody else has changed meanwhile; that is left as it is.

        Raises:
            NotReady: it could not be put back, or is not as it was although nobody else changed it.
        """
        wb = self.wb
        try:
            with put_off(self.say):
                state, target = self._settle(), scalable_target.target(wb)
                # What a pinning that failed half-way did not come to is nobody's change.
                changes = self._changes(state, target) if self._complete or state is None else []
                scaled_back = state is not None and self._put_capacity_back(state)
                if state is not None:
                    target = self._put_target_back(target)
            if scaled_back:
                state, target = self._settle(), scalable_target.target(wb)
            if not changes:
                self._verify(state, target)
        except DgsmError as error:
            raise NotReady(
                f"{wb.resource_id} could not be put back as it was ({self.former}): {error.message}",
                hint="unpin_endpoint(wb) tries again.",
            ) from error
        self.record.clear()
        return changes

    def _verify(self, state: EndpointState | None, target: Target | None) -> None:
        if state is None:
            raise NotReady("it was deleted meanwhile.")
        former, now = self.former, Former.of(self.wb, state, target)
        if former.suspension not in (None, ALL):
            # Scaling goes on and may already have chosen another count.
            now = replace(now, desired_instances=former.desired_instances)
        if now != former or state.status != "InService":
            raise NotReady(f"it is {now} and {state.status}.")

    def _put_capacity_back(self, state: EndpointState) -> bool:
        """Ask for the former count where the pinning still holds; whether that was necessary."""
        count = self.former.desired_instances
        if count == 1 or state.variant(self.wb.variant_name).desired != 1:
            return False
        # Before scaling goes on: SageMaker makes one change at a time, and this one is wanted first.
        set_desired(self.wb, count)
        self.say(f"{self.wb.resource_id}: from 1 instance back to {count}.")
        return True

    def _put_target_back(self, target: Target | None) -> Target | None:
        """Bounds and suspension, each only where it still is what the pinning made it; the target as it is then."""
        former = self.former
        if former.suspension is None or target is None:
            return target
        low = former.min_capacity or 1
        request: dict[str, Any] = {}
        if low > target.min_capacity == 1 and target.max_capacity >= low:
            request["MinCapacity"] = low
            target = replace(target, min_capacity=low)
        if target.suspension == ALL:
            request["SuspendedState"] = former.suspension.to_request()
            target = replace(target, suspension=former.suspension)
        if request:
            call(self.wb, SERVICE, "RegisterScalableTarget", **triple(self.wb), **request)
            self.say("Scaling is as it was.")
        return target

    def _changes(self, state: EndpointState | None, target: Target | None) -> list[str]:
        """In words, what is not as the pinning left it."""
        if state is None:
            return ["the endpoint was deleted"]
        variant, changes = state.variant(self.wb.variant_name), []
        if (variant.desired, variant.running) != (1, 1):
            changes.append(f"somebody asked for {variant.desired} instances ({variant.running} are running)")
        elif state.status != "InService":
            changes.append(f"the endpoint became {state.status}")
        if self.former.registered and target is None:
            changes.append("somebody deregistered the scalable target")
        if target is not None and target.suspension != ALL:
            changes.append(f"somebody {'switched scaling on' if self.former.registered else 'registered it to scale'}")
        return changes

    def _settle(self) -> EndpointState | None:
        state = endpoint_state.find(self.wb)
        if state is None or state.status not in MOVING:
            return state
        return endpoint_state.settle(self.wb, timeout_s=TIMEOUT_S, on_progress=self.on_progress)

    def _settled(self) -> EndpointState:
        state = self._settle()
        if state is None:
            raise NotFound(f"Endpoint {self.wb.endpoint_name!r} was deleted meanwhile.", hint="Deploy it again.")
        if state.status != "InService":
            reason = f" ({state.failure_reason})" if state.failure_reason else ""
            raise NotReady(f"Endpoint {state.name!r} became {state.status}{reason}.", hint="Look at its log.")
        return state


@contextmanager
def one_instance(
    wb: Workbook, *, on_progress: OnProgress | None = None, say: Callable[[str], object] = print
) -> Iterator[Pinned]:
    """Within it the variant has one instance and nothing scales it; afterwards it is as before, whatever happens.

    An error, Ctrl-C and SIGTERM put it back; after a killed process the next call does, or `unpin_endpoint`.

    Args:
        on_progress: called while capacity changes, about every 10 s of workbook time.
        say: told in a sentence each what is changed and put back.

    Raises:
        NotFound, NotReady: no such endpoint or variant, its config was deleted, it is not InService, or it is being
            measured already.
        UnsupportedFeature: it is of a kind that has no instances of its own.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
        MeasurementInvalid: it cannot be pinned to one instance, or somebody changed it meanwhile (on leaving; what is
            theirs stays).
        NotReady: on leaving, it could not be put back; says what it was.
    """
    endpoint = EndpointReading(wb)
    variant = endpoint.variant
    if (variant.running, variant.desired) == (1, 1) and variant.running_types:
        endpoint.ready_as_it_is()
    else:
        endpoint.ready()
    require_spend(wb, f"Measuring {wb.resource_id} on one instance", endpoint.running_types, 1)
    with termination_raises(), journal(wb) as record:
        now = Former.of(wb, endpoint.state, endpoint.target)
        cut_off = left_over(record, now)
        if cut_off:
            say("A former measurement was cut off: what it changed is put back after this one.")
        pinned = Pinned(wb, record, cut_off or now, on_progress, say)
        record.write(asdict(pinned.former))
        try:
            pinned.pin(endpoint, cut_off=cut_off is not None)
            yield pinned
        except BaseException as error:
            for change in pinned.unpin():
                error.add_note(f"Meanwhile {change}.")
            raise
        changes = pinned.unpin()
    if changes:
        raise MeasurementInvalid(
            f"While {wb.resource_id} was measured, {'; '.join(changes)}.",
            hint="That was left as it is. Measure again while nobody else works on the endpoint.",
        )


def unpin_endpoint(
    wb: Workbook, *, on_progress: OnProgress | None = None, say: Callable[[str], object] = print
) -> Former | None:
    """Put back what a measurement that was cut off (a killed process) has changed.

    Returns:
        What the variant is again; None when nothing was left over.

    Raises:
        NotFound: there is no such endpoint any more.
        NotReady: it is being measured right now, or it could not be put back.
    """
    with journal(wb) as record:
        endpoint = EndpointReading(wb)
        former = left_over(record, Former.of(wb, endpoint.state, endpoint.target))
        if former is not None:
            Pinned(wb, record, former, on_progress, say).unpin()
    return former
