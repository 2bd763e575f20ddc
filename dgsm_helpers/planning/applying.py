"""A plan and the account: the one that AWS holds, and the chosen one put in: bounds, policy, scheduled actions."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from dgsm_helpers.aws.core.money import require_spend
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal, registration, scalable_target, scaling_setup, scheduled_actions
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import SERVICE
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.aws.scaling.scheduled_actions import ScheduledAction
from dgsm_helpers.aws.scaling.setup_calls import SetupCall
from dgsm_helpers.aws.scaling.step_in_policy import most_cut_of
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.planning.scheduled_bounds import FORECAST_PREFIX, bounds_at, ordinary_bounds, scheduled_changes
from dgsm_helpers.rules.policies import Policy, StepScaling, TargetTracking
from dgsm_helpers.rules.step_in import STEP_IN, step_in
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.engine import check_playable
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import DAY_S, Traffic

SCHEDULED_NAMES = ("peak-minimum", "off-peak-minimum")
"""Names of the scheduled actions that `simulate.scaling_plan.scheduled_minimum` makes."""


@dataclass(frozen=True, kw_only=True)
class PlannedSettings:
    """What a plan is in the account's terms; `str` reads it out before anything is changed."""

    min_capacity: int
    max_capacity: int
    policy: ScalingPolicy
    daily: tuple[ScheduledAction, ...]

    def __str__(self) -> str:
        lines = [f"Bounds {self.min_capacity} to {self.max_capacity} instances", str(self.policy)]
        lines += [f"Scheduled action {a.name}: at least {a.min_capacity} from {a.schedule} UTC" for a in self.daily]
        return "\n".join(lines)


def settings_for(plan: ScalingPlan, *, midnight_utc_s: float = 0.0) -> PlannedSettings:
    """The calls that the plan amounts to.

    Args:
        plan: with one target-tracking policy on the predefined metric, whose scale-ins may be held to so many calls.
        midnight_utc_s: of the traffic that the plan was made for (`Traffic.midnight_utc_s`): its schedule counts from
            the traffic's begin.

    Raises:
        InvalidInput: it is a plan that can only be compared (`ScalingPlan.can_be_applied`).
    """
    if not plan.can_be_applied:
        raise InvalidInput(
            f"Plan {plan.name!r} needs more than one target-tracking policy on the predefined metric.",
            hint="Choose another plan, or make its alarm and policy yourself.",
        )
    tracked, most_cut = plan.tracking, plan.most_cut
    policy = ScalingPolicy(
        target_value=tracked.target_value,
        scale_in_cooldown_s=int(tracked.scale_in_cooldown_s),
        scale_out_cooldown_s=int(tracked.scale_out_cooldown_s),
        disable_scale_in=tracked.disable_scale_in and most_cut is None,
        most_cut=most_cut,
        name=tracked.name,
    )
    # Of a minimum that comes every day, the first firing says when.
    first = {c.name: (c.at_s, c.min_capacity) for c in reversed(plan.schedule) if c.min_capacity is not None}
    daily = []
    for name, (at_s, low) in sorted(first.items(), key=lambda item: item[1]):
        hour, minute = divmod(int((at_s + midnight_utc_s) % DAY_S // 60), 60)
        schedule = f"cron({minute} {hour} * * ? *)"
        daily.append(ScheduledAction(name=name, schedule=schedule, min_capacity=low))
    return PlannedSettings(
        min_capacity=plan.bounds.min_capacity,
        max_capacity=plan.bounds.max_capacity,
        policy=policy,
        daily=tuple(daily),
    )


def bounds_for(wb: Workbook, min_capacity: int | None = None, max_capacity: int | None = None) -> dict[str, int | None]:
    """Bounds to plan within, for `PlanStudy`: those given, else the endpoint's ordinary ones, else the settings'.

    None without any.
    """
    there = scalable_target.target(wb)
    low, high = ordinary_bounds(there, scheduled_actions.listed(wb), wb.now()) if there else wb.bounds
    return {
        "min_capacity": low if min_capacity is None else min_capacity,
        "max_capacity": high if max_capacity is None else max_capacity,
    }


def applied_plans(
    wb: Workbook, traffic: Traffic, instance_type: str, notes: list[str] | None = None
) -> tuple[ScalingPlan, ...]:
    """The plan that the endpoint has now, if it has one that can be played, over the hours that the traffic has.

    ``notes`` are told why a plan that is there cannot.
    """
    begin = wb.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if traffic.begin_s is not None:
        begin = datetime.fromtimestamp(traffic.begin_s, UTC)
    try:
        plan = active_plan(wb, begin=begin, horizon_s=traffic.horizon_s)
        check_playable(traffic, plan)
    except (NotFound, NotReady):
        return ()
    except InvalidInput as error:
        if notes is not None:
            notes.append(f"The applied policies are not compared: {error}")
        return ()
    return (replace(plan, instance_types=(instance_type,)),)


def apply_settings(wb: Workbook, settings: PlannedSettings) -> ScalingState:
    """Register the bounds, apply the policy, put the scheduled actions, and read all of it back: all of it, or nothing.

    The scheduled actions of an earlier plan and of a forecast are taken away, as they would go on setting the minimum.

    Raises:
        SpendNotConfirmed: the bounds allow more instances, and the workbook was opened without ``confirm_spend=True``.
        NotFound, NotReady: no endpoint, or it is not ``InService``.
    """
    journal.finish(wb)
    endpoint, most = EndpointReading(wb), settings.max_capacity
    require_spend(wb, f"Scaling {wb.resource_id} up to {most} instances", endpoint.instance_types, most)
    added = [settings.policy.name, *([] if settings.policy.most_cut is None else [STEP_IN])]
    adds = {"PutScalingPolicy": added, "PutScheduledAction": SCHEDULED_NAMES}
    # A policy that somebody else made is changed under its name: beside it, the one with more instances would win.
    followed = registration.verify(wb).followed
    policy = replace(settings.policy, name=followed.name) if followed else settings.policy
    setup = scaling_setup.of_variant(wb, endpoint, schedule=True)
    former = {"setup": asdict(setup), "adds": adds, "asks": list(map(asdict, _calls(wb, settings, policy)))}
    with journal.written(wb, "plan", endpoint.state, former) as page:
        registration.register(wb, settings.min_capacity, settings.max_capacity)
        for name in (action.name for action in scheduled_actions.listed(wb)):
            ours = name in SCHEDULED_NAMES or name.startswith(FORECAST_PREFIX)
            if ours and name not in {change.name for change in settings.daily}:
                scheduled_actions.remove(wb, name)
        for change in settings.daily:
            scheduled_actions.put(wb, change.name, change.schedule, min_capacity=change.min_capacity)
        # Last, as what it takes away of a policy that spared calls cannot be put back from what is written down.
        registration.apply(wb, policy)
        page.clear()
    return registration.verify(wb, policy, min_capacity=settings.min_capacity, max_capacity=settings.max_capacity)


def _calls(wb: Workbook, settings: PlannedSettings, policy: ScalingPolicy) -> Iterator[SetupCall]:
    """What the settings ask AWS for."""
    on = scalable_target.triple(wb)
    bounds = {"MinCapacity": settings.min_capacity, "MaxCapacity": settings.max_capacity}
    yield SetupCall(SERVICE, "RegisterScalableTarget", {**on, **bounds})
    yield SetupCall(SERVICE, "PutScalingPolicy", registration.tracking_request(wb, policy))
    for daily in settings.daily:
        low = {"ScalableTargetAction": {"MinCapacity": daily.min_capacity}}
        named = {"ScheduledActionName": daily.name, "Schedule": daily.schedule, "Timezone": daily.timezone}
        yield SetupCall(SERVICE, "PutScheduledAction", {**on, **named, **low})


def active_plan(wb: Workbook, *, begin: datetime, horizon_s: float, initial_count: int | None = None) -> ScalingPlan:
    """The plan that AWS holds for the variant now: policies, bounds, scheduled actions, instance types.

    Args:
        begin: when the traffic begins, for the scheduled actions; the bounds are those that hold then.
        horizon_s: length of the traffic.
        initial_count: instances at the begin; the minimum by default.

    Raises:
        NotFound: no endpoint, or the variant is not registered.
        NotReady: it has no policy.
        InvalidInput: a policy whose alarm is the account's own.
    """
    target = scalable_target.require_target(wb)
    policies: list[Policy] = []
    for policy in scalable_target.policies(wb):
        if policy.name == STEP_IN:
            most_cut = most_cut_of(scalable_target.policy_alarms(wb, [policy]))
            policies += [] if most_cut is None else [step_in(most_cut)]
            continue
        if not policy.tracks:
            raise InvalidInput(
                f"Policy {policy.name!r} is of type {policy.policy_type}; only target tracking can be read back.",
                hint="Plan it with rules.policies.StepScaling and its alarm.",
            )
        tracking = TargetTracking.from_configuration(policy.name, policy.configuration)
        # What a metric of the account's own counts is not known, so that it cannot be played as concurrency.
        policies.append(tracking if tracking.metric == "high-resolution" else replace(tracking, metric="metric-math"))
    if not policies:
        raise NotReady(f"{wb.resource_id} has no scaling policy.", hint="Apply one: register.apply(wb).")
    actions = scheduled_actions.listed(wb)
    bounds = bounds_at(begin, target, actions, wb.now())
    return ScalingPlan(
        name=f"as applied to {wb.endpoint_name}",
        policies=tuple(sorted(policies, key=lambda policy: isinstance(policy, StepScaling))),
        bounds=bounds,
        schedule=scheduled_changes(actions, begin, horizon_s),
        instance_types=EndpointReading(wb).instance_types,
        initial_count=None if initial_count is None else bounds.clamp(initial_count),
    )
