"""Changes of capacity: what a look at the endpoint says of one, and those that bounds ask for by themselves."""

import dataclasses

from dgsm_helpers.rules.decision import Change, Decision, State
from dgsm_helpers.rules.policies import Bounds


def observe_endpoint(state: State, *, running: int, desired: int, busy: bool, now_s: float) -> State:
    """The state after a look at the endpoint (DescribeEndpoint: current count, desired count, whether it is Updating).

    Our change is completed when the endpoint is no longer busy and runs what was asked for; then its cooldown starts.
    A change that ended otherwise has failed and has no cooldown.
    """
    change, last_out, last_in = state.change, state.last_out, state.last_in
    if change and not busy:
        if running == change.after:
            done = dataclasses.replace(change, completed_s=now_s)
            if change.after > change.before:
                last_out = done
            else:
                last_in = done
        change = None
    return dataclasses.replace(
        state, running=running, desired=desired, busy=busy, change=change, last_out=last_out, last_in=last_in
    )


def pull_into_bounds(state: State, bounds: Bounds, now_s: float, *, cause: str = "") -> Decision:
    """Bring the desired count into the bounds, as a registration or a scheduled action does: at once, without cooldown.

    While the endpoint is busy it waits (``note`` says so): call it again at the next beat. ``cause`` replaces AWS's
    text ``minimum capacity was set to N``.
    """
    capacity = bounds.clamp(state.desired)
    if capacity == state.desired:
        return Decision(kind="none", state=state)
    if state.busy:
        return Decision(kind="none", state=state, note="updating")
    side = "minimum" if capacity > state.desired else "maximum"
    return Decision(
        kind="out" if capacity > state.desired else "in",
        state=changing(state, capacity, 0.0, now_s),
        cause=cause or f"{side} capacity was set to {capacity}",
    )


def changing(state: State, capacity: int, cooldown_s: float, now_s: float) -> State:
    change = Change(before=state.running, after=capacity, started_s=now_s, cooldown_s=cooldown_s)
    return dataclasses.replace(state, desired=capacity, busy=True, change=change)
