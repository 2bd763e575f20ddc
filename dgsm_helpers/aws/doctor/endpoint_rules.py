"""Rules about the endpoint itself: its state, its instances, what it publishes and what it costs."""

from datetime import timedelta

from dgsm_helpers.aws.doctor.snapshot import Rule, RuleAnswer, Snapshot, ok, stop, unknown, warn
from dgsm_helpers.aws.endpoint.deployment_plan import INFERENCE_AMI
from dgsm_helpers.aws.endpoint.endpoint_kind import ELSEWHERE
from dgsm_helpers.families import family_of

IDLE_AFTER = timedelta(days=2)
_LOST = "SageMaker replaces what was lost; monitor.log_tail(wb) says why, if the container wrote it."
_DEPLOY_PAGE = "Deepgram, deploy-amazon-sagemaker"
_AWS_POOLS = "AWS, SageMaker instance pools"


def endpoint_kind(s: Snapshot) -> RuleAnswer:
    """It is of a kind that these rules know, whole, and nothing else takes part."""
    if not s.kind.supported:
        return stop(s.kind.refusal, ELSEWHERE)
    if s.gone:
        return stop(*s.gone)
    if "config" in s.unread:
        return unknown(f"its config could not be read: {s.unread['config']}", "Make it readable.")
    others = [f"variant {name}" for name in s.kind.beside] + [f"shadow variant {name}" for name in s.kind.shadows]
    if others:
        return unknown(
            f"{s.kind.hosting}; beside {s.kind.variant_name} it has {', '.join(others)}, at which nobody looked here",
            "Give --variant (variant_name=) to look at another; a shadow variant bills, and takes copies of requests.",
        )
    if s.endpoint.captures_to:
        return warn(
            f"{s.kind.hosting}; data capture stores what callers send and hear in {s.endpoint.captures_to}",
            "Fine when it is meant; else make an endpoint config without DataCaptureConfig.",
        )
    return ok(str(s.kind.hosting))


def endpoint_in_service(s: Snapshot) -> RuleAnswer:
    """It answers, and Application Auto Scaling may change it."""
    status, reason = s.endpoint.status, s.endpoint.failure_reason
    if status == "InService":
        if s.running == 0:
            return stop("InService, but no instance is running", f"{_LOST} Meanwhile nobody is served.")
        if s.running < s.desired:
            return warn(f"InService, but {s.running} of {s.desired} instances are running", _LOST)
        if s.left_out:
            return warn(
                f"InService, {s.running} running, but its weight is 0: only requests that name {s.kind.variant_name} "
                "(TargetVariant) come to it",
                "Fine when it is meant; else give it a weight with UpdateEndpointWeightsAndCapacities.",
            )
        return ok(f"InService, {s.running} running")
    if status in ("Failed", "OutOfService", "UpdateRollbackFailed"):
        return stop(f"{status}. {reason}".strip(), "Delete it and deploy again: cleanup.delete(wb), then 01_deploy.")
    return warn(f"{status}: AWS refuses every scaling change until it is InService", "Wait, and run this again.")


def nothing_unfinished(s: Snapshot) -> RuleAnswer:
    """No command left it half changed."""
    if s.unfinished:
        return stop(
            f"{'; '.join(s.unfinished)} was cut off, and what it changed is not put back",
            f"`dgsm restore {s.endpoint.name}` puts it back, and so does the next command on the endpoint.",
        )
    return ok("no command was cut off in the middle of a change")


def errors_lately(s: Snapshot) -> RuleAnswer:
    """Requests fail."""
    counts = {name: count for name, count in s.traffic.errors_last_hour.items() if count}
    if not counts:
        return ok("no failed request in the last hour")
    listed = ", ".join(f"{name} {count:.0f}" for name, count in counts.items())
    return warn(f"last hour: {listed}", "Read the container's log: monitor.log_tail(wb) explains the lines it knows.")


def metric_present(s: Snapshot) -> RuleAnswer:
    """The metric that the policy follows arrives."""
    newest = s.traffic.newest
    late_s = (s.now - newest).total_seconds() - 60 if newest is not None else float("inf")
    if newest is not None and late_s <= 240:
        return ok(f"newest datapoint {newest:%H:%M} UTC")
    if s.age < timedelta(minutes=5):
        return unknown(
            f"created or changed {s.age.total_seconds():.0f} s ago: too early to tell", "Run this again in minutes."
        )
    if newest is None:
        return stop(
            f"ConcurrentRequestsPerModel has no datapoint in {s.traffic.window.days} days",
            "Check endpoint and variant name of the workbook, then the endpoint's status; nothing scales without it.",
        )
    return stop(
        f"the newest datapoint of ConcurrentRequestsPerModel is of {newest:%Y-%m-%d %H:%M} UTC, "
        f"{late_s / 60:.0f} minutes ago",
        "Without data the alarms go to INSUFFICIENT_DATA and nothing scales: check the endpoint's status, and AWS "
        "Health for CloudWatch delays.",
    )


def network_isolation(s: Snapshot) -> RuleAnswer:
    """SageMaker demands it of Marketplace models."""
    if s.network_isolated:
        return ok("EnableNetworkIsolation is true")
    return stop("EnableNetworkIsolation is false", "Deploy again through deploy.plan(wb), which sets it.")


def inference_ami(s: Snapshot) -> RuleAnswer:
    """The host's driver is new enough for the container."""
    if s.variant.ami == INFERENCE_AMI:
        return ok(s.variant.ami)
    fix = f"Set InferenceAmiVersion={INFERENCE_AMI} in a new endpoint config: deploy.update(wb, deploy.plan(wb))."
    if not s.variant.ami:
        return stop("InferenceAmiVersion is not set: the next host may fail the container's CUDA preflight", fix)
    if s.variant.ami.startswith("al2-"):
        return stop(f"{s.variant.ami} has a driver too old for CUDA 13", fix)
    return warn(f"{s.variant.ami} is not the one that Deepgram tested ({INFERENCE_AMI})", fix)


def enhanced_metrics(s: Snapshot) -> RuleAnswer:
    """Utilisation per instance can be seen."""
    if s.enhanced_metrics:
        return ok("EnableEnhancedMetrics is true")
    return warn(
        "EnableEnhancedMetrics is false: no invocation metrics or utilisation per instance",
        "Set MetricsConfig.EnableEnhancedMetrics in a new endpoint config: deploy.update(wb, deploy.plan(wb)).",
    )


def routing(s: Snapshot) -> RuleAnswer:
    """Unequal instances do not get equal shares."""
    chosen = s.variant.routing or "RANDOM (AWS's default)"
    types = len(s.variant.instance_types)
    if types > 1 and chosen.startswith("RANDOM"):
        return warn(
            f"{chosen} over a pool of {types} types: the weakest saturates first, and streams pile up by chance",
            "Set RoutingStrategy LEAST_OUTSTANDING_REQUESTS: deploy.update(wb, deploy.plan(wb)).",
        )
    return ok(f"{chosen}, {types} type{'s' * (types != 1)}")


def fallback_types(s: Snapshot) -> RuleAnswer:
    """There is somewhere to go when AWS has no capacity, and the model runs on it."""
    types = s.variant.instance_types
    family = family_of(s.model_package_arn)
    objections = [text for t in types if (text := family.objection(t))]
    if objections:
        return stop("; ".join(objections), f"Use the pool {', '.join(family.default_pool)}.")
    if len(types) == 1:
        return warn(
            f"{types[0]} only: no scale-out while AWS has none of it",
            f"Give a pool, such as {', '.join(family.default_pool)}, unless there is a reason (a Savings Plan, a "
            "target measured on that GPU).",
        )
    return ok(", ".join(types))


def latency_metric(s: Snapshot) -> RuleAnswer:
    """What watches the first chunk's latency watches the model."""
    family = family_of(s.model_package_arn)
    if not family.first_chunk_is_greeting:
        return ok(f"the first chunk of {family.title} is a result of the model")
    watching = [name for name, alarm in s.alarms.items() if alarm.metric == "FirstChunkLatency"]
    said = f"the first chunk of {family.title} is a greeting, so FirstChunkLatency times the handshake"
    if watching:
        return warn(
            f"{said}, and {', '.join(watching)} says nothing about the model",
            f"Delete it. What {family.measures[1]} is, a measurement tells (dgsm tune), or your client.",
        )
    return ok(f"{said}; no alarm here looks at it")


def quota(s: Snapshot) -> RuleAnswer:
    """The account may run as many instances as the maximum allows."""
    if s.target is None:
        return unknown("the variant is not registered, so there is no maximum to compare with", "Register it first.")
    most = s.target.max_capacity
    unlisted = [name for name, value in s.quotas.items() if value is None]
    known = {name: value for name, value in s.quotas.items() if value is not None}
    listed = ", ".join(f"{name} {value}" for name, value in known.items())
    zero = [name for name, value in known.items() if value == 0]
    if zero:
        return stop(
            f"quota 0 for {', '.join(zero)}: the next create or update of the endpoint fails as a whole",
            "Request an increase in Service Quotas, or take the type out of the pool.",
        )
    short = [name for name, value in known.items() if value < most]
    if short:
        return warn(
            f"max {most}, but quotas are {listed}: {', '.join(short)} stops before it",
            f'Request "… for endpoint usage" of at least {most} (an update needs quota for both fleets), or lower max.',
        )
    if unlisted or not known:
        return unknown(f"Service Quotas lists none for {', '.join(unlisted) or 'any type'}", "Look in its console.")
    return ok(f"max {most}; {listed}")


def idle(s: Snapshot) -> RuleAnswer:
    """It is used."""
    since = s.now - IDLE_AFTER
    used = [count for time_s, count in s.traffic.streams if time_s >= since.timestamp()]
    if s.endpoint.created is None or s.endpoint.created > since:
        return ok(f"younger than {IDLE_AFTER.days} days")
    if not used:
        return unknown(f"no datapoint in {IDLE_AFTER.days} days", "See the rule metric-present.")
    if max(used) > 0:
        return ok(f"up to {max(used):.0f} streams at once in the last {IDLE_AFTER.days} days")
    price = (
        f"about ${s.usd_per_hour * 24:.2f} a day for {s.running} running (without the software fee)"
        if s.usd_per_hour is not None
        else f"{s.running} running, price unknown"
    )
    return warn(
        f"no stream for {IDLE_AFTER.days} days; {price}",
        "A real-time endpoint cannot scale to zero: delete it (99_clean_up) and deploy again when needed.",
    )


KIND_RULE = Rule("endpoint-kind", endpoint_kind, "AWS, DescribeEndpoint and DescribeEndpointConfig")
"""Whether the other rules can be asked."""

ENDPOINT_RULES: tuple[Rule, ...] = (
    Rule("endpoint-in-service", endpoint_in_service, "AWS, DescribeEndpoint", ("instances",)),
    Rule("nothing-unfinished", nothing_unfinished, "the journal in the state folder", ("instances",)),
    Rule("errors-lately", errors_lately, "Deepgram, observability-sagemaker", ("metrics",)),
    Rule("metric-present", metric_present, "AWS, target tracking: insufficient data means no scaling", ("metrics",)),
    Rule("network-isolation", network_isolation, _DEPLOY_PAGE, ("model",)),
    Rule("inference-ami", inference_ami, _DEPLOY_PAGE, ("config",)),
    Rule("enhanced-metrics", enhanced_metrics, "Deepgram, enhanced-metrics-sagemaker", ("config",)),
    Rule("routing", routing, f"{_AWS_POOLS} (recommend LEAST_OUTSTANDING_REQUESTS)", ("config",)),
    Rule("fallback-types", fallback_types, _DEPLOY_PAGE, ("model", "config")),
    Rule("latency-metric", latency_metric, "AWS, FirstChunkLatency; Deepgram's protocols", ("model",)),
    Rule("quota", quota, f"{_DEPLOY_PAGE}: quota does not fall back", ("quotas", "target", "config")),
    Rule("idle", idle, "AWS, SageMaker pricing: instances bill while the endpoint exists", ("metrics",)),
)
