"""An endpoint held still while it is measured: one instance, no scaling; afterwards it is as it was.

Suspending scaling leaves ``UpdateEndpointWeightsAndCapacities`` free, so the variant is pinned by it. The scalable
target's minimum is lowered to 1 where it is above: putting it back afterwards is a registration, which brings the
count into the bounds whatever is suspended.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.interrupts import unfailing
from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, OnProgress
from dgsm_helpers.aws.scaling import journal, scalable_target
from dgsm_helpers.aws.scaling.held_variant import ALL, Former, HeldVariant
from dgsm_helpers.aws.scaling.journal import Page
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, triple
from dgsm_helpers.errors import MeasurementInvalid, NotFound, NotReady
from dgsm_helpers.session import Workbook


@dataclass
class Pinned:
    """The variant while it has one instance; made by `one_instance`.

    ``instance_type`` is the type of that instance, None when AWS does not say.
    """

    held: HeldVariant
    instance_type: str | None = None

    def check(self) -> None:
        """Make sure that it still is as it was pinned; two free calls.

        Raises:
            MeasurementInvalid: somebody changed capacity or scaling meanwhile, or the endpoint is gone.
        """
        wb = self.held.wb
        changes = self.held.changes(endpoint_state.find(wb), scalable_target.target(wb))
        if changes:
            raise MeasurementInvalid(
                f"While {wb.resource_id} was measured, {'; '.join(changes)}.",
                hint="Measure again while nobody else works on the endpoint.",
            )

    def pin(self, endpoint: EndpointReading, page: Page) -> None:
        """Suspend scaling, lower the minimum, go to one instance; ``page`` is told what was before.

        Raises:
            MeasurementInvalid: it cannot be pinned; somebody else may be changing it.
            NotFound, NotReady: it was deleted meanwhile, or is not ``InService`` after the change.
        """
        held, wb, former = self.held, self.held.wb, self.held.former
        if former.registered:
            lowered = {"MinCapacity": 1} if (former.min_capacity or 1) > 1 else {}
            call(wb, SERVICE, "RegisterScalableTarget", **triple(wb), SuspendedState=ALL.to_request(), **lowered)
            held.say("Scaling is suspended" + (", its minimum lowered to 1." if lowered else "."))
        # Scaling may have begun a change just before it was suspended: that one ends first, and gives the former count.
        state = self._settled()
        variant = state.variant(wb.variant_name)
        held.former = replace(former, desired_instances=variant.desired)
        page.write(asdict(held.former))
        if (variant.running, variant.desired) != (1, 1):
            held.say(f"{wb.resource_id}: from {variant.desired} instances to 1.")
            set_desired(wb, 1)
            state = self._settled()
            # That took minutes: what was read before it may have changed.
            changes = held.changes(state, scalable_target.target(wb))
            if changes:
                raise MeasurementInvalid(
                    f"{wb.resource_id} cannot be pinned to one instance: {'; '.join(changes)}.",
                    hint="Look at the endpoint and its scalable target; somebody else may be changing them.",
                )
        types = state.variant(wb.variant_name).running_types or endpoint.instance_types
        self.instance_type = types[0] if len(types) == 1 else None
        held.complete = True

    def _settled(self) -> EndpointState:
        state = self.held.settle()
        if state is None:
            raise NotFound(f"Endpoint {self.held.wb.endpoint_name!r} was deleted meanwhile.", hint="Deploy it again.")
        if state.status != "InService":
            reason = f" ({state.failure_reason})" if state.failure_reason else ""
            raise NotReady(f"Endpoint {state.name!r} became {state.status}{reason}.", hint="Look at its log.")
        return state


@contextmanager
def one_instance(
    wb: Workbook, *, on_progress: OnProgress | None = None, say: Callable[[str], object] = print
) -> Iterator[Pinned]:
    """Within it the variant has one instance and nothing scales it; afterwards it is as before, whatever happens.

    An error, Ctrl-C, SIGTERM and SIGHUP put it back; after a killed process the next command does (`journal`).

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
    journal.finish(wb, say=say)
    endpoint = EndpointReading(wb)
    variant = endpoint.variant
    if (variant.running, variant.desired) == (1, 1) and variant.running_types:
        endpoint.ready_as_it_is()
    else:
        endpoint.ready()
    require_spend(wb, f"Measuring {wb.resource_id} on one instance", endpoint.running_types, 1)
    former = Former.of(wb, endpoint.state, endpoint.target)
    held = HeldVariant(wb, former, on_progress and unfailing(on_progress), unfailing(say))
    with journal.written(wb, "measurement", endpoint.state, asdict(former), held=held, say=say) as page:
        pinned = Pinned(held)
        pinned.pin(endpoint, page)
        yield pinned
        changes = page.put_back().meanwhile
    if changes:
        raise MeasurementInvalid(
            f"While {wb.resource_id} was measured, {'; '.join(changes)}.",
            hint="That was left as it is. Measure again while nobody else works on the endpoint.",
        )
