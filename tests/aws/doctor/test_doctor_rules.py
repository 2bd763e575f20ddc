"""Every rule of the doctor on snapshots: one healthy endpoint, and one thing wrong with it at a time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from kit.doctor_snapshots import NOW, POLICY_ARN, alarm, alarms, endpoint, evidence, healthy, policy, streams, target

from dgsm_helpers.aws.doctor.examine import RULES, Expected, RuleVerdict, diagnose
from dgsm_helpers.aws.doctor.snapshot import PARTS, Snapshot, TrafficSnapshot
from dgsm_helpers.aws.endpoint.endpoint_config import ConfiguredVariant
from dgsm_helpers.aws.endpoint.endpoint_kind import EndpointKind, Hosting
from dgsm_helpers.aws.endpoint.endpoint_state import VariantState
from dgsm_helpers.aws.scaling.scalable_target import PolicyState
from dgsm_helpers.aws.watch.engine_metrics import EngineWord

GOOD = healthy()
INVOCATIONS = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
CPU, GPU, STREAMS = "CPUUtilization", "GPUUtilization", "ConcurrentRequestsPerModel"
CUSTOM = {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": {"Metrics": []}}


def of_metrics(*names):
    """Changes that make a policy follow an expression of these metrics."""
    metrics = [{"Id": f"m{n}", "MetricStat": {"Metric": {"MetricName": name}}} for n, name in enumerate(names)]
    return {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": {"Metrics": metrics}}


def traffic(**changed) -> TrafficSnapshot:
    return replace(GOOD.traffic, **changed)


def variant(**changed) -> ConfiguredVariant:
    return replace(GOOD.variant, **changed)


def with_alarms(*given) -> Snapshot:
    return healthy(alarms=alarms(*given))


HIGH, LOW = alarm("high", 7.0), alarm("low", 6.3)
STOP, WARN, UNKNOWN = RuleVerdict.STOP, RuleVerdict.WARN, RuleVerdict.UNKNOWN
FAILED = ((NOW - timedelta(hours=1), "Setting desired instance count to 3. no GPU"),)
UNREAD = TrafficSnapshot(timedelta(days=3))
YOUNG = endpoint(created=NOW - timedelta(seconds=90))
IDLE_DAYS = traffic(streams=streams(*[0.0] * 48, every_s=3600), invocations=0)


def weighted(own, other):
    """Beside another variant, with these weights."""
    mine, others = (replace(endpoint().variants[0], weight=weight) for weight in (own, other))
    return replace(endpoint(), variants=(mine, replace(others, name="Other")))


SERVERLESS = EndpointKind("dg", "AllTraffic", Hosting.SERVERLESS, "4096 MB, at most 5 at once")


def stepped(*changes: int, named: bool = True, **of_alarm) -> Snapshot:
    """Scaled by one step policy of these adjustments, and by the alarm of somebody else's that it names."""
    steps = [{"MetricIntervalLowerBound": float(n), "ScalingAdjustment": change} for n, change in enumerate(changes)]
    one = alarm("high", 7.0, **of_alarm)
    one = replace(one, state=replace(one.state, name="mine", side=""))
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps}
    held = PolicyState("out", POLICY_ARN, "StepScaling", config, ("mine",) if named else ())
    return healthy(policies=(held,), alarms=alarms(one) if named else {})


def hurried(package: str) -> Snapshot:
    """Somebody watches the first chunk's latency of an endpoint with this package."""
    watcher = alarm("high", 300.0, metric="FirstChunkLatency")
    watcher = replace(watcher, state=replace(watcher.state, name="slow answers", side=""))
    return healthy(model_package_arn=package, alarms={**GOOD.alarms, **alarms(watcher)})


def silent(**of_others) -> Snapshot:
    """Beside the healthy policy one that never has data."""
    other = replace(policy(**INVOCATIONS), name="silent", arn="arn:silent", alarm_names=("h", "l"))
    blind = {name: replace(a, actions=("arn:silent",)) for name, a in (("h", HIGH), ("l", LOW))}
    blind = {n: replace(a, state=replace(a.state, name=n, state="INSUFFICIENT_DATA")) for n, a in blind.items()}
    return healthy(policies=(policy(), other), alarms={**GOOD.alarms, **blind}, **of_others)


BROKEN = (
    ("engine-agrees", WARN, healthy(engine=EngineWord(capacity=20)), "estimates 20 streams, 10 were measured"),
    ("engine-agrees", WARN, healthy(engine=EngineWord(capacity=13)), "estimates 13 streams"),
    ("engine-agrees", UNKNOWN, healthy(engine=EngineWord(capacity=11), evidence=None), "no capacity was measured"),
    ("endpoint-kind", STOP, healthy(kind=SERVERLESS), r"serverless \(4096 MB"),
    ("endpoint-kind", STOP, healthy(gone=("The config was deleted.", "Make it again.")), "was deleted"),
    ("endpoint-kind", UNKNOWN, healthy(kind=replace(GOOD.kind, beside=("B",))), "variant B"),
    ("endpoint-kind", UNKNOWN, healthy(kind=replace(GOOD.kind, shadows=("S",))), "shadow variant S"),
    ("endpoint-kind", UNKNOWN, healthy(unread={"config": "refused"}), "refused"),
    ("endpoint-kind", WARN, healthy(endpoint=replace(endpoint(), captures_to="s3://b")), "s3://b"),
    ("policy-applied", WARN, healthy(policies=(), scheduled=("night",)), "only scheduled actions"),
    ("policy-metric", UNKNOWN, stepped(1, named=False), "no alarm"),
    ("policy-metric", STOP, stepped(1, metric="Invocations"), "counts a stream once"),
    ("policy-metric", WARN, stepped(1, metric="CPUUtilization"), "CPUUtilization"),
    ("policy-metric", WARN, stepped(1, period_s=60), "every 60 s"),
    ("scale-in-allowed", WARN, stepped(1), "nothing scales in"),
    ("scale-in-allowed", UNKNOWN, healthy(policies=()), "no scaling policy"),
    ("alarms-exist", STOP, stepped(1, named=False), "nothing triggers out"),
    ("alarms-exist", STOP, stepped(1, actions=()), "nothing triggers out"),
    ("alarms-exist", STOP, stepped(1, actions_enabled=False), "nothing triggers out"),
    ("alarms-untouched", UNKNOWN, stepped(1), "owner's"),
    ("alarms-have-data", STOP, stepped(1, state="INSUFFICIENT_DATA"), "mine alarm"),
    ("alarms-have-data", WARN, silent(), "deepgram still scales out, but scale-in is held by silent"),
    ("latency-metric", WARN, hurried("a:model-package/deepgram-stt-flux/1"), "a greeting.*slow answers"),
    ("evidence-fits", UNKNOWN, healthy(evidence=None), "measured"),
    ("evidence-fits", WARN, healthy(evidence=evidence(instance_type="ml.g6e.4xlarge")), "not in the pool"),
    ("evidence-fits", WARN, healthy(evidence=evidence(region="eu-west-1")), "eu-west-1"),
    ("evidence-fits", WARN, healthy(evidence=evidence(model_package_arn="a:model-package/flux/2")), "flux/2"),
    ("target-below-knee", STOP, healthy(evidence=evidence(6)), "7 is above the 6"),
    ("target-below-knee", WARN, healthy(evidence=evidence(8)), "88%"),
    ("target-below-knee", UNKNOWN, healthy(evidence=None), "no capacity measured"),
    ("target-at-least-one", STOP, healthy(policies=(policy(TargetValue=0.7),)), "0.7"),
    ("max-covers-peak", WARN, healthy(expected=Expected(peak_streams=30)), "need 5 instances"),
    ("max-covers-peak", STOP, healthy(expected=Expected(peak_streams=41)), "sustain 40"),
    ("max-covers-peak", WARN, healthy(traffic=traffic(streams=streams(5, 29, 5))), "need 5 instances"),
    ("max-covers-peak", WARN, healthy(at_max=(NOW - timedelta(hours=2),)), "10:00"),
    ("max-covers-peak", UNKNOWN, healthy(traffic=traffic(streams=())), "no traffic"),
    ("min-covers-bursts", WARN, healthy(traffic=traffic(streams=streams(0, 0, 8, 12))), "12 streams more"),
    ("min-covers-bursts", WARN, healthy(expected=Expected(growth_per_min=2)), "11 streams more"),
    ("min-covers-bursts", UNKNOWN, healthy(evidence=None), "not measured"),
    ("bounds-hold-running", WARN, healthy(endpoint=endpoint(running=6)), "6 running.*takes the surplus"),
    ("bounds-hold-running", WARN, healthy(target=target(2, 4)), "1 running.*the missing"),
    ("bounds-leave-room", WARN, healthy(target=target(2, 2)), "both 2"),
    ("cooldowns", WARN, healthy(expected=Expected(stream_s=420)), "at least 420 s|420 s on average"),
    ("cooldowns", WARN, healthy(policies=(policy(ScaleOutCooldown=600),)), "out 600 s"),
    ("cooldowns", UNKNOWN, healthy(traffic=traffic(invocations=0)), "no traffic seen"),
    ("cooldowns", UNKNOWN, healthy(traffic=UNREAD, unread={"metrics": "refused"}), "no traffic to be read"),
    ("max-covers-peak", UNKNOWN, healthy(traffic=UNREAD, unread={"metrics": "refused"}), "no traffic to be read"),
    ("min-covers-bursts", UNKNOWN, healthy(traffic=UNREAD, unread={"metrics": "refused"}), "no traffic to be read"),
    ("registered", STOP, healthy(target=None), "not registered"),
    ("policy-applied", STOP, healthy(policies=()), "no scaling policy"),
    ("policy-on-this-variant", STOP, healthy(elsewhere=("endpoint/dg/variant/Old",)), "Old does not exist"),
    ("policy-on-this-variant", STOP, healthy(policies=(), elsewhere=("endpoint/dg/variant/B",)), "variant/B"),
    ("policy-metric", STOP, healthy(policies=(policy(**INVOCATIONS),)), "InvocationsPerInstance"),
    ("policy-metric", WARN, healthy(policies=(policy(**CUSTOM),)), "per minute"),
    ("policy-metric", WARN, healthy(policies=(policy(**of_metrics(CPU)),)), "follows CPUUtilization, not Concurrent"),
    ("policy-metric", WARN, healthy(policies=(policy(**of_metrics(STREAMS)),)), "per minute"),
    ("policy-metric", WARN, healthy(policies=(policy(**of_metrics(CPU, GPU)),)), "CPUUtilization with GPU"),
    ("not-suspended", STOP, healthy(target=target(scale_out=True)), "scale-out"),
    ("not-suspended", WARN, healthy(target=target(scale_in=True)), "scale-in"),
    ("scale-in-allowed", WARN, healthy(policies=(policy(DisableScaleIn=True),)), "DisableScaleIn"),
    ("alarms-exist", STOP, with_alarms(LOW), "AlarmHigh"),
    ("alarms-untouched", WARN, with_alarms(alarm("high", 9.0), LOW), "9, the TargetValue 7"),
    ("alarms-untouched", WARN, with_alarms(HIGH, alarm("low", 2.0)), "low alarm's threshold"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, actions_enabled=False), LOW), "disabled"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, actions=()), LOW), "action"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, dimensions={"EndpointName": "x"}), LOW), "watches"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, namespace="Mine"), LOW), "watches Mine"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, metric="", dimensions={}), LOW), "of nothing"),
    ("alarms-untouched", STOP, with_alarms(alarm("high", 7.0, comparison="<"), LOW), "compares by <"),
    ("alarms-untouched", WARN, with_alarms(alarm("high", 7.0, statistic="Sum"), LOW), "takes the Sum"),
    ("alarms-untouched", WARN, with_alarms(alarm("high", 7.0, datapoints_to_alarm=30), LOW), "waits for 30 × 10 s"),
    ("alarms-untouched", WARN, with_alarms(HIGH, alarm("low", 6.3, datapoints_to_alarm=3)), "waits for 3 × 10 s"),
    ("alarms-untouched", WARN, with_alarms(HIGH, alarm("low", 6.3, missing_data="breaching")), "as breaching"),
    ("alarms-untouched", UNKNOWN, with_alarms(), "no alarms"),
    ("alarms-have-data", UNKNOWN, with_alarms(), "no alarms"),
    ("activities-succeed", STOP, healthy(failures=FAILED), "1 failed.*no GPU; none has succeeded"),
    ("activities-succeed", WARN, healthy(failures=FAILED, last_success=NOW), "one has succeeded since"),
    ("endpoint-in-service", STOP, healthy(endpoint=endpoint(running=0, desired=1)), "no instance is running"),
    ("endpoint-in-service", WARN, healthy(endpoint=endpoint(running=1, desired=2)), "1 of 2"),
    ("alarms-have-data", STOP, with_alarms(alarm("high", 7.0, state="INSUFFICIENT_DATA"), LOW), "high"),
    ("alarms-have-data", WARN, with_alarms(HIGH, alarm("low", 6.3, state="INSUFFICIENT_DATA")), "low"),
    ("alarms-have-data", WARN, with_alarms(alarm("high", 7.0, state="INSUFFICIENT_DATA", updated=NOW)), "settling"),
    ("endpoint-in-service", WARN, healthy(endpoint=weighted(0.0, 1.0)), "weight is 0: only requests that name AllTra"),
    ("endpoint-in-service", STOP, healthy(endpoint=endpoint(status="Failed", failure_reason="no GPU")), "no GPU"),
    ("endpoint-in-service", WARN, healthy(endpoint=endpoint(status="Updating")), "Updating"),
    ("nothing-unfinished", STOP, healthy(unfinished=("the update of dg",)), "the update of dg was cut off"),
    ("errors-lately", WARN, healthy(traffic=traffic(errors_last_hour={"MidStreamErrors": 3})), "MidStreamErrors 3"),
    ("metric-present", STOP, healthy(traffic=TrafficSnapshot(timedelta(days=3))), "no datapoint"),
    ("metric-present", STOP, healthy(traffic=traffic(newest=NOW - timedelta(minutes=20))), "19 minutes ago"),
    ("metric-present", UNKNOWN, healthy(endpoint=YOUNG, traffic=TrafficSnapshot(timedelta(days=3))), "90 s ago"),
    ("network-isolation", STOP, healthy(network_isolated=False), "false"),
    ("inference-ami", STOP, healthy(variant=variant(ami="")), "not set"),
    ("inference-ami", STOP, healthy(variant=variant(ami="al2-ami-sagemaker-inference-gpu-2")), "too old"),
    ("inference-ami", WARN, healthy(variant=variant(ami="al2030-ami-sagemaker-inference-gpu-9-1")), "tested"),
    ("enhanced-metrics", WARN, healthy(enhanced_metrics=False), "false"),
    ("routing", WARN, healthy(variant=variant(routing="")), "RANDOM"),
    ("routing", WARN, healthy(variant=variant(routing="RANDOM")), "2 types"),
    ("fallback-types", WARN, healthy(variant=variant(instance_types=("ml.g6.2xlarge",))), "only"),
    ("fallback-types", STOP, healthy(model_package_arn="a:model-package/deepgram-aura-2/1"), "4 GPUs"),
    ("quota", WARN, healthy(quotas={"ml.g6.2xlarge": 2, "ml.g5.2xlarge": 8}), "ml.g6.2xlarge stops before it"),
    ("quota", STOP, healthy(quotas={"ml.g6.2xlarge": 8, "ml.g5.2xlarge": 0}), "quota 0 for ml.g5.2xlarge"),
    ("quota", UNKNOWN, healthy(quotas={"ml.g6.2xlarge": None, "ml.g5.2xlarge": 8}), "lists none"),
    ("idle", WARN, healthy(traffic=IDLE_DAYS), r"\$28.80 a day"),
)


@pytest.mark.parametrize(("rule", "verdict", "snapshot", "said"), BROKEN, ids=[f"{b[0]}-{b[3][:20]}" for b in BROKEN])
def test_what_is_wrong_is_found_with_its_value_and_a_fix(rule, verdict, snapshot, said):
    import re

    finding = diagnose(snapshot)[rule]
    assert finding.verdict is verdict, finding
    assert re.search(said, finding.evidence), finding.evidence
    assert finding.fix and finding.source


def test_a_foreign_step_policy_with_its_alarm_on_streams_is_in_order():
    found = diagnose(stepped(1, -1))
    rules = ("policy-applied", "policy-metric", "scale-in-allowed", "alarms-exist", "alarms-have-data")
    assert {found[rule].verdict for rule in rules} == {RuleVerdict.OK}


def test_no_rule_judges_a_foreign_kind_at_which_nobody_looked():
    unseen = healthy(kind=SERVERLESS, unjudged=dict.fromkeys(PARTS, "the variant is serverless"))
    found = {f.rule: f for f in diagnose(unseen).findings}
    assert found.pop("endpoint-kind").verdict is STOP
    assert {f.verdict for f in found.values()} == {UNKNOWN}
    assert {part for rule in RULES for part in rule.needs} == set(PARTS) - {"schedule"}


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.5, 3.0), (0.0, 0.0), (None, 1.0)])
def test_a_variant_that_gets_requests_or_may_get_them_is_not_called_left_out(weights):
    assert not healthy(endpoint=weighted(*weights)).left_out


def test_nothing_is_wrong_with_a_healthy_endpoint():
    diagnosis = diagnose(GOOD)
    assert [f for f in diagnosis.findings if f.verdict is not RuleVerdict.OK] == []
    assert (diagnosis.ok, diagnosis.worst) == (True, RuleVerdict.OK)


def test_every_rule_is_broken_by_some_test():
    assert {rule.name for rule in RULES} == {case[0] for case in BROKEN}


def test_names_are_unique():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_part_that_may_not_be_read_makes_its_rules_unknown_and_no_other():
    diagnosis = diagnose(healthy(quotas={}, unread={"quotas": "servicequotas:ListServiceQuotas was refused"}))
    assert diagnosis["quota"].verdict is RuleVerdict.UNKNOWN
    assert "servicequotas" in diagnosis["quota"].evidence
    assert [f.rule for f in diagnosis.findings if f.verdict is not RuleVerdict.OK] == ["quota"]


def test_what_was_measured_here_replaces_the_assumed_start_time():
    slow = healthy(expected=Expected(growth_per_min=0.4), provisioning_s=(700.0, 200.0))
    assert "within the 760 s" in diagnose(slow)["min-covers-bursts"].evidence
    assert diagnose(replace(slow, provisioning_s=()))["min-covers-bursts"].verdict is RuleVerdict.OK


def test_the_worst_comes_first_in_every_form():
    diagnosis = diagnose(healthy(enhanced_metrics=False, target=target(scale_out=True)))
    assert [f.verdict for f in diagnosis.findings[:2]] == [RuleVerdict.STOP, RuleVerdict.WARN]
    said = json.loads(diagnosis.to_json())
    assert (said["worst"], said["ok"], said["findings"][0]["rule"]) == ("STOP", False, "not-suspended")
    assert str(diagnosis).splitlines()[1].startswith("✗ STOP")
    assert diagnosis._repr_html_().index("STOP") < diagnosis._repr_html_().index("WARN")


def test_a_custom_metric_is_not_compared_with_streams():
    ratio = healthy(policies=(policy(**CUSTOM, TargetValue=0.7),))
    assert diagnose(ratio)["target-at-least-one"].verdict is RuleVerdict.UNKNOWN
    assert diagnose(ratio)["target-below-knee"].verdict is RuleVerdict.UNKNOWN


def test_a_metric_that_arrives_is_all_right_however_lately_the_endpoint_changed():
    assert diagnose(healthy(endpoint=YOUNG))["metric-present"].verdict is RuleVerdict.OK


def test_variants_that_each_have_a_policy_are_all_right():
    both = (VariantState(name, 1, 1, 1.0, {}, ()) for name in ("AllTraffic", "B"))
    two = healthy(endpoint=replace(endpoint(), variants=tuple(both)), elsewhere=("endpoint/dg/variant/B",))
    assert diagnose(two)["policy-on-this-variant"].verdict is RuleVerdict.OK


def test_alarms_of_another_variant_say_nothing_about_this_one():
    bare = healthy(policies=(), elsewhere=("endpoint/dg/variant/B",))
    assert {diagnose(bare)[f"alarms-{what}"].verdict for what in ("untouched", "have-data", "exist")} == {UNKNOWN}


def test_growth_is_the_steepest_rise_within_the_reaction_time():
    slow_then_fast = TrafficSnapshot(timedelta(days=1), streams(0, 1, 2, 3, 2, 8, 9, 3))
    assert slow_then_fast.growth(120) == 7
    assert slow_then_fast.growth(3600) == 9
    assert TrafficSnapshot(timedelta(days=1)).growth(60) == 0
