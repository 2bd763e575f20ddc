"""Rules about the registration, the policy and the alarms that AWS keeps for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from .doctor_snapshot import PolicyAlarm, Snapshot, predefined_metric
from .doctor_verdict import Judged, Rule, ok, stop, unknown, warn
from .metrics import CONCURRENCY
from .scaling_policy import PREDEFINED_METRIC

_AAS = "AWS, Application Auto Scaling"
_TRACKING = f"{_AAS}: target tracking policies"
_LOW_FACTORS = (0.5, 1.0)
"""AlarmLow was recorded at 0.9 of the target; AWS publishes no formula, so only what is far off counts as edited."""
_SETTLING = timedelta(minutes=5)
_APPLY = "Put the policy again, AWS then makes its alarms anew: scaling.apply(wb, policy)."


def registered(s: Snapshot) -> Judged:
    """The variant is a scalable target."""
    if s.target is None:
        other = f"; {', '.join(s.elsewhere)} is" if s.elsewhere else ""
        return stop(f"{s.resource_id} is not registered{other}", "scaling.register(wb, min_capacity, max_capacity)")
    return ok(f"{s.target.min_capacity} to {s.target.max_capacity} instances")


def policy_applied(s: Snapshot) -> Judged:
    """Something decides when to scale."""
    if s.policies:
        return ok(", ".join(f"{p.name} ({p.policy_type})" for p in s.policies))
    return stop(f"{s.resource_id} has no scaling policy", "scaling.apply(wb, policy)")


def policy_on_this_variant(s: Snapshot) -> Judged:
    """Nothing was registered on another variant by mistake."""
    if not s.elsewhere:
        return ok(s.resource_id)
    names = {variant.name for variant in s.endpoint.variants}
    listed = ", ".join(s.elsewhere)
    gone = [r for r in s.elsewhere if r.rpartition("/")[2] not in names]
    if gone or not s.policies:
        why = f"{', '.join(gone)} does not exist" if gone else f"{s.resource_id} has none"
        return stop(
            f"target or policy on {listed}; {why}", "Remove it there, and register and apply on the variant in use."
        )
    return warn(f"also on {listed}", "Each variant scales by its own policy; remove those that you did not mean.")


def policy_metric(s: Snapshot) -> Judged:
    """The policy follows open streams, every ten seconds."""
    if not s.tracking:
        return unknown("there is no target-tracking policy", "scaling.apply(wb, policy)")
    metrics = {p.name: predefined_metric(p) for p in s.tracking}
    if PREDEFINED_METRIC in metrics.values():
        return ok(PREDEFINED_METRIC)
    if "SageMakerVariantInvocationsPerInstance" in metrics.values():
        return stop(
            "InvocationsPerInstance counts a stream once, when it opens: minutes of open streams are invisible to it",
            f"Use {PREDEFINED_METRIC}: scaling.apply(wb, policy).",
        )
    return warn(
        "a customized metric: AWS evaluates it per minute, so it reacts in minutes instead of tens of seconds",
        f"Fine for a mixed fleet; else use {PREDEFINED_METRIC}.",
    )


def not_suspended(s: Snapshot) -> Judged:
    """Nobody left scaling suspended."""
    if s.target is None:
        return unknown("the variant is not registered", "scaling.register(wb)")
    kinds = (
        ("scale-out", s.target.scale_out_suspended),
        ("scale-in", s.target.scale_in_suspended),
        ("scheduled scaling", s.target.scheduled_suspended),
    )
    held = [kind for kind, is_suspended in kinds if is_suspended]
    if not held:
        return ok("nothing is suspended")
    text = f"suspended: {', '.join(held)}"
    return stop(text, "scaling.resume(wb)") if s.target.scale_out_suspended else warn(text, "scaling.resume(wb)")


def scale_in_allowed(s: Snapshot) -> Judged:
    """What was added is taken away again."""
    held = [p.name for p in s.tracking if p.configuration.get("DisableScaleIn")]
    if held:
        return warn(
            f"DisableScaleIn on {', '.join(held)}: instances stay, and bill, once they were added",
            "Apply the policy without it, unless something else scales in.",
        )
    return ok("the policy scales in")


def alarms_exist(s: Snapshot) -> Judged:
    """The alarms that the policies name are there."""
    if not s.tracking:
        return unknown("there is no target-tracking policy", "scaling.apply(wb, policy)")
    problems = []
    for policy in s.tracking:
        problems += [name for name in policy.alarm_names if name not in s.alarms]
        sides = {s.alarms[name].state.side for name in policy.alarm_names if name in s.alarms}
        wanted = {"high"} if policy.configuration.get("DisableScaleIn") else {"high", "low"}
        if not problems and not wanted <= sides:
            problems.append(f"{' and '.join(sorted(wanted - sides))} alarm of {policy.name}")
    if problems:
        return stop(f"missing: {', '.join(problems)}", _APPLY)
    return ok(", ".join(str(alarm.state) for _, alarm in _used(s)))


def alarms_untouched(s: Snapshot) -> Judged:
    """Nobody edited them: AWS's document says never to."""
    edits = [edit for policy, alarm in _used(s) for edit in _edits(s, policy, alarm)]
    dead = [text for text, fatal in edits if fatal]
    if dead:
        return stop("; ".join(text for text, _ in edits), _APPLY)
    if edits:
        return warn("; ".join(text for text, _ in edits), _APPLY)
    return ok("thresholds, metric and actions are as the policy makes them") if s.alarms else unknown("no alarms", "")


def alarms_have_data(s: Snapshot) -> Judged:
    """They can see the metric."""
    blind = [alarm.state for _, alarm in _used(s) if alarm.state.state == "INSUFFICIENT_DATA"]
    if not blind:
        return ok("no alarm is in INSUFFICIENT_DATA") if s.alarms else unknown("no alarms", "")
    sides = " and ".join(alarm.side for alarm in blind)
    text = f"the {sides} alarm is in INSUFFICIENT_DATA: no scaling on {'its' if len(blind) == 1 else 'either'} side"
    updated = max((alarm.updated for alarm in blind if alarm.updated), default=None)
    if updated is not None and s.now - updated < _SETTLING:
        return warn(f"{text} (since {updated:%H:%M:%S} UTC, it may still be settling)", "Run this again in minutes.")
    fix = "See the rule metric-present; an alarm watching another metric or name never gets data."
    return stop(text, fix) if any(alarm.side == "high" for alarm in blind) else warn(text, fix)


def _used(s: Snapshot) -> Iterator[tuple[str, PolicyAlarm]]:
    """(policy name, alarm) of the variant's target-tracking policies, as far as they exist."""
    for policy in s.tracking:
        for name in policy.alarm_names:
            if name in s.alarms:
                yield policy.name, s.alarms[name]


def _edits(s: Snapshot, policy_name: str, alarm: PolicyAlarm) -> Iterator[tuple[str, bool]]:
    """What differs from what target tracking makes: (in words, whether scaling stops by it)."""
    policy = next(p for p in s.tracking if p.name == policy_name)
    side, threshold = alarm.state.side, alarm.state.threshold
    target = float(policy.configuration["TargetValue"])
    if not alarm.actions_enabled:
        yield f"actions of the {side} alarm are disabled", True
    if policy.arn not in alarm.actions:
        yield f"the {side} alarm does not name the policy as its action", True
    if threshold is not None:
        low, high = (factor * target for factor in _LOW_FACTORS)
        if side == "high" and abs(threshold - target) > 1e-6:
            yield f"the high alarm's threshold is {threshold:g}, the TargetValue {target:g}", False
        if side == "low" and not low <= threshold <= high:
            yield f"the low alarm's threshold is {threshold:g}, the TargetValue {target:g}", False
    if predefined_metric(policy) != PREDEFINED_METRIC or not alarm.metric:
        return
    _, endpoint, _, variant = s.resource_id.split("/")
    if alarm.metric != CONCURRENCY or dict(alarm.dimensions) != {"EndpointName": endpoint, "VariantName": variant}:
        where = ", ".join(f"{k}={v}" for k, v in alarm.dimensions.items())
        yield f"the {side} alarm watches {alarm.metric} of {where}", True


_EDIT_SOURCE = f'{_TRACKING}: "do not edit or delete the CloudWatch alarms"'
POLICY_RULES: tuple[Rule, ...] = (
    Rule("registered", registered, f"{_AAS}: scalable targets", ("target",)),
    Rule("policy-applied", policy_applied, _TRACKING, ("policies",)),
    Rule("policy-on-this-variant", policy_on_this_variant, f"{_AAS}: resource ids", ("target", "policies")),
    Rule("policy-metric", policy_metric, f"{_TRACKING}; high-resolution metrics of SageMaker", ("policies",)),
    Rule("not-suspended", not_suspended, f"{_AAS}: suspending and resuming", ("target",)),
    Rule("scale-in-allowed", scale_in_allowed, _TRACKING, ("policies",)),
    Rule("alarms-exist", alarms_exist, _EDIT_SOURCE, ("policies", "alarms")),
    Rule("alarms-untouched", alarms_untouched, _EDIT_SOURCE, ("policies", "alarms")),
    Rule("alarms-have-data", alarms_have_data, f"{_TRACKING}: insufficient data", ("policies", "alarms")),
)
