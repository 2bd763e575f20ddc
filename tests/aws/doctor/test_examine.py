"""The doctor on live endpoints: a healthy one, broken by hand or by a fault in one place per test; a careless one."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from kit import endpoints, waiting
from kit.doctor_snapshots import evidence
from kit.waiting import AT_MOST_S

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.account.recommended import alarm_names
from dgsm_helpers.aws.doctor.endpoint_rules import IDLE_AFTER
from dgsm_helpers.aws.doctor.examine import RULES, Expected, RuleVerdict, examine
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal, registration, scaling_setup
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.cli import main
from dgsm_helpers.errors import CredentialsProblem, DeployFailed, NotFound, NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.session import open_workbook

BROKEN_LIVE: set[str] = set()


def breaks(*rules):
    """Notes that the test breaks what these rules look at, for the test that none was forgotten."""
    BROKEN_LIVE.update(rules)
    return lambda test: test


OK, WARN, STOP, UNKNOWN = RuleVerdict.OK, RuleVerdict.WARN, RuleVerdict.STOP, RuleVerdict.UNKNOWN
SEEN = Expected(peak_streams=20, growth_per_min=0.5, stream_s=200)
POLICY = ScalingPolicy(target_value=7)


def until(wb, rule: str, *verdicts: RuleVerdict):
    """The finding once it has one of these verdicts."""

    def looked():
        finding = examine(wb, SEEN)[rule]
        return finding if finding.verdict in verdicts else None

    return waiting.until(looked, f"{rule} is {' or '.join(verdicts)}", every_s=0.3, sleep=wb.sleep_s)


def measured(wb, day=24, **fingerprint):
    """Evidence that one instance sustains ten streams, as if taken that day; its file."""
    taken = evidence(10, model_package_arn=wb.model_package_arn, **fingerprint)
    path = wb.state_path(f"capacity/{wb.endpoint_name}/2026-11-{day}T110000Z.json")
    path.write_text(json.dumps({"schema": 1, "problem": "", **taken}))
    return path


@pytest.fixture(scope="module")
def healthy(embedded):
    """The module's endpoint, registered and measured; its alarms have seen data."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-healthy")
    endpoints.scaled(wb, policy=POLICY, provision_timeout_s=endpoints.PATIENT_S)
    measured(wb)
    for rule in ("metric-present", "alarms-have-data"):
        until(wb, rule, OK)
    yield wb
    deletion.delete(wb)


@contextmanager
def registered(wb, **changed):
    """The target with other settings, for a while."""
    client = wb.client("application-autoscaling")
    triple = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": wb.resource_id,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    client.register_scalable_target(**triple, **changed)
    yield
    nothing = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
    )
    client.register_scalable_target(**triple, MinCapacity=1, MaxCapacity=4, SuspendedState=nothing)


@contextmanager
def policy(wb, **changed):
    """The policy with another configuration, for a while."""
    held = {**POLICY.to_request(), **changed}
    wb.client("application-autoscaling").put_scaling_policy(
        PolicyName=POLICY.name,
        ServiceNamespace="sagemaker",
        ResourceId=wb.resource_id,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=held,
    )
    yield
    registration.apply(wb, POLICY)


def scaling_in_by_hand(wb):
    """Back to one instance without waiting for the low alarm, which on a busy machine is there first."""
    with suppress(NotReady):
        set_desired(wb, 1)
    assert until(wb, "endpoint-in-service", OK).evidence == "InService, 1 running"


def high_alarm(wb):
    name = next(a.name for a in observe.alarm_states(wb) if a.side == "high")
    return wb.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]


def put_again(wb, alarm, **changed):
    """Write the alarm as an operator would who edits it in the console."""
    answered = {"AlarmArn", "AlarmConfigurationUpdatedTimestamp"}
    kept = {k: v for k, v in alarm.items() if k not in answered and not k.startswith("State")}
    wb.client("cloudwatch").put_metric_alarm(**kept | changed)


def test_nothing_is_wrong_with_an_endpoint_made_by_the_workbook(healthy):
    # A busy machine publishes the newest metrics late, which two rules rightly say.
    waiting.until(lambda: {f.verdict for f in examine(healthy, SEEN).findings} == {OK}, "every rule is OK", every_s=0.3)


@breaks("not-suspended")
@pytest.mark.parametrize(
    ("kind", "verdict"), [("DynamicScalingOutSuspended", STOP), ("DynamicScalingInSuspended", WARN)]
)
def test_suspended_scaling_is_found(healthy, kind, verdict):
    with registered(healthy, SuspendedState={kind: True}):
        assert examine(healthy, SEEN)["not-suspended"].verdict is verdict


@breaks("max-covers-peak")
def test_a_maximum_below_the_peak_is_found(healthy):
    with registered(healthy, MaxCapacity=2):
        finding = examine(healthy, SEEN)["max-covers-peak"]
        assert (finding.verdict, "need 3 instances" in finding.evidence) == (WARN, True)
    assert examine(healthy, SEEN)["max-covers-peak"].verdict is OK


@breaks("min-covers-bursts")
def test_a_burst_faster_than_provisioning_is_found(healthy):
    steep = examine(healthy, Expected(peak_streams=20, growth_per_min=10, stream_s=200))["min-covers-bursts"]
    assert (steep.verdict, "scheduled action" in steep.fix) == (WARN, True)


@breaks("bounds-leave-room")
def test_bounds_without_room_are_found(healthy):
    with registered(healthy, MaxCapacity=1):
        assert examine(healthy, SEEN)["bounds-leave-room"].verdict is WARN


@breaks("target-below-knee", "target-at-least-one", "cooldowns", "scale-in-allowed")
@pytest.mark.parametrize(
    ("changed", "rule", "verdict"),
    [
        ({"TargetValue": 11.0}, "target-below-knee", STOP),
        ({"TargetValue": 9.0}, "target-below-knee", WARN),
        ({"TargetValue": 0.7}, "target-at-least-one", STOP),
        ({"ScaleInCooldown": 60}, "cooldowns", WARN),
        ({"ScaleOutCooldown": 900}, "cooldowns", WARN),
        ({"DisableScaleIn": True}, "scale-in-allowed", WARN),
    ],
)
def test_a_policy_out_of_line_is_found(healthy, changed, rule, verdict):
    with policy(healthy, **changed):
        assert examine(healthy, SEEN)[rule].verdict is verdict
    assert examine(healthy, SEEN)[rule].verdict is OK


@breaks("policy-metric")
def test_a_policy_that_counts_invocations_is_found(healthy):
    wrong = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    with policy(healthy, PredefinedMetricSpecification=wrong):
        assert examine(healthy, SEEN)["policy-metric"].verdict is STOP


@breaks("policy-applied")
def test_a_removed_policy_is_found(healthy):
    healthy.client("application-autoscaling").delete_scaling_policy(
        PolicyName=POLICY.name,
        ServiceNamespace="sagemaker",
        ResourceId=healthy.resource_id,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )
    assert examine(healthy, SEEN)["policy-applied"].verdict is STOP
    registration.apply(healthy, POLICY)
    assert examine(healthy, SEEN)["policy-applied"].verdict is OK


@breaks("alarms-exist")
def test_a_deleted_alarm_is_found(healthy):
    healthy.client("cloudwatch").delete_alarms(AlarmNames=[high_alarm(healthy)["AlarmName"]])
    finding = examine(healthy, SEEN)["alarms-exist"]
    assert (finding.verdict, "AlarmHigh" in finding.evidence) == (STOP, True)
    registration.apply(healthy, POLICY)
    assert examine(healthy, SEEN)["alarms-exist"].verdict is OK


@breaks("alarms-untouched")
@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        ({"Threshold": 50.0}, WARN, "50"),
        ({"ActionsEnabled": False}, STOP, "disabled"),
        ({"AlarmActions": []}, STOP, "action"),
        ({"Dimensions": [{"Name": "EndpointName", "Value": "elsewhere"}]}, STOP, "elsewhere"),
        ({"ComparisonOperator": "LessThanThreshold"}, STOP, "compares by <"),
        ({"Statistic": "Sum"}, WARN, "the Sum"),
        ({"EvaluationPeriods": 60, "DatapointsToAlarm": 60}, WARN, "60 × 10 s"),
        ({"Period": 60}, WARN, "3 × 60 s"),
        ({"TreatMissingData": "breaching"}, WARN, "breaching"),
    ],
)
def test_an_edited_alarm_is_found(healthy, changed, verdict, said):
    alarm = high_alarm(healthy)
    put_again(healthy, alarm, **changed)
    finding = examine(healthy, SEEN)["alarms-untouched"]
    put_again(healthy, alarm, ActionsEnabled=True)
    assert (finding.verdict, said in finding.evidence) == (verdict, True)
    assert examine(healthy, SEEN)["alarms-untouched"].verdict is OK


@breaks("quota")
def test_a_quota_below_the_maximum_is_found(healthy, operator):
    operator.quota(healthy, "ml.g6.2xlarge", 2)
    assert examine(healthy, SEEN)["quota"].verdict is WARN
    operator.quota(healthy, "ml.g6.2xlarge", 0)
    assert examine(healthy, SEEN)["quota"].verdict is STOP


@breaks("engine-agrees")
def test_an_engine_that_estimates_far_more_than_was_measured_is_found(endpoint):
    cloudwatch = endpoint.client("cloudwatch")
    cloudwatch.start_otel_enrichment()
    try:
        with Load(endpoint) as load:
            load.set(9)
            load.wait_open()
        path = endpoint.state_path(f"capacity/{endpoint.endpoint_name}/2026-11-24T110000Z.json")
        taken = evidence(5, model_package_arn=endpoint.model_package_arn)
        path.write_text(json.dumps({"schema": 1, **taken, "rungs": [], "problem": ""}))
        finding = examine(endpoint, SEEN)["engine-agrees"]
    finally:
        cloudwatch.stop_otel_enrichment()
    assert (finding.verdict, finding.evidence) == (WARN, "the engine estimates 10 streams, 5 were measured")


@breaks("evidence-fits")
def test_capacity_measured_on_something_else_is_found(healthy):
    later = measured(healthy, day=25, instance_type="ml.g6e.4xlarge")
    finding = examine(healthy, SEEN)["evidence-fits"]
    later.unlink()
    assert (finding.verdict, "not in the pool" in finding.evidence) == (WARN, True)
    assert examine(healthy, SEEN)["evidence-fits"].verdict is OK


def test_evidence_that_cannot_be_read_is_set_aside_for_the_older_that_can(healthy):
    path = measured(healthy, day=25)
    path.write_text("not JSON")
    with pytest.warns(UserWarning, match=path.name):
        diagnosis = examine(healthy, SEEN)
    assert "measured 2026-11-24" in diagnosis["evidence-fits"].evidence
    assert diagnosis.ok
    path.unlink()


@breaks("nothing-unfinished")
def test_a_command_that_was_cut_off_is_found_until_it_is_put_back(healthy):
    former = {"setup": asdict(scaling_setup.of_variant(healthy, EndpointReading(healthy))), "adds": {}}
    with journal.written(healthy, "retarget", None, former) as page:
        page.settled = True
    finding = examine(healthy, SEEN)["nothing-unfinished"]
    assert (finding.verdict, f"dgsm restore {healthy.endpoint_name}" in finding.fix) == (STOP, True)
    journal.finish(healthy)
    assert examine(healthy, SEEN)["nothing-unfinished"].verdict is OK


@breaks("latency-metric")
def test_an_alarm_on_a_first_chunk_that_is_a_greeting_is_found(workbook):
    wb = endpoints.deployed(workbook(listing="metered-flux"))
    assert examine(wb)["latency-metric"].verdict is OK
    wb.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm_names(wb)[0],
        Namespace="AWS/SageMaker",
        MetricName="FirstChunkLatency",
        Dimensions=[{"Name": "EndpointName", "Value": wb.endpoint_name}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1e6,
        ComparisonOperator="GreaterThanThreshold",
    )
    finding = examine(wb)["latency-metric"]
    assert (finding.verdict, alarm_names(wb)[0] in finding.evidence) == (WARN, True)


@breaks("bounds-hold-running", "endpoint-in-service")
def test_a_fleet_outside_its_bounds_is_found_while_it_is_pulled_into_them(healthy, operator):
    operator.hold_starts()
    with registered(healthy, MinCapacity=2):
        assert examine(healthy, SEEN)["bounds-hold-running"].verdict is WARN
        assert until(healthy, "endpoint-in-service", WARN).evidence.startswith("Updating")
        operator.undo()
        until(healthy, "bounds-hold-running", OK)
    scaling_in_by_hand(healthy)


@breaks("activities-succeed")
def test_a_scale_out_that_failed_is_found_until_one_succeeds(workbook, operator):
    wb = endpoints.deployed(workbook())
    registration.register(wb, 1, 4)
    assert examine(wb)["activities-succeed"].verdict is OK
    operator.fault("failed-start")
    with registered(wb, MinCapacity=2):
        finding = until(wb, "activities-succeed", STOP)
        assert (finding.verdict, "instance count to 2" in finding.evidence) == (STOP, True)
        operator.undo()
        # Bounds act when they are set: an instance that did not start is not asked for again.
        with registered(wb, MinCapacity=2):
            until(wb, "activities-succeed", WARN)


@breaks("network-isolation")
def test_a_model_without_isolation_is_found(healthy):
    """SageMaker refuses to make one, and so does the embedded AWS: here its answer says so of one that exists."""
    client = healthy.client("sagemaker")
    event = "after-call.sagemaker.DescribeModel"

    def without(parsed, **_):
        parsed["EnableNetworkIsolation"] = False

    client.meta.events.register(event, without)
    finding = examine(healthy, SEEN)["network-isolation"]
    client.meta.events.unregister(event, without)
    assert finding.verdict is STOP
    assert examine(healthy, SEEN)["network-isolation"].verdict is OK


def days_later(wb):
    """The same endpoint seen when it is so old that it may count as idle."""
    age = wb.now() - endpoint_state.status(wb).created
    ahead_s = (IDLE_AFTER - age + timedelta(seconds=60)).total_seconds()
    return replace(wb, now_s=lambda: wb.now().timestamp() + ahead_s)


@breaks("idle")
def test_an_endpoint_that_nobody_uses_for_days_is_found(healthy):
    finding = examine(days_later(healthy), SEEN)["idle"]
    assert (finding.verdict, "a day for 1 running" in finding.evidence) == (WARN, True)
    assert examine(healthy, SEEN)["idle"].verdict is OK


@pytest.fixture
def busy(workbook):
    """An endpoint at its maximum of one instance, measured, which no stream has reached yet."""
    wb = endpoints.scaled(workbook(), 1, 1, POLICY)
    measured(wb)
    until(wb, "metric-present", OK)
    return wb


@breaks("errors-lately")
def test_what_traffic_shows_is_judged_without_being_told(busy, operator):
    before = examine(busy)
    assert {before[rule].verdict for rule in ("max-covers-peak", "min-covers-bursts", "errors-lately")} == {OK}
    operator.fault("mid-stream-error", endpoint=busy.endpoint_name)
    with Load(busy) as load:
        load.set(9)
        load.wait_open(timeout_s=AT_MOST_S)
        said = {
            "max-covers-peak": "need 2 instances",
            "min-covers-bursts": "[4-9] streams more within",
            "errors-lately": "MidStreamErrors 1",
            "cooldowns": "",  # streams of ten minutes and more, and a cooldown of five
        }

        def told_of_all():
            """Each once: on a busy machine the error is over an hour old before the streams last ten minutes."""
            diagnosis = examine(busy)
            for rule, text in list(said.items()):
                if diagnosis[rule].verdict is WARN and re.search(text, diagnosis[rule].evidence):
                    del said[rule]
            return not said

        waiting.until(told_of_all, "traffic shows all of this", every_s=0.5)
        waiting.until(lambda: "up to 9 streams" in examine(days_later(busy))["idle"].evidence, "9 streams were seen")


def test_what_may_not_be_read_is_unknown(healthy, operator):
    operator.fault("denied", service="service-quotas")
    finding = examine(healthy, SEEN)["quota"]
    assert (finding.verdict, "servicequotas" in finding.evidence + finding.fix) == (UNKNOWN, True)


@breaks("metric-present", "alarms-have-data")
def test_late_metrics_are_found_and_blind_alarms_with_them(healthy, operator):
    operator.fault("slow-metrics", seconds=900)
    until(healthy, "metric-present", STOP)
    until(healthy, "alarms-have-data", WARN, STOP)
    operator.undo()
    until(healthy, "metric-present", OK)
    until(healthy, "alarms-have-data", OK)


def test_expired_credentials_say_nothing_about_the_endpoint(healthy, operator):
    operator.fault("expired-credentials")
    with pytest.raises(CredentialsProblem):
        examine(healthy, SEEN)


def test_a_missing_endpoint_is_said_to_be_missing(workbook):
    with pytest.raises(NotFound):
        examine(workbook(endpoint_name="never-made"))


@pytest.fixture(scope="module")
def careless(embedded):
    """An endpoint as made by hand: two variants, no AMI, RANDOM routing, no metrics; the policy on the wrong one."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-careless")
    sagemaker = wb.client("sagemaker")
    sagemaker.create_model(
        ModelName="dg-careless",
        ExecutionRoleArn=execution_role_arn(wb),
        PrimaryContainer={"ModelPackageName": wb.model_package_arn},
        EnableNetworkIsolation=True,
    )
    one = {"ModelName": "dg-careless", "InitialInstanceCount": 1}
    pools = [
        {"InstanceType": "ml.g6.2xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.2xlarge", "Priority": 2},
    ]
    variants = [
        {**one, "VariantName": "AllTraffic", "InstancePools": pools},
        {**one, "VariantName": "Other", "InstanceType": "ml.g6.2xlarge"},
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="dg-careless", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="dg-careless", EndpointConfigName="dg-careless")
    endpoints.settled(wb)
    other = open_workbook("local", home=embedded.home, endpoint_name="dg-careless", variant_name="Other")
    registration.register(other, 1, 2)
    registration.apply(other, POLICY)
    yield wb
    endpoints.deleted_with_all(wb)


@breaks("registered", "policy-on-this-variant", "endpoint-kind")
def test_an_endpoint_made_carelessly_is_told_all_of_it(careless):
    diagnosis = examine(careless)
    found = {f.rule: f.verdict for f in diagnosis.findings}
    expected = {
        "registered": STOP,
        "policy-applied": STOP,
        "policy-on-this-variant": STOP,
        "inference-ami": STOP,
        "routing": WARN,
        "enhanced-metrics": WARN,
        "evidence-fits": UNKNOWN,
        "endpoint-kind": UNKNOWN,
    }
    assert {rule: found[rule] for rule in expected} == expected


@pytest.fixture(scope="module")
def altered(embedded):
    """Endpoints that differ from what the workbook plans in one setting each, by the rule that looks at it."""
    made = {}
    for rule, change in ALTERATIONS.items():
        wb = open_workbook("local", home=embedded.home, endpoint_name=f"dg-{rule}")
        plan, sagemaker = deployment_plan.plan(wb), wb.client("sagemaker")
        sagemaker.create_model(**plan.model_request())
        config = plan.endpoint_config_request()
        change(config, config["ProductionVariants"][0])
        sagemaker.create_endpoint_config(**config)
        sagemaker.create_endpoint(**plan.endpoint_request())
        made[rule] = wb
    for wb in made.values():
        until(wb, "endpoint-in-service", OK)
    yield made
    for wb in made.values():
        deletion.delete(wb)


ALTERATIONS = {
    "inference-ami": lambda config, variant: variant.pop("InferenceAmiVersion"),
    "routing": lambda config, variant: variant.update(RoutingConfig={"RoutingStrategy": "RANDOM"}),
    "enhanced-metrics": lambda config, variant: config.pop("MetricsConfig"),
    "fallback-types": lambda config, variant: variant.update(InstancePools=variant["InstancePools"][:1]),
}


@breaks(*ALTERATIONS)
@pytest.mark.parametrize("rule", ALTERATIONS)
def test_one_altered_setting_is_found_and_nothing_else(altered, rule):
    diagnosis = examine(altered[rule])
    assert [name for name in ALTERATIONS if diagnosis[name].verdict is not OK] == [rule]


def test_a_lost_instance_is_found_until_it_is_replaced(workbook, operator):
    wb = endpoints.deployed(workbook(), provision_timeout_s=endpoints.PATIENT_S)
    operator.hold_starts()
    operator.fault("crash", endpoint=wb.endpoint_name)
    assert "no instance is running" in until(wb, "endpoint-in-service", STOP).evidence
    operator.undo()
    until(wb, "endpoint-in-service", OK)


def test_an_endpoint_that_did_not_come_up_is_found(workbook, operator):
    wb = workbook()
    operator.fault("failed-start")
    with pytest.raises(DeployFailed):
        deployment.deploy(wb, deployment_plan.plan(wb))
    assert examine(wb)["endpoint-in-service"].verdict is STOP


def test_one_type_without_a_fallback_is_found(careless, embedded):
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-careless", variant_name="Other")
    diagnosis = examine(wb)
    assert (diagnosis["fallback-types"].verdict, diagnosis["routing"].verdict) == (WARN, OK)


def test_the_command_exits_by_what_was_found(healthy, careless, embedded, monkeypatch, capsys):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    given = ["--peak-streams", "20", "--growth-per-min", "0.5", "--stream-seconds", "200", "--json"]
    waiting.until(lambda: {f.verdict for f in examine(healthy, SEEN).findings} == {OK}, "every rule is OK", every_s=0.3)
    assert main.main(["doctor", healthy.endpoint_name, *given]) == 0
    assert json.loads(capsys.readouterr().out)["worst"] == "OK"
    assert main.main(["doctor", "dg-careless"]) == 1
    assert "✗ STOP" in capsys.readouterr().out
    assert main.main(["doctor", "never-made"]) == 2


def test_every_rule_is_broken_by_some_test():
    assert {rule.name for rule in RULES} == BROKEN_LIVE
