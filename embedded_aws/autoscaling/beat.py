"""Application Auto Scaling's beat: policies decide on their alarms, the fleet is told, activities are kept.

The decision is that of ``rules.target_tracking``, the same pure functions that the planner runs in virtual time. Here
is what surrounds it on the embedded AWS: readings of the alarms, DescribeEndpoint, UpdateEndpointWeightsAndCapacities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dgsm_helpers.rules.activities import ActivityText, activity, finished_activity, scheduled_activity
from dgsm_helpers.rules.alarms import AlarmStateName
from dgsm_helpers.rules.decision import AlarmReading, Decision, PolicySignals, State, observe_endpoint, pull_into_bounds
from dgsm_helpers.rules.policies import Policy
from dgsm_helpers.rules.target_tracking import TargetTracking, decide, known_late_s
from embedded_aws.autoscaling.autoscaling_service import AutoScaling
from embedded_aws.autoscaling.policy_alarms import naming, split_resource, states_for
from embedded_aws.autoscaling.region_scaling import RegionScaling, crossed
from embedded_aws.autoscaling.scaling_records import (
    ActivityRecord,
    PolicyRecord,
    ScheduledActionRecord,
    TargetRecord,
)
from embedded_aws.clock import Failures
from embedded_aws.cloudwatch.alarm_actions import action_line
from embedded_aws.cloudwatch.metric_alarm import AlarmStatus
from embedded_aws.fleet.live_fleet import FleetBusy
from embedded_aws.fleet.variants import EndpointView, VariantView
from embedded_aws.gateway.regions import Regions
from embedded_aws.other.service_quotas import Quotas, limit_exceeded

ACTIVITIES_KEPT = 5_000
"""The newest; AWS keeps six weeks of them, which at a row a minute while at a limit would grow without end."""

_LIMIT_EXCEEDED = "(Service: AmazonSageMaker; Status Code: 400; Error Code: ResourceLimitExceeded)"
"""How AWS ends the reason of an activity that a quota made fail (SageMaker guide, "Describe scaling activities")."""


@dataclass
class _Memory:
    """What is remembered of a scalable target between beats.

    ``change`` is the activity of a change that has not ended, and the capacity it asked for. ``not_scaled`` is the
    alarm of the newest activity and why it did not scale, if it did not: AWS does not say how often it records one
    while nothing changes; here once. ``looked_s`` is when its alarms were last looked at.
    """

    state: State
    looked_s: float
    change: tuple[ActivityRecord, int] | None = None
    not_scaled: tuple[str, str] | None = None


class Autoscaler:
    """The beat of Application Auto Scaling in all regions; ``quotas`` may refuse more instances."""

    def __init__(self, regions: Regions[AutoScaling], quotas: Quotas) -> None:
        self._regions = regions
        self._quotas = quotas
        self._memory: dict[str, _Memory] = {}
        """By the target's ARN."""
        self._failures = Failures()

    def tick(self, now_s: float) -> None:
        """One beat at ``now_s``, after the alarms have been evaluated: every scalable target."""
        for service in self._regions.made():
            scaling = service.state
            with scaling.lock:
                for target in list(scaling.targets.values()):
                    with self._failures.logged(target.resource_id):
                        self._take_turn(scaling, target, now_s)
                del scaling.activities[:-ACTIVITIES_KEPT]

    def _take_turn(self, scaling: RegionScaling, target: TargetRecord, now_s: float) -> None:
        views = scaling.look(target.resource_id)
        if views is None:
            # DeleteEndpoint needs application-autoscaling:DeregisterScalableTarget: it takes the target along.
            scaling.drop_target(target)
            self._memory.pop(target.arn, None)
            return
        endpoint, variant = views
        state = State(running=variant.current_count, desired=variant.desired_count)
        memory = self._memory.setdefault(target.arn, _Memory(state, target.created_s))
        _Turn(scaling, target, memory, endpoint, variant, self._quotas, now_s).take()


@dataclass(frozen=True)
class _Turn:
    """One target's turn in a beat; ``endpoint`` and ``variant`` are as they are seen at its beginning."""

    scaling: RegionScaling
    target: TargetRecord
    memory: _Memory
    endpoint: EndpointView
    variant: VariantView
    quotas: Quotas
    now_s: float

    def take(self) -> None:
        """See what happened, fire what is due, decide, and carry it out."""
        memory, now_s = self.memory, self.now_s
        memory.state = observe_endpoint(
            memory.state,
            running=self.variant.current_count,
            desired=self.variant.desired_count,
            busy=self.endpoint.status != "InService",
            now_s=now_s,
        )
        if memory.change and memory.state.change is None:
            self._finish(*memory.change)
            memory.change = None
        for action in self.scaling.actions.values():
            if action.resource_id == self.target.resource_id and action.next_s is not None and action.next_s <= now_s:
                self._fire(action)
        decision = self._pull()
        if decision.kind == "none" and not decision.note:
            decision = self._decide()
        self._carry_out(decision)

    def _pull(self) -> Decision:
        """Bounds act once they are set, and wait only while the endpoint is busy (AAS guide, "Scaling activities").

        On AWS a count below the minimum stayed there for twelve minutes, without an activity (measured for DynamoDB,
        not for SageMaker): `ScalingModel.bounds_act`. That a change which fails is not tried again is an assumption.
        """
        state = self.memory.state
        if not self.target.bounds_act and self.scaling.model.bounds_act == "when set":
            return Decision(kind="none", state=state)
        decision = pull_into_bounds(state, self.target.bounds, self.now_s)
        self.target.bounds_act = decision.note == "updating"
        return decision

    def _decide(self) -> Decision:
        policies: list[Policy] = []
        signals: dict[str, PolicySignals] = {}
        for record in self.scaling.policies.values():
            if record.resource_id == self.target.resource_id:
                for policy, signal in self._readings(record):
                    policies.append(policy)
                    signals[policy.key] = signal
        self.memory.looked_s = self.now_s
        return decide(self.memory.state, signals, policies, self.target.bounds, self.scaling.model, now_s=self.now_s)

    def _readings(self, policy: PolicyRecord) -> Iterator[tuple[Policy, PolicySignals]]:
        """The policy and its alarms as they are now, a step-scaling one for each of them.

        A policy is invoked through its alarms' actions alone. One that target tracking made and somebody deleted or
        changed so that it no longer does is no reading. That a policy without an AlarmLow then never agrees to a
        scale-in is an assumption: AWS lets in only what all policies are ready for, and says nothing of such a one.
        """
        alarms = self.scaling.alarms
        if not isinstance(policy.rule, TargetTracking):
            for status in naming(policy, alarms.describe()):
                if status.actions_enabled:
                    rule = policy.rule(alarm=status.alarm.spec, alarm_name=status.alarm.name)
                    yield rule, PolicySignals(high=self._reading(status, states_for(policy, status.alarm)))
            return
        late_s = known_late_s(policy.rule, self.scaling.model)
        high, low = (
            self._reading(status, late_s=late_s)
            if status and status.actions_enabled and "ALARM" in states_for(policy, status.alarm)
            else None
            for status in map(alarms.get, policy.alarms)
        )
        yield policy.rule, PolicySignals(high=high, low=low)

    def _reading(
        self, status: AlarmStatus, acts_in: tuple[AlarmStateName, ...] = ("ALARM",), *, late_s: float = 0.0
    ) -> AlarmReading:
        """An alarm now, or as SetAlarmState has set it since the last beat.

        What was set acts at once, although the next evaluation takes it back: the alarm's actions are carried out when
        its state changes, and nothing has to be published and evaluated first.
        """
        since_s = status.transitioned_s
        if rehearsed := self.scaling.alarms.set_by_hand(status.alarm.name, since_s=self.memory.looked_s):
            status, since_s = rehearsed, rehearsed.transitioned_s - self.scaling.model.reaction_overhead_s - late_s
        return AlarmReading(
            name=status.alarm.name,
            state=status.state,
            since_s=since_s,
            datapoints=status.datapoints,
            acts_in=acts_in,
            late_s=late_s,
        )

    def _carry_out(self, decision: Decision) -> None:
        memory, scaling = self.memory, self.scaling
        before, memory.state = memory.state, decision.state
        text = activity(decision, self.target.bounds)
        if text is None:
            return
        capacity = decision.capacity
        if decision.kind == "not_scaled" or capacity is None:
            self._record_not_scaled(text, (decision.alarm, decision.code))
            return
        # Where the call is refused nothing has changed: the alarm's next invocation tries again.
        untouched = before._replace(invoked=decision.state.invoked)
        refusal = self._refusal(capacity)
        if refusal:
            memory.state = untouched
            failed = finished_activity(text, capacity=capacity, failure=f"{refusal} {_LIMIT_EXCEEDED}")
            self._record_not_scaled(failed, (decision.alarm, refusal))
            return
        endpoint_name, variant_name = split_resource(self.target.resource_id)
        try:
            scaling.fleet.set_capacity(scaling.region, endpoint_name, {variant_name: (capacity, None)})
        except FleetBusy:
            # Somebody's update came between the look and the call.
            memory.state = untouched
            self.target.bounds_act = bool(decision.cause)
            return
        memory.not_scaled = None
        memory.change = self._record(text, ended=False), capacity
        if decision.alarm:
            arn = scaling.policies[self.target.resource_id, decision.policy].arn
            scaling.alarms.record_action(decision.alarm, *action_line(arn, at_s=self.now_s))

    def _refusal(self, capacity: int) -> str:
        """Why SageMaker would not take the new capacity; empty when it would."""
        added = capacity - self.variant.desired_count
        if added <= 0:
            return ""
        return limit_exceeded(self.quotas, self.scaling.fleet, self.scaling.region, self.variant.pools, added)

    def _finish(self, record: ActivityRecord, capacity: int) -> None:
        failure = ""
        if self.variant.current_count != capacity:
            failure = self.endpoint.change_failed or "another change of the endpoint came in between"
        record.text = finished_activity(record.text, capacity=capacity, failure=failure)
        record.end_s = self.now_s

    def _fire(self, action: ScheduledActionRecord) -> None:
        action.next_s = action.firing_after(self.now_s)
        if self.target.suspended["ScheduledScalingSuspended"]:
            return
        limits = action.request["ScalableTargetAction"]
        low = limits.get("MinCapacity", self.target.min_capacity)
        high = limits.get("MaxCapacity", self.target.max_capacity)
        if low > high:
            # AWS checks an action's own two bounds when it is made; against the target's other one only now. That it
            # then uses the words of RegisterScalableTarget is an assumption.
            refused = ActivityText(
                description="Setting the capacity limits",
                cause=f"scheduled action name {action.name} was triggered",
                status_code="Failed",
                status_message=crossed(low, high),
            )
            self._record(refused)
            return
        self.target.min_capacity, self.target.max_capacity = low, high
        self.target.bounds_act = True
        self._record(scheduled_activity(action.name, min_capacity=low, max_capacity=high), ended=False)

    def _record_not_scaled(self, text: ActivityText, cause: tuple[str, str]) -> None:
        if self.memory.not_scaled != cause:
            # AWS's examples of what was not scaled have no end.
            self._record(text, ended=not text.not_scaled_reasons)
        self.memory.not_scaled = cause

    def _record(self, text: ActivityText, *, ended: bool = True) -> ActivityRecord:
        record = ActivityRecord(self.target.resource_id, text, self.now_s, self.now_s if ended else None)
        self.scaling.activities.append(record)
        return record
