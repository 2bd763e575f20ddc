"""What a scaling decision is made from and what it yields: alarms as read, what is remembered, the decision itself.

And the changes of capacity: what a look at the endpoint says of one, and those that bounds ask for by themselves.
All are named tuples: a simulated day makes thousands of them, and frozen dataclasses take two to three times as long.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from dgsm_helpers.rules.alarms import AlarmStateName
from dgsm_helpers.rules.policies import Bounds

Kind = Literal["out", "in", "none", "not_scaled"]
EPSILON_S = 1e-6
"""Times closer than this are the same moment."""
_NEVER: Mapping[str, float] = MappingProxyType({})


class AlarmReading(NamedTuple):
    """An alarm as a policy sees it: its state, since when, and the datapoints it was judged on (oldest first).

    ``acts_in`` are the states among whose actions the policy is. A policy that target tracking made acts in ALARM.
    ``late_s`` is how long after ``since_s``, which is by the datapoints' own time, the state is known.
    """

    name: str
    state: AlarmStateName
    since_s: float
    datapoints: tuple[float, ...] = ()
    acts_in: tuple[AlarmStateName, ...] = ("ALARM",)
    late_s: float = 0.0

    @property
    def triggers(self) -> bool:
        """Whether it can trigger its policy: in a state that does, on data.

        Set to ALARM by hand without data it says nothing about capacity, nor does INSUFFICIENT_DATA.
        """
        return self.state in self.acts_in and bool(self.datapoints)

    @property
    def metric(self) -> float:
        return sum(self.datapoints) / len(self.datapoints)


class PolicySignals(NamedTuple):
    """The alarms of one policy: AlarmHigh and AlarmLow, or a step-scaling policy's only alarm as ``high``.

    None where there is no such alarm, or where the policy is not among its actions.
    """

    high: AlarmReading | None
    low: AlarmReading | None = None


Signals = Mapping[str, PolicySignals]
"""By the policies' keys: the name, and for one of several alarms of a step-scaling policy the alarm's beside it."""


class Change(NamedTuple):
    """A change of capacity that was asked for, with the cooldown that follows it."""

    before: int
    after: int
    started_s: float
    cooldown_s: float = 0.0
    completed_s: float | None = None

    def cooling(self, now_s: float, anchor: Literal["completion", "start"]) -> bool:
        """Whether its cooldown runs, counted from its completion or its start; never before it is completed."""
        if self.completed_s is None:
            return False
        since_s = self.completed_s if anchor == "completion" else self.started_s
        return now_s < since_s + self.cooldown_s - EPSILON_S


class State(NamedTuple):
    """What has to be remembered between decisions.

    ``change`` is our own change in flight, ``busy`` whether the endpoint is updating for whatever reason;
    ``last_out`` and ``last_in`` are completed changes by alarm; ``invoked`` tells when each alarm last triggered its
    policy.
    """

    running: int
    desired: int
    busy: bool = False
    change: Change | None = None
    last_out: Change | None = None
    last_in: Change | None = None
    invoked: Mapping[str, float] = _NEVER


class Decision(NamedTuple):
    """What to do now, and the state to keep.

    ``code`` is AWS's reason of a ``not_scaled`` one; ``note`` says why there is ``none`` although an alarm triggered
    (``cooldown``, ``suspended``, ``disagreement``). ``policy`` and ``alarm`` are names, ``alarm_state`` the state in
    which the alarm triggered; or ``cause`` is set when bounds acted instead.
    """

    kind: Kind
    state: State
    policy: str = ""
    alarm: str = ""
    alarm_state: AlarmStateName = "ALARM"
    cause: str = ""
    code: str = ""
    note: str = ""

    @property
    def capacity(self) -> int:
        """The desired count from now on; a new one when ``kind`` is ``out`` or ``in``."""
        return self.state.desired


def observe_endpoint(state: State, *, running: int, desired: int, busy: bool, now_s: float) -> State:
    """The state after a look at the endpoint (DescribeEndpoint: current count, desired count, whether it is Updating).

    Our change is completed when the endpoint is no longer busy and runs what was asked for; then its cooldown starts.
    A change that ended otherwise has failed and has no cooldown.
    """
    change, last_out, last_in = state.change, state.last_out, state.last_in
    if change and not busy:
        if running == change.after:
            done = change._replace(completed_s=now_s)
            if change.after > change.before:
                last_out = done
            else:
                last_in = done
        change = None
    return state._replace(
        running=running, desired=desired, busy=busy, change=change, last_out=last_out, last_in=last_in
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
    return state._replace(desired=capacity, busy=True, change=change)
