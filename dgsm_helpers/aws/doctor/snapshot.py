"""What the doctor looks at: the endpoint's configuration and its last days, read once and then only judged.

The doctor's vocabulary: a verdict, what a rule answers, and a rule with its source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from dgsm_helpers.aws.core.money import fleet_usd_per_hour
from dgsm_helpers.aws.endpoint.endpoint_config import ConfiguredVariant
from dgsm_helpers.aws.endpoint.endpoint_kind import EndpointKind
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, VariantState
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, PolicyState, Target
from dgsm_helpers.aws.watch.engine_metrics import EngineWord
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.guide import DETECTION_S, PROVISIONING_S

PARTS = (
    "instances",
    "config",
    "model",
    "target",
    "policies",
    "schedule",
    "activities",
    "alarms",
    "metrics",
    "quotas",
    "evidence",
    "engine",
)
"""What a snapshot is read in; ``instances`` are those that DescribeEndpoint counts."""


@dataclass(frozen=True)
class Expected:
    """What the caller knows about the traffic; None: judged by what CloudWatch has seen.

    Attributes:
        peak_streams: the most streams at once, over all instances.
        growth_per_min: new streams a minute, net, in the steepest rise.
        stream_s: how long a stream typically lasts.
    """

    peak_streams: float | None = None
    growth_per_min: float | None = None
    stream_s: float | None = None


@dataclass(frozen=True)
class PolicyAlarm:
    """An alarm of a policy with what AlarmState leaves out: whether it still acts, and on what metric it looks."""

    state: AlarmState
    actions_enabled: bool
    actions: tuple[str, ...]
    metric: str
    dimensions: Mapping[str, str]
    namespace: str = ""


@dataclass(frozen=True)
class TrafficSnapshot:
    """The last days per minute, oldest first; all of it from one GetMetricData call.

    ``streams`` holds (Unix time, streams over all instances): Average times SampleCount, with one sample per instance
    and ten seconds (assumed: AWS documents neither). ``newest`` is the time of the metric's newest datapoint.
    """

    window: timedelta
    streams: Sequence[tuple[float, float]] = ()
    newest: datetime | None = None
    invocations: float = 0.0
    errors_last_hour: Mapping[str, float] = field(default_factory=dict)

    @property
    def peak(self) -> tuple[float, float] | None:
        """(time, streams) of the most streams at once; None without data."""
        return max(self.streams, key=lambda point: point[1], default=None)

    def growth(self, within_s: float) -> float:
        """The most streams that were added within ``within_s``."""
        steepest, first = 0.0, 0
        for index, (time_s, count) in enumerate(self.streams):
            while self.streams[first][0] < time_s - within_s:
                first += 1
            steepest = max(steepest, count - min(c for _, c in self.streams[first : index + 1]))
        return steepest

    @property
    def stream_s(self) -> float | None:
        """Mean length of a stream by Little's law: stream-seconds over invocations; None without invocations."""
        return sum(count for _, count in self.streams) * 60 / self.invocations if self.invocations else None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything the rules judge.

    Of the `PARTS`, ``unread`` names those that could not be read, with the reason, and ``unjudged`` those at which
    nobody looked, because of what the rule endpoint-kind says.

    Attributes:
        kind: of the workbook's variant; of one that is not supported nothing else is looked at.
        gone: what of the endpoint was deleted, its config or model, and what to do; None when both are there.
        target, policies: of the workbook's variant.
        scheduled: names of its scheduled actions, where it has no policy.
        elsewhere: resource ids of this endpoint's other variants that carry a target or a policy.
        alarms: by name, those that the endpoint's policies name, and those made for its operators.
        at_max: times within the traffic's window when AWS did not scale out because the maximum was reached.
        provisioning_s: how long the endpoint's own scale-outs took, newest first.
        failures: (time, AWS's words) of scaling activities that failed within the traffic's window.
        last_success: when the newest successful activity began.
        quotas: per instance type of the variant; None where Service Quotas lists none.
        evidence: measured capacity (``dgsm_helpers.state``).
        engine: what the model's own engine says of its capacity.
        prices: per hour, of the instance types that run now.
        unfinished: changes of the endpoint that were cut off, in words (`aws.scaling.journal`).
    """

    now: datetime
    region: str
    resource_id: str
    kind: EndpointKind
    endpoint: EndpointState
    variant: ConfiguredVariant
    traffic: TrafficSnapshot
    model_package_arn: str = ""
    enhanced_metrics: bool = False
    network_isolated: bool | None = None
    target: Target | None = None
    policies: tuple[PolicyState, ...] = ()
    elsewhere: tuple[str, ...] = ()
    gone: tuple[str, str] | None = None
    scheduled: tuple[str, ...] = ()
    alarms: Mapping[str, PolicyAlarm] = field(default_factory=dict)
    at_max: tuple[datetime, ...] = ()
    provisioning_s: tuple[float, ...] = ()
    failures: tuple[tuple[datetime, str], ...] = ()
    last_success: datetime | None = None
    quotas: Mapping[str, int | None] = field(default_factory=dict)
    evidence: Mapping[str, Any] | None = None
    engine: EngineWord | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()
    expected: Expected = Expected()
    unread: Mapping[str, str] = field(default_factory=dict)
    unjudged: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """Instances of the variant that run now."""
        return self._variant_state.running

    @property
    def desired(self) -> int:
        """Instances of the variant that are asked for now."""
        return self._variant_state.desired

    @property
    def left_out(self) -> bool:
        """Whether the endpoint's requests go to its other variants, all that name none."""
        return self._variant_state.weight == 0 and any(other.weight for other in self.endpoint.variants)

    @property
    def _variant_state(self) -> VariantState:
        return self.endpoint.variant(self.resource_id.rpartition("/")[2])

    @property
    def tracking(self) -> tuple[PolicyState, ...]:
        """The variant's target-tracking policies."""
        return tuple(p for p in self.policies if p.tracks)

    @property
    def stepping(self) -> tuple[PolicyState, ...]:
        """The variant's step-scaling policies, whose alarms their owner makes."""
        return tuple(p for p in self.policies if not p.tracks)

    def alarms_of(self, policy: PolicyState) -> tuple[PolicyAlarm, ...]:
        """The alarms that the policy names, as far as they exist."""
        return tuple(self.alarms[name] for name in policy.alarm_names if name in self.alarms)

    def triggers_of(self, policy: PolicyState) -> tuple[PolicyAlarm, ...]:
        """Those of its alarms that act on it when they go into ALARM."""
        return tuple(a for a in self.alarms_of(policy) if a.actions_enabled and policy.arn in a.actions)

    @property
    def concurrency_policies(self) -> tuple[PolicyState, ...]:
        """Those that follow concurrent requests per instance every ten seconds, as the guide's does."""
        return tuple(p for p in self.tracking if predefined_metric(p) == PREDEFINED_METRIC)

    @property
    def target_value(self) -> float | None:
        """The lowest TargetValue in streams per instance: the one that acts first. None without such a policy."""
        return min((float(p.configuration["TargetValue"]) for p in self.concurrency_policies), default=None)

    @property
    def knee(self) -> int | None:
        """Streams that one instance was measured to sustain."""
        return self.evidence["feasible_max"] if self.evidence else None

    @property
    def reaction_s(self) -> float:
        """From crossing the target until a new instance serves: this endpoint's own slowest start, if it has any."""
        return DETECTION_S + max(self.provisioning_s, default=PROVISIONING_S)

    @property
    def usd_per_hour(self) -> float | None:
        """What the running instances cost; None when a price is unknown or nothing runs."""
        return fleet_usd_per_hour(self.prices, self.endpoint.instances_by_type)

    @property
    def age(self) -> timedelta:
        """Since the endpoint's creation or last change, whichever is later."""
        times = [t for t in (self.endpoint.created, self.endpoint.modified) if t is not None]
        return self.now - max(times, default=self.now)


def predefined_metric(policy: PolicyState) -> str:
    """The policy's predefined metric type; "" for a customized metric."""
    return (policy.configuration.get("PredefinedMetricSpecification") or {}).get("PredefinedMetricType", "")


def followed_metric(policy: PolicyState) -> str:
    """The names of all metrics that a target-tracking policy reads, in words; "" where it names none."""
    custom = policy.configuration.get("CustomizedMetricSpecification") or {}
    stats = [one.get("MetricStat", {}).get("Metric", {}) for one in custom.get("Metrics", ())]
    names = [one.get("MetricName", "") for one in (custom, *stats)]
    return " with ".join(dict.fromkeys(filter(None, names))) or predefined_metric(policy)


class RuleVerdict(StrEnum):
    """How bad it is; see :attr:`rank`."""

    OK = "OK"
    UNKNOWN = "UNKNOWN"
    """It could not be judged: something was not measured, or may not be read."""
    WARN = "WARN"
    """It works and costs money, latency or surprises."""
    STOP = "STOP"
    """Scaling does not work, or streams suffer, until this is changed."""

    @property
    def rank(self) -> int:
        """0 for OK, up to 3 for STOP."""
        return list(RuleVerdict).index(self)


class RuleAnswer(NamedTuple):
    """A rule's answer: the verdict, the values it rests on, and what to do."""

    verdict: RuleVerdict
    evidence: str
    fix: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing to look at. ``judge`` is a pure function of the snapshot; ``source`` is where the rule comes from.

    ``needs`` names the parts of the snapshot without which it cannot judge.
    """

    name: str
    judge: Callable[[Snapshot], RuleAnswer]
    source: str
    needs: tuple[str, ...] = ()


ok = partial(RuleAnswer, RuleVerdict.OK)
unknown, warn, stop = (partial(RuleAnswer, v) for v in (RuleVerdict.UNKNOWN, RuleVerdict.WARN, RuleVerdict.STOP))
"""The answers by their verdict: each takes the values it rests on and what to do, ``ok`` the values alone."""
