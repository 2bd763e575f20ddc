"""Application Auto Scaling's beat: alarms are evaluated, policies decide, the fleet is told, activities are kept.

The decision is ``simulate``'s, the same pure functions that the planner runs in virtual time; here is what surrounds
it on the embedded AWS: readings of the alarms, DescribeEndpoint, UpdateEndpointWeightsAndCapacities.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.activities import ActivityText, activity, alarm_name, finished_activity, scheduled_activity
from dgsm_helpers.rules.decision import AlarmReading, Decision, PolicySignals, State
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.rules.policies import Bounds, ScheduledChange, StepScaling, TargetTracking
from dgsm_helpers.rules.target_tracking import decide, observe_endpoint, pull_into_bounds
from embedded_aws.autoscaling.operations import AutoScaling, next_firing
from embedded_aws.autoscaling.policy_alarms import acting_on, make_policy_alarms, split_resource, stepping, tracking
from embedded_aws.autoscaling.scaling_records import Activity, Policy, Target
from embedded_aws.clock import Clock
from embedded_aws.cloudwatch import cloudwatch_for
from embedded_aws.cloudwatch.alarm import AlarmStatus
from embedded_aws.fleet.live_fleet import Fleet, FleetBusy
from embedded_aws.fleet.variants import EndpointView, VariantView
from embedded_aws.other.service_quotas import Quotas, limit_exceeded

ACTIVITIES_KEPT = 5_000
"""The newest; AWS keeps six weeks of them, which at a row a minute while at a limit would grow without end."""

_LIMIT_EXCEEDED = "(Service: AmazonSageMaker; Status Code: 400; Error Code: ResourceLimitExceeded)"
"""How AWS ends the reason of an activity that a quota made fail (SageMaker guide, "Describe scaling activities")."""


@dataclass
class _Memory:
    """What is remembered of a scalable target between beats.

    ``not_scaled`` is the alarm of the newest activity and why it did not scale, if it did not: AWS does not say how
    often it records one while nothing changes; here once.
    """

    state: State
    running_activity: Activity | None = None
    text: ActivityText | None = None
    not_scaled: tuple[str, str] | None = None


class Autoscaler:
    """Every region's Application Auto Scaling and its beat.

    Args:
        clock: local time.
        fleet: what is scaled.
        quotas: what refuses more instances.
        model: assumptions; the planner's.
    """

    def __init__(self, *, clock: Clock, fleet: Fleet, quotas: Quotas, model: ScalingModel) -> None:
        self._clock = clock
        self._fleet = fleet
        self._quotas = quotas
        self._model = model
        self._lock = threading.Lock()
        self._services: dict[str, AutoScaling] = {}
        self._memory: dict[tuple[str, str], _Memory] = {}

    @property
    def responders(self) -> Mapping[str, Any]:
        """What answers the service's calls, for the gateway."""
        return {"application-autoscaling": self.service}

    def service(self, region: str) -> AutoScaling:
        """The region's service."""
        with self._lock:
            if region not in self._services:
                self._services[region] = AutoScaling(
                    region,
                    now_s=self._clock.now_s,
                    running=self._running,
                    make_alarms=self._make_alarms,
                    delete_alarms=lambda where, names: cloudwatch_for(where).alarms.delete(names),
                )
            return self._services[region]

    def is_registered(self, region: str, resource_id: str) -> bool:
        """Whether the variant is a scalable target."""
        return region in self._services and resource_id in self._services[region].targets

    def tick(self, now_s: float) -> None:
        """One beat at ``now_s``, after the alarms have been evaluated: every scalable target."""
        for service in list(self._services.values()):
            with service.lock:
                for target in list(service.targets.values()):
                    if self._running(service.region, target.resource_id) is None:
                        # DeleteEndpoint needs application-autoscaling:DeregisterScalableTarget: it takes the target
                        # along.
                        service.forget(target)
                    else:
                        self._beat(service, target, now_s)
                del service.activities[:-ACTIVITIES_KEPT]

    def _beat(self, service: AutoScaling, target: Target, now_s: float) -> None:
        endpoint, variant = split_resource(target.resource_id)
        view = self._fleet.view(service.region, endpoint)
        seen = view.variant(variant) if view else None
        if view is None or seen is None:
            return
        memory = self._memory.setdefault(
            (service.region, target.arn),
            _Memory(State(running=seen.current_count, desired=seen.desired_count)),
        )
        memory.state = observe_endpoint(
            memory.state,
            running=seen.current_count,
            desired=seen.desired_count,
            busy=view.status != "InService",
            now_s=now_s,
        )
        if memory.running_activity and memory.state.change is None:
            self._finish(memory, view, seen.current_count, now_s)
        for action in service.actions.values():
            if action.resource_id == target.resource_id and action.next_s is not None and action.next_s <= now_s:
                self._fire(service, target, action, now_s)
        bounds = _bounds(target)
        decision = pull_into_bounds(memory.state, bounds, now_s)
        if decision.kind == "none" and not decision.note:
            policies = [p for p in service.policies.values() if p.resource_id == target.resource_id]
            readings = [r for r in (self._reading(service.region, p) for p in policies) if r is not None]
            decision = decide(
                memory.state,
                {policy.name: signals for policy, signals in readings},
                [policy for policy, _ in readings],
                bounds,
                self._model,
                now_s=now_s,
            )
        self._carry_out(service, target, seen, decision, bounds, now_s=now_s)

    def _carry_out(
        self,
        service: AutoScaling,
        target: Target,
        seen: VariantView,
        decision: Decision,
        bounds: Bounds,
        *,
        now_s: float,
    ) -> None:
        memory = self._memory[service.region, target.arn]
        before, memory.state = memory.state, decision.state
        text = activity(decision, bounds)
        if text is None:
            return
        if decision.kind == "not_scaled":
            self._not_scaled(service, target, text, (decision.alarm, decision.code), now_s)
            return
        endpoint, variant = split_resource(target.resource_id)
        # Where the call is refused nothing has changed: the alarm's next invocation tries again.
        untouched = replace(before, invoked=decision.state.invoked)
        refusal = self._refusal(service.region, seen, decision.capacity)
        if refusal:
            memory.state = untouched
            failed = finished_activity(text, capacity=decision.capacity, failure=f"{refusal} {_LIMIT_EXCEEDED}")
            self._not_scaled(service, target, failed, (decision.alarm, refusal), now_s)
            return
        try:
            self._fleet.set_capacity(service.region, endpoint, {variant: (decision.capacity, None)})
        except FleetBusy:
            # Somebody's update came between the look and the call.
            memory.state = untouched
            return
        record = _record(target, text, now_s)
        memory.not_scaled = None
        memory.running_activity, memory.text = record, text
        service.activities.append(record)
        if decision.alarm:
            arn = service.policies[target.resource_id, decision.policy].arn
            cloudwatch_for(service.region).alarms.record_action(decision.alarm, f"Successfully executed action {arn}")

    def _refusal(self, region: str, seen: VariantView, capacity: int) -> str:
        """Why SageMaker would not take the new capacity; empty when it would."""
        added = capacity - seen.desired_count
        return limit_exceeded(self._quotas, self._fleet, region, seen.pools, added) if added > 0 else ""

    def _not_scaled(
        self, service: AutoScaling, target: Target, text: ActivityText, why: tuple[str, str], now_s: float
    ) -> None:
        memory = self._memory[service.region, target.arn]
        if memory.not_scaled != why:
            service.activities.append(_record(target, text, now_s, ended=True))
        memory.not_scaled = why

    def _finish(self, memory: _Memory, view: EndpointView, running: int, now_s: float) -> None:
        record, text = memory.running_activity, memory.text
        asked = int(record.description.rstrip(".").rsplit(" ", 1)[1])
        failure = "" if running == asked else view.change_failed or "another change of the endpoint came in between"
        done = finished_activity(text, capacity=asked, failure=failure)
        record.status, record.message, record.end_s = done.status_code, done.status_message, now_s
        memory.running_activity = memory.text = None

    def _fire(self, service: AutoScaling, target: Target, action: Any, now_s: float) -> None:
        wanted = action.request["ScalableTargetAction"]
        change = ScheduledChange(
            at_s=action.next_s,
            min_capacity=wanted.get("MinCapacity"),
            max_capacity=wanted.get("MaxCapacity"),
            name=action.name,
        )
        action.next_s = next_firing(action.request, now_s)
        try:
            bounds = _bounds(target).after(change)
        except InvalidInput as error:
            # AWS checks an action's own two bounds when it is made; against the target's other one only now.
            refused = ActivityText(
                description="Setting the capacity limits",
                cause=f"scheduled action name {action.name} was triggered",
                status_code="Failed",
                status_message=str(error),
            )
            service.activities.append(_record(target, refused, now_s, ended=True))
            return
        if bounds.scheduled_suspended:
            return
        target.min_capacity, target.max_capacity = bounds.min_capacity, bounds.max_capacity
        text = scheduled_activity(action.name, bounds)
        service.activities.append(_record(target, text, now_s, ended=True))

    # Alarms

    def _make_alarms(self, region: str, policy: Policy) -> list[str]:
        names = [alarm_name(policy.resource_id, side, str(uuid.uuid4())) for side in ("High", "Low")]
        for alarm in make_policy_alarms(names, policy, self._model):
            cloudwatch_for(region).alarms.put(alarm)
        return names

    def _reading(self, region: str, policy: Policy) -> tuple[TargetTracking | StepScaling, PolicySignals] | None:
        """The policy and its alarms as they are now; None when an alarm it needs is missing."""
        alarms = cloudwatch_for(region).alarms
        if policy.kind == "StepScaling":
            status = acting_on(policy, alarms.describe())
            return status and (stepping(policy, status.alarm.spec), PolicySignals(high=_as_reading(status)))
        high, low = (alarms.get(name) for name in policy.alarms)
        if high is None:
            return None
        return tracking(policy), PolicySignals(high=_as_reading(high), low=_as_reading(low) if low else None)

    def _running(self, region: str, resource_id: str) -> int | None:
        endpoint, variant = split_resource(resource_id)
        view = self._fleet.view(region, endpoint)
        seen = view.variant(variant) if view else None
        return seen.current_count if seen else None


def _record(target: Target, text: ActivityText, now_s: float, *, ended: bool = False) -> Activity:
    return Activity(
        resource_id=target.resource_id,
        description=text.description,
        cause=text.cause,
        start_s=now_s,
        status=text.status_code,
        message=text.status_message,
        end_s=now_s if ended else None,
        not_scaled=tuple(dict(r) for r in text.not_scaled_reasons),
    )


def _as_reading(status: AlarmStatus) -> AlarmReading:
    return AlarmReading(
        name=status.alarm.name, state=status.state, since_s=status.transitioned_s, datapoints=status.datapoints
    )


def _bounds(target: Target) -> Bounds:
    """The target's bounds; the API takes a minimum of 0, but a real-time variant keeps one instance."""
    return Bounds(
        min_capacity=max(1, target.min_capacity),
        max_capacity=max(1, target.max_capacity),
        scaling_in_suspended=target.suspended["DynamicScalingInSuspended"],
        scaling_out_suspended=target.suspended["DynamicScalingOutSuspended"],
        scheduled_suspended=target.suspended["ScheduledScalingSuspended"],
    )
