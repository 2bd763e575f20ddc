"""Rules that hold target, bounds and cooldowns against measured capacity and the traffic seen."""

from math import ceil

from dgsm_helpers.aws.doctor.snapshot import Rule, RuleAnswer, Snapshot, ok, stop, unknown, warn
from dgsm_helpers.rules.guide import GUIDE_HIGH

_LONG_SCALE_OUT_COOLDOWN_S = 300
_MEASURE = "Measure it: 03_tune, or dgsm tune."
_REGISTER = "register.register(wb), register.apply(wb, policy)"
_NO_TARGET = "no target-tracking policy on concurrent requests"
_GUIDE = "Deepgram, auto-scaling-sagemaker-streaming"


def evidence_fits(s: Snapshot) -> RuleAnswer:
    """Capacity was measured, and on what runs now."""
    if s.evidence is None:
        return unknown("no capacity has been measured for this endpoint", _MEASURE)
    taken, knee = s.evidence["fingerprint"], s.knee
    upper = s.evidence["infeasible_min"]
    result = f"{knee} streams per instance ({f'{upper} fail' if upper else 'its end was not reached'}), "
    result += f"measured {s.evidence['measured_at'][:10]} on {taken['instance_type']}"
    stale = []
    if s.model_package_arn and taken["model_package_arn"] != s.model_package_arn:
        stale.append(f"of {taken['model_package_arn'].rpartition('model-package/')[2]}")
    if taken["instance_type"] not in s.variant.instance_types:
        stale.append(f"on {taken['instance_type']}, which is not in the pool")
    if taken["region"] != s.region:
        stale.append(f"in {taken['region']}")
    if stale:
        return warn(f"{result}; that is {' and '.join(stale)}", f"It may not hold here. {_MEASURE}")
    others = [t for t in s.variant.instance_types if t != taken["instance_type"]]
    return ok(result + (f"; not measured on {', '.join(others)}" if others else ""))


def engine_agrees(s: Snapshot) -> RuleAnswer:
    """The engine's own estimate, a second witness, is near what was measured."""
    engine, knee = s.engine, s.knee
    if engine is None or engine.capacity is None:
        # No fault of the endpoint's: the measured knee stands without it.
        return ok(f"no second witness: {f'{engine.why_not}. {engine.fix}'.rstrip(' .') if engine else 'not asked'}")
    if knee is None:
        return unknown(f"the engine estimates {engine.capacity:g} streams; no capacity was measured", _MEASURE)
    said = f"the engine estimates {engine.capacity:g} streams, {knee} were measured"
    if engine.capacity < knee:
        return ok(f"{said}; its estimate grows with the load up to its limit")
    if engine.disagrees(knee):
        return warn(said, f"{_MEASURE} If they still differ, ask Deepgram.")
    return ok(said)


def target_below_knee(s: Snapshot) -> RuleAnswer:
    """Scaling starts before an instance is overloaded."""
    target, knee = s.target_value, s.knee
    if target is None:
        return unknown(_NO_TARGET, "register.apply(wb, policy)")
    if knee is None:
        return unknown(f"TargetValue {target:g}, and no capacity measured to compare it with", _MEASURE)
    fix = f"Apply a target of at most {GUIDE_HIGH * knee:.1f}: register.apply(wb, ScalingPolicy(target_value=…))."
    if target > knee:
        return stop(f"TargetValue {target:g} is above the {knee} streams that one instance sustains", fix)
    if target > GUIDE_HIGH * knee:
        return warn(f"TargetValue {target:g} is {target / knee:.0%} of the {knee} streams one instance sustains", fix)
    return ok(f"TargetValue {target:g} is {target / knee:.0%} of {knee} streams")


def target_at_least_one(s: Snapshot) -> RuleAnswer:
    """A single stream does not drive the fleet to its maximum."""
    if s.target_value is None:
        return unknown(_NO_TARGET, "register.apply(wb, policy)")
    if s.target_value < 1:
        return stop(
            f"TargetValue {s.target_value:g} is below one request: any single stream scales out up to the maximum",
            "TargetValue counts concurrent requests per instance (it is no share): apply 1 or more.",
        )
    return ok(f"TargetValue {s.target_value:g}")


def max_covers_peak(s: Snapshot) -> RuleAnswer:
    """The maximum is enough for the most streams at once."""
    if s.target is None or s.target_value is None:
        return unknown("the variant is not registered" if s.target is None else _NO_TARGET, _REGISTER)
    peak, seen = _peak(s)
    if peak is None:
        return unknown(f"{_unseen(s)} and no peak given", "Give Expected(peak_streams=…) or --peak-streams.")
    most, target = s.target.max_capacity, s.target_value
    need = max(ceil(peak / target - 1e-9), 1)
    raised = f"Raise the maximum to at least {need}: register.register(wb, {s.target.min_capacity}, {need})."
    if s.knee is not None and peak > most * s.knee:
        return stop(f"{seen}; {most} instances sustain {most * s.knee}", raised)
    if need > most:
        return warn(f"{seen} need {need} instances at TargetValue {target:g}; the maximum is {most}", raised)
    if s.at_max:
        times = f"{len(s.at_max)} time{'s' * (len(s.at_max) > 1)}, last at {max(s.at_max):%Y-%m-%d %H:%M} UTC"
        return warn(
            f"AWS did not scale out because the maximum of {most} was reached: {times}",
            f"Raise the maximum: register.register(wb, {s.target.min_capacity}, {most + 1}) or more.",
        )
    return ok(f"{seen} need {need} of {most} instances")


def min_covers_bursts(s: Snapshot) -> RuleAnswer:
    """The minimum takes what arrives until new instances serve."""
    if s.target is None or s.target_value is None:
        return unknown("the variant is not registered" if s.target is None else _NO_TARGET, _REGISTER)
    lag_s, per_min = s.reaction_s, s.expected.growth_per_min
    grown = s.traffic.growth(lag_s) if per_min is None else per_min / 60 * lag_s
    if per_min is None and not s.traffic.streams:
        return unknown(f"{_unseen(s)} and no growth given", "Give Expected(growth_per_min=…) or --growth-per-min.")
    rise = f"{grown:.0f} streams more within the {lag_s:.0f} s until a new instance serves"
    if s.knee is None:
        return unknown(f"{rise}; what the minimum sustains is not measured", _MEASURE)
    least = s.target.min_capacity
    room = least * (s.knee - s.target_value)
    if grown <= room + 1e-9:
        return ok(f"{rise}; {least} at the target have room for {max(room, 0):.0f}")
    spare = s.knee - s.target_value
    need = ceil(grown / spare - 1e-9) if spare > 0 else 0
    raised = f"Raise the minimum to {need} (a scheduled action does it for the hours that need it)"
    return warn(
        f"{rise}; {least} at the target {'have' if least > 1 else 'has'} room for {max(room, 0):.0f}",
        f"{raised}, or lower TargetValue, which leaves more room on each." if need else "Lower TargetValue first.",
    )


def bounds_hold_running(s: Snapshot) -> RuleAnswer:
    """What runs is within the registered bounds."""
    if s.target is None:
        return unknown("the variant is not registered", "register.register(wb)")
    least, most, running = s.target.min_capacity, s.target.max_capacity, s.running
    if least <= running <= most:
        return ok(f"{running} running, bounds {least} to {most}")
    if running < least:
        return warn(
            f"{running} running, bounds {least} to {most}: the missing are asked for, as far as AWS has them",
            "Wait for them; where they do not come, the rules activities-succeed and quota say why.",
        )
    return warn(
        f"{running} running, bounds {least} to {most}: AWS takes the surplus away, and its streams with it",
        "Register bounds that hold what runs: register.register(wb, …).",
    )


def bounds_leave_room(s: Snapshot) -> RuleAnswer:
    """There is something to scale."""
    if s.target is None:
        return unknown("the variant is not registered", "register.register(wb)")
    if s.target.min_capacity == s.target.max_capacity:
        return warn(f"min and max are both {s.target.min_capacity}: the policy has nothing to scale", "Raise max.")
    return ok(f"{s.target.min_capacity} to {s.target.max_capacity}")


def cooldowns(s: Snapshot) -> RuleAnswer:
    """Scale-in waits as long as a stream lasts, scale-out does not wait long."""
    if not s.concurrency_policies:
        return unknown(_NO_TARGET, "register.apply(wb, policy)")
    held = s.concurrency_policies[0].configuration
    out_s, in_s = held.get("ScaleOutCooldown", 300), held.get("ScaleInCooldown", 300)
    text = f"out {out_s} s, in {in_s} s"
    if out_s > _LONG_SCALE_OUT_COOLDOWN_S:
        return warn(f"{text}: a second scale-out waits long in a rise", "Use 60 s for scale-out (the guide's).")
    length_s = s.expected.stream_s or s.traffic.stream_s
    if length_s is None:
        return unknown(f"{text}; {_unseen(s)} to compare with", "Give Expected(stream_s=…) or --stream-seconds.")
    if in_s < length_s and not held.get("DisableScaleIn"):
        return warn(
            f"{text}, but a stream lasts {length_s:.0f} s on average: the next instance goes before streams moved",
            f"Use a scale-in cooldown of at least {ceil(length_s / 60) * 60} s (streams end when their instance does).",
        )
    return ok(f"{text}; a stream lasts {length_s:.0f} s on average")


def _unseen(s: Snapshot) -> str:
    """Why there is no traffic to judge by."""
    return "no traffic to be read" if "metrics" in s.unread else "no traffic seen"


def _peak(s: Snapshot) -> tuple[float | None, str]:
    if s.expected.peak_streams is not None:
        return s.expected.peak_streams, f"{s.expected.peak_streams:g} streams at once (given)"
    if s.traffic.peak is None:
        return None, ""
    return s.traffic.peak[1], f"{s.traffic.peak[1]:.0f} streams at once (most in {s.traffic.window.days} days)"


CAPACITY_RULES: tuple[Rule, ...] = (
    Rule(
        "evidence-fits",
        evidence_fits,
        "measured capacity holds for its model, type and region only",
        ("evidence", "config", "model"),
    ),
    Rule(
        "engine-agrees",
        engine_agrees,
        "Deepgram, prometheus-otel-sagemaker: engine_estimated_stream_capacity",
        ("engine", "evidence"),
    ),
    Rule("target-below-knee", target_below_knee, f"{_GUIDE}: 70–80 % of the measured limit", ("policies",)),
    Rule("target-at-least-one", target_at_least_one, f"{_GUIDE}: TargetValue is in requests", ("policies",)),
    Rule(
        "max-covers-peak",
        max_covers_peak,
        "AWS, DescribeScalingActivities: AlreadyAtMaxCapacity",
        ("target", "policies"),
    ),
    Rule(
        "min-covers-bursts", min_covers_bursts, "n × (knee − target) ≥ growth × reaction time", ("target", "policies")
    ),
    Rule("bounds-hold-running", bounds_hold_running, "AWS, RegisterScalableTarget", ("target",)),
    Rule("bounds-leave-room", bounds_leave_room, "AWS, RegisterScalableTarget", ("target",)),
    Rule("cooldowns", cooldowns, f"{_GUIDE}: cooldowns", ("policies",)),
)
