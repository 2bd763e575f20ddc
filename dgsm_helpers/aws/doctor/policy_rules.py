"""Rules about the registration, the policy and the alarms that AWS keeps for it."""

from collections.abc import Iterator
from datetime import timedelta

from dgsm_helpers.aws.doctor.snapshot import (
    PolicyAlarm,
    Rule,
    RuleAnswer,
    Snapshot,
    followed_metric,
    ok,
    predefined_metric,
    stop,
    unknown,
    warn,
)
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, PolicyState
from dgsm_helpers.aws.watch.metrics import CONCURRENCY, INVOCATION_NAMESPACE

_AAS = "AWS, Application Auto Scaling"
_TRACKING = f"{_AAS}: target tracking policies"
_LOW_FACTORS = (0.5, 1.0)
"""AlarmLow was recorded at 0.9 of the target; AWS publishes no formula, so only what is far off counts as edited."""
_RECORDED = {"high": (">", 3, 10), "low": ("<", 90, 10)}
"""Comparison, datapoints and period in seconds that AWS was seen to give the alarms of the ten-second metric."""
_STATISTICS = ("Average", "Maximum")
"""It is unsettled which of the two AWS takes; no other was seen."""
_SETTLING = timedelta(minutes=5)
_APPLY = "Put the policy again, AWS then makes its alarms anew: register.apply(wb, policy)."


def registered(s: Snapshot) -> RuleAnswer:
    """The variant is a scalable target."""
    if s.target is None:
        other = f"; {', '.join(s.elsewhere)} is" if s.elsewhere else ""
        return stop(f"{s.resource_id} is not registered{other}", "register.register(wb, min_capacity, max_capacity)")
    return ok(f"{s.target.min_capacity} to {s.target.max_capacity} instances")


def policy_applied(s: Snapshot) -> RuleAnswer:
    """Something decides when to scale."""
    if s.policies:
        return ok(", ".join(f"{p.name} ({p.policy_type})" for p in s.policies))
    if s.scheduled:
        return warn(
            f"no scaling policy, only scheduled actions ({', '.join(s.scheduled)}): the count follows the clock, "
            "not the load",
            "Fine when it is meant; else register.apply(wb, policy).",
        )
    return stop(f"{s.resource_id} has no scaling policy", "register.apply(wb, policy)")


def policy_on_this_variant(s: Snapshot) -> RuleAnswer:
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
    return ok(f"{s.resource_id}; also on {listed}, which scales by its own policy")


def policy_metric(s: Snapshot) -> RuleAnswer:
    """The policy follows open streams, every ten seconds."""
    if not s.tracking:
        return _step_metric(s)
    metrics = {p.name: predefined_metric(p) for p in s.tracking}
    if PREDEFINED_METRIC in metrics.values():
        return ok(PREDEFINED_METRIC)
    if "SageMakerVariantInvocationsPerInstance" in metrics.values():
        return stop(
            "InvocationsPerInstance counts a stream once, when it opens: minutes of open streams are invisible to it",
            f"Use {PREDEFINED_METRIC}: register.apply(wb, policy).",
        )
    if others := [name for p in s.tracking if (name := followed_metric(p)) and CONCURRENCY not in name]:
        said = f"the policy follows {' and '.join(others)}, not {CONCURRENCY}"
        return warn(said, f"Streams that are open are {CONCURRENCY} alone: register.apply(wb, policy).")
    return warn(
        "a customized metric: AWS evaluates it per minute, so it reacts in minutes instead of tens of seconds",
        f"Fine for a mixed fleet; else use {PREDEFINED_METRIC}.",
    )


def _step_metric(s: Snapshot) -> RuleAnswer:
    """What the step-scaling policies follow: their alarms say."""
    followed = [alarm for policy in s.stepping for alarm in s.triggers_of(policy)]
    if not followed:
        return unknown("there is no target-tracking policy, and no alarm of another", "See the rule alarms-exist.")
    for alarm in followed:
        if alarm.metric == CONCURRENCY:
            every_s = alarm.state.period_s or 60
            text = f"{alarm.state.name} follows {CONCURRENCY} every {every_s} s"
            return ok(text) if every_s < 60 else warn(text, "With a period of 10 s it reacts minutes earlier.")
    metrics = " and ".join(dict.fromkeys(alarm.metric or "an expression" for alarm in followed))
    if all(alarm.metric in ("InvocationsPerInstance", "Invocations") for alarm in followed):
        return stop(
            f"{metrics} counts a stream once, when it opens: minutes of open streams are invisible to it",
            f"Let the alarm watch {CONCURRENCY}, or apply target tracking: register.apply(wb, policy).",
        )
    return warn(f"the alarms follow {metrics}, not {CONCURRENCY}", f"Streams that are open are {CONCURRENCY} alone.")


def not_suspended(s: Snapshot) -> RuleAnswer:
    """Nobody left scaling suspended."""
    if s.target is None:
        return unknown("the variant is not registered", "register.register(wb)")
    kinds = (
        ("scale-out", s.target.suspension.scale_out),
        ("scale-in", s.target.suspension.scale_in),
        ("scheduled scaling", s.target.suspension.scheduled),
    )
    held = [kind for kind, is_suspended in kinds if is_suspended]
    if not held:
        return ok("nothing is suspended")
    text = f"suspended: {', '.join(held)}"
    return stop(text, "register.resume(wb)") if s.target.suspension.scale_out else warn(text, "register.resume(wb)")


def scale_in_allowed(s: Snapshot) -> RuleAnswer:
    """What was added is taken away again."""
    if not s.policies:
        return unknown(f"{s.resource_id} has no scaling policy", "register.apply(wb, policy)")
    held = [p.name for p in s.tracking if p.configuration.get("DisableScaleIn")]
    shrinking = [p.name for p in s.policies if p.shrinks and (p.tracks or s.triggers_of(p))]
    if shrinking:
        by = f"{', '.join(shrinking)} {'scale' if len(shrinking) > 1 else 'scales'} in"
        return ok(by + (f" ({', '.join(held)} does not)" if held else ""))
    if held:
        return warn(
            f"DisableScaleIn on {', '.join(held)}: instances stay, and bill, once they were added",
            "Apply the policy without it, unless something else scales in.",
        )
    return warn(
        "nothing scales in: no alarm triggers a policy that takes instances away, so that they stay, and bill",
        "Make one that does, or let target tracking do both: register.apply(wb, policy).",
    )


def alarms_exist(s: Snapshot) -> RuleAnswer:
    """The alarms that the policies name are there."""
    if not s.policies:
        return unknown(f"{s.resource_id} has no scaling policy", "register.apply(wb, policy)")
    if untriggered := [p.name for p in s.stepping if not s.triggers_of(p)]:
        return stop(
            f"nothing triggers {' and '.join(untriggered)}: a step-scaling policy acts only by an alarm that has its "
            "ARN among its alarm actions, and these enabled",
            "Make that alarm, or let target tracking make its own: register.apply(wb, policy).",
        )
    problems: list[str] = []
    existing = [alarm.state for alarm in s.alarms.values()]
    for policy in s.tracking:
        problems += policy.missing_alarms(existing)
        if not problems and (sides := policy.missing_sides(existing)):
            problems.append(f"{' and '.join(sides)} alarm of {policy.name}")
    if problems:
        return stop(f"missing: {', '.join(problems)}", _APPLY)
    own = [f"{alarm.state.name} ({alarm.state.state})" for p in s.stepping for alarm in s.triggers_of(p)]
    return ok(", ".join([*(str(alarm.state) for _, alarm in _used(s)), *own]))


def alarms_untouched(s: Snapshot) -> RuleAnswer:
    """Nobody edited them: AWS's document says never to."""
    if not any(_used(s)):
        if any(map(s.alarms_of, s.stepping)):
            return unknown(
                "the alarms of step-scaling policies are their owner's: there is nothing to compare them with",
                "Look at metric, threshold and datapoints yourself.",
            )
        return unknown("the variant's policies have no alarms", "See the rule alarms-exist.")
    edits = [edit for policy, alarm in _used(s) for edit in _edits(s, policy, alarm)]
    dead = [text for text, fatal in edits if fatal]
    if dead:
        return stop("; ".join(text for text, _ in edits), _APPLY)
    if edits:
        return warn("; ".join(text for text, _ in edits), _APPLY)
    return ok("thresholds, metric, datapoints and actions are as the policy makes them")


def alarms_have_data(s: Snapshot) -> RuleAnswer:
    """They can see the metric."""
    seen = [(policy, alarm.state) for policy in s.policies for alarm in s.alarms_of(policy)]
    if not seen:
        return unknown("the variant's policies have no alarms", "See the rule alarms-exist.")
    blind = [(policy, state) for policy, state in seen if state.state == "INSUFFICIENT_DATA"]
    if not blind:
        return ok("no alarm is in INSUFFICIENT_DATA")
    blind_ones = [policy for policy in s.policies if any(policy is other for other, _ in blind)]
    # One that sees some of its metric may still be settling; one that sees nothing never has any.
    sightless = [policy for policy in blind_ones if all((policy, a.state) in blind for a in s.alarms_of(policy))]
    silent = [policy.name for policy in sightless or blind_ones]
    growing = [(policy, state) for policy, state in seen if policy.grows and state.side != "low"]
    grows = [policy.name for policy, state in growing if (policy, state) not in blind]
    sides = list(dict.fromkeys(state.side or state.name for _, state in blind))
    text = f"the {' and '.join(sides)} alarm is in INSUFFICIENT_DATA: no scaling on "
    text += "its side" if len(sides) == 1 else "either side"
    fix = "See the rule metric-present; an alarm watching another metric or name never gets data."
    if len(s.policies) > 1:
        text = f"the alarms of {' and '.join(silent)} are in INSUFFICIENT_DATA"
        if grows:
            text += f"; {' and '.join(dict.fromkeys(grows))} still scales out"
        lows = [p for p, state in blind if p.tracks and p.shrinks and state.side == "low"]
        if held := [p.name for p in lows if p.name in silent]:
            text += f", but scale-in is held by {' and '.join(held)}: AWS scales in when every such policy agrees"
            fix = (
                f"Delete what never has data (DeleteScalingPolicy of {', '.join(held)}), or see that its metric comes."
            )
    updated = max((state.updated for _, state in blind if state.updated), default=None)
    if updated is not None and s.now - updated < _SETTLING:
        return warn(f"{text} (since {updated:%H:%M:%S} UTC, it may still be settling)", "Run this again in minutes.")
    return warn(text, fix) if grows else stop(text, fix)


def activities_succeed(s: Snapshot) -> RuleAnswer:
    """What Application Auto Scaling asks for, SageMaker does."""
    days = s.traffic.window.days
    if not s.failures:
        return ok(f"no scaling activity failed in {days} days")
    time, message = max(s.failures)
    text = f"{len(s.failures)} failed in {days} days, the last at {time:%Y-%m-%d %H:%M} UTC: {message}"
    fix = (
        "Read the activities (04_monitor): without capacity give the pool more types, without quota request more, "
        "and for a container that does not start read monitor.log_tail(wb)."
    )
    if s.last_success is not None and s.last_success > time:
        return warn(f"{text}; one has succeeded since", fix)
    return stop(f"{text}; none has succeeded since", fix)


def _used(s: Snapshot) -> Iterator[tuple[PolicyState, PolicyAlarm]]:
    """(policy, alarm) of the variant's target-tracking policies, as far as they exist."""
    for policy in s.tracking:
        for name in policy.alarm_names:
            if name in s.alarms:
                yield policy, s.alarms[name]


def _edits(s: Snapshot, policy: PolicyState, alarm: PolicyAlarm) -> Iterator[tuple[str, bool]]:
    """What differs from what target tracking makes: (in words, whether scaling stops by it)."""
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
    if predefined_metric(policy) == PREDEFINED_METRIC and side in _RECORDED:
        yield from _metric_edits(s, alarm)
        yield from _rule_edits(alarm.state)


def _metric_edits(s: Snapshot, alarm: PolicyAlarm) -> Iterator[tuple[str, bool]]:
    _, endpoint, _, variant = s.resource_id.split("/")
    followed = (INVOCATION_NAMESPACE, CONCURRENCY, {"EndpointName": endpoint, "VariantName": variant})
    if (alarm.namespace, alarm.metric, dict(alarm.dimensions)) != followed:
        dimensions = ", ".join(f"{k}={v}" for k, v in alarm.dimensions.items())
        watched = f"{alarm.namespace} {alarm.metric}".strip() or "an expression"
        yield f"the {alarm.state.side} alarm watches {watched} of {dimensions or 'nothing'}", True


def _rule_edits(state: AlarmState) -> Iterator[tuple[str, bool]]:
    side, (sign, datapoints, period_s) = state.side, _RECORDED[state.side]
    if not state.comparison.startswith(sign):
        yield f"the {side} alarm compares by {state.comparison} instead of {sign}", True
    if state.statistic not in _STATISTICS:
        yield f"the {side} alarm takes the {state.statistic} (AWS's: {' or '.join(_STATISTICS)})", False
    waits_s = state.datapoints_to_alarm * (state.period_s or 0)
    # Twice: AWS may choose other numbers one day, an edit that matters is further off.
    if not datapoints * period_s / 2 <= waits_s <= datapoints * period_s * 2:
        wait = f"{state.datapoints_to_alarm} × {state.period_s} s"
        yield f"the {side} alarm waits for {wait} (AWS's: {datapoints} × {period_s} s)", False
    if state.missing_data != "missing":
        yield f"the {side} alarm treats missing data as {state.missing_data}", False


_EDIT_SOURCE = f'{_TRACKING}: "do not edit or delete the CloudWatch alarms"'
POLICY_RULES: tuple[Rule, ...] = (
    Rule("registered", registered, f"{_AAS}: scalable targets", ("target",)),
    Rule("policy-applied", policy_applied, _TRACKING, ("policies",)),
    Rule("policy-on-this-variant", policy_on_this_variant, f"{_AAS}: resource ids", ("target", "policies")),
    Rule("policy-metric", policy_metric, f"{_TRACKING}; high-resolution metrics of SageMaker", ("policies", "alarms")),
    Rule("not-suspended", not_suspended, f"{_AAS}: suspending and resuming", ("target",)),
    Rule("scale-in-allowed", scale_in_allowed, _TRACKING, ("policies", "alarms")),
    Rule("alarms-exist", alarms_exist, _EDIT_SOURCE, ("policies", "alarms")),
    Rule("alarms-untouched", alarms_untouched, _EDIT_SOURCE, ("policies", "alarms")),
    Rule("alarms-have-data", alarms_have_data, f"{_TRACKING}: insufficient data", ("policies", "alarms")),
    Rule("activities-succeed", activities_succeed, "AWS, DescribeScalingActivities: StatusCode", ("activities",)),
)
