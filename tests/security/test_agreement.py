"""Without the user's agreement nothing changes: every public function, every verb, on an AWS that bills."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from importlib import import_module

import pytest
from click.testing import CliRunner
from kit import endpoints
from kit.sabotage import struck

import dgsm_helpers
from dgsm_helpers import cleanup, deploy, mixed, monitor, plan, register, session, start, state, tune
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import journal, scheduled_actions
from dgsm_helpers.aws.scaling.held_variant import Former
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.cli.main import dgsm
from dgsm_helpers.errors import DeletionNotConfirmed, DgsmError, NotConfirmed
from dgsm_helpers.planning.measured import measured
from dgsm_helpers.rules.call_effects import LOAD_PRICE, Effect, effect_of
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.session import Workbook, open_workbook
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import constant

MEASURED = {
    "feasible_max": 10,
    "infeasible_min": 11,
    "problem": "",
    "measured_at": "2026-11-24T09:00:00+00:00",
    "fingerprint": {"instance_type": "ml.g6.2xlarge"},
}
CAPACITIES = {"ml.g6.2xlarge": 10.0, "ml.g6e.2xlarge": 20.0, "ml.g5.2xlarge": 8.0}


@pytest.fixture(scope="module")
def agreed(embedded, tmp_path_factory):
    """An endpoint that scales and has everything that can be deleted or changed."""
    home = tmp_path_factory.mktemp("agreement")
    wb = replace(endpoints.scaled(open_workbook("local", home=embedded.home, endpoint_name="agreement")), home=home)
    scheduled_actions.put(wb, "morning", endpoints.SELDOM, min_capacity=2)
    state.keep_evidence(wb, MEASURED)
    sagemaker = wb.client("sagemaker")
    held = endpoint_state.status(wb).config_name
    config = sagemaker.describe_endpoint_config(EndpointConfigName=held)
    sagemaker.create_endpoint_config(
        EndpointConfigName="agreement-other", ProductionVariants=config["ProductionVariants"]
    )
    monitor.put_alarms(wb, 7.5)
    yield wb
    sagemaker.delete_endpoint_config(EndpointConfigName="agreement-other")
    deletion.delete(wb)


@pytest.fixture
def wb(agreed):
    """The same on an AWS that bills, and to which nobody agreed."""
    return replace(agreed, bills=True, confirm_spend=False, confirm_delete=False, readings={})


def a_plan(wb: Workbook) -> ScalingPlan:
    tracking = TargetTracking(name="p", target_value=5.0)
    return ScalingPlan(name="p", bounds=Bounds(min_capacity=1, max_capacity=3), policies=(tracking,))


def study(wb: Workbook) -> plan.Study:
    return plan.Study(wb, constant(streams=5, horizon_s=600.0), measured(wb))


def within_suspended(wb: Workbook) -> None:
    with register.suspended(wb):
        pass


def hold(wb: Workbook) -> None:
    with monitor.Load(wb) as load:
        load.set(1)


OTHER_POOL = ("ml.g5.2xlarge", "ml.g6.2xlarge")
USES: dict[str, Callable[[Workbook], object]] = {
    "start.check": start.check,
    "deploy.choose_pool": deploy.choose_pool,
    "deploy.deploy": lambda wb: deploy.deploy(wb, deploy.plan(wb)),
    "deploy.ensure": deploy.ensure,
    "deploy.plan": deploy.plan,
    "deploy.roll_back": lambda wb: deploy.roll_back(wb, "agreement-other"),
    "deploy.speak": lambda wb: deploy.speak(wb, "One moment, please."),
    "deploy.stream_recording": deploy.stream_recording,
    "deploy.transcribe_file": lambda wb: deploy.transcribe_file(wb, deploy.bundled_recording()),
    "deploy.update": lambda wb: deploy.update(wb, deploy.plan(wb, OTHER_POOL)),
    "register.apply": lambda wb: register.apply(wb, ScalingPolicy(target_value=0.001)),
    "register.cli_commands": register.cli_commands,
    "register.register": lambda wb: register.register(wb, 1, 2),
    "register.remove": register.remove,
    "register.resume": register.resume,
    "register.schedule": lambda wb: register.schedule(wb, "later", "rate(1 day)", min_capacity=1),
    "register.suspended": within_suspended,
    "register.verify": register.verify,
    "tune.LadderView": lambda wb: tune.LadderView(wb, tune.plan(wb)),
    "tune.ladder_figure": None,
    "tune.plan": tune.plan,
    "tune.retarget": lambda wb: tune.retarget(wb, 3.0),
    "tune.tune": tune.tune,
    "monitor.Live": lambda wb: monitor.Live(wb).once(),
    "monitor.Load": hold,
    "monitor.LoadControl": lambda wb: monitor.LoadControl(wb, None),
    "monitor.examine": monitor.examine,
    "monitor.file_load": lambda wb: monitor.file_load(wb).set(1),
    "monitor.log_tail": monitor.log_tail,
    "monitor.observe": lambda wb: monitor.observe(wb, wb.now() - timedelta(hours=1)),
    "monitor.put_alarms": lambda wb: monitor.put_alarms(wb, 3.0),
    "monitor.remove_alarms": monitor.remove_alarms,
    "monitor.write_report": lambda wb: monitor.write_report(wb, wb.home / "report.html"),
    "plan.Study": lambda wb: study(wb).apply(a_plan(wb)),
    "plan.back_test": plan.back_test,
    "plan.instance": lambda wb: plan.instance(replace(wb, endpoint_name="agreement-none")),
    "mixed.capacities": lambda wb: mixed.capacities(wb, ", ".join(f"{t}: {c}" for t, c in CAPACITIES.items())),
    "mixed.readings": lambda wb: mixed.readings(wb, CAPACITIES),
    "mixed.usage": lambda wb: mixed.usage(wb, CAPACITIES),
    "mixed.wait_within": lambda wb: mixed.wait_within(wb, CAPACITIES, 1.0, streams=0.0, timeout_s=1.0),
    "mixed.weighted_policy": lambda wb: mixed.weighted_policy(wb, "mean-of-ratios", capacity_by_type=CAPACITIES),
    "cleanup.delete": cleanup.delete,
    "cleanup.find": cleanup.find,
    "cleanup.pause": cleanup.pause,
    "cleanup.pause_schedule": lambda wb: cleanup.pause_schedule(wb, pause_at="20:00", resume_at="07:00"),
    "cleanup.prove_empty": cleanup.prove_empty,
    "cleanup.resume": cleanup.resume,
}
"""A use of every public name that takes a workbook, after which something of the account would differ."""
ASKS = {
    *("deploy.roll_back", "deploy.speak", "deploy.stream_recording", "deploy.transcribe_file", "deploy.update"),
    *("register.apply", "register.register", "register.remove", "register.resume", "register.schedule"),
    *("register.suspended", "tune.retarget", "tune.tune", "monitor.Load", "monitor.LoadControl", "monitor.file_load"),
    *("monitor.put_alarms", "monitor.remove_alarms", "plan.Study", "plan.instance", "cleanup.delete", "cleanup.pause"),
}
"""Those that are stopped for want of agreement."""


PRICE = re.compile(rf"\$\d+\.\d\d per hour|\$\d.* a month|{LOAD_PRICE}")
"""What a demand for agreement to spending states."""


def takes_a_workbook(name: str) -> bool:
    step, _, public = name.partition(".")
    named = getattr(import_module(f"dgsm_helpers.{step}"), public)
    return "wb" in inspect.signature(named).parameters


def public_names() -> list[str]:
    return [f"{s}.{name}" for s in dgsm_helpers.STEPS for name in import_module(f"dgsm_helpers.{s}").__all__]


def test_there_is_a_use_of_every_public_name_that_takes_a_workbook():
    assert {name for name in public_names() if takes_a_workbook(name)} == set(USES)


def beyond_reading(asked: list[str]) -> list[str]:
    return [operation for operation in asked if effect_of(operation) is not Effect.READS]


@pytest.mark.parametrize("name", [name for name, use in USES.items() if use])
def test_no_public_function_changes_anything_without_agreement(wb, name):
    with struck(wb, lambda: None, at=1, every=True) as asked:
        if name in ASKS:
            with pytest.raises(NotConfirmed, match=r"Set confirm_(spend|delete)=True") as caught:
                USES[name](wb)
            assert isinstance(caught.value, DeletionNotConfirmed) or PRICE.search(str(caught.value)), caught.value
        else:
            try:
                USES[name](wb)
            except DgsmError as error:
                assert name in ("cleanup.resume", "plan.back_test", "mixed.wait_within", "mixed.readings"), error
    assert beyond_reading(asked) == []


_SUSPENDED = Suspension().to_request()
_SETUP = {"setup": {"steps": [], "alarms": [], "notes": [], "endpoint_name": "agreement", "region": "us-east-1"}}
CUT_OFF = {
    "update": _SETUP,
    "measurement": asdict(Former(desired_instances=1)),
    "suspension": {"before": _SUSPENDED, "within": _SUSPENDED},
    "retarget": _SETUP,
}
"""What commands that bill have written down, by kind."""


@pytest.mark.parametrize("what", CUT_OFF)
@pytest.mark.parametrize("name", ["tune.retarget", "register.resume", "deploy.update", "tune.tune", "register.apply"])
def test_nothing_that_was_cut_off_is_put_back_without_agreement(agreed, wb, name, what):
    created = endpoint_state.status(agreed)
    with journal.written(agreed, what, created, CUT_OFF[what]) as page:
        page.settled = True
    try:
        with struck(wb, lambda: None, at=1, every=True) as asked, pytest.raises(NotConfirmed) as caught:
            USES[name](wb)
        assert PRICE.search(str(caught.value)), caught.value
        assert beyond_reading(asked) == []
    finally:
        page.record.clear()


@pytest.mark.parametrize("operation", ["PutScalingPolicy", "DeleteScalingPolicy", "DeregisterScalableTarget"])
def test_a_command_that_forgets_to_ask_is_stopped_before_its_first_change(wb, operation):
    request = {**journal_triple(wb), **({"PolicyName": "x"} if "Policy" in operation else {})}
    with struck(wb, lambda: None, at=1, every=True) as asked, pytest.raises(NotConfirmed, match=operation):
        call(wb, "application-autoscaling", operation, **request)
    assert asked == []


def journal_triple(wb):
    from dgsm_helpers.aws.scaling.scalable_target import triple

    return triple(wb)


def test_whose_account_it_is_is_said_once_before_the_first_change(agreed, capfd):
    wb = replace(agreed, bills=True, confirm_spend=True, readings={})
    register.verify(wb)
    assert capfd.readouterr().err == ""
    with struck(wb, lambda: None, at=1, every=True) as asked:
        register.register(wb, 1, 4)
        register.apply(wb)
    said = capfd.readouterr().err
    assert said.startswith("Account 123456789012 of the embedded AWS, as arn:aws:")
    assert said.count("this is what is changed") == 1
    assert asked.index("GetCallerIdentity") < asked.index("RegisterScalableTarget")


VERBS: dict[str, tuple[tuple[str, ...], set[int]]] = {
    "preflight": ((), {0, 1}),
    "deploy": (("--instance-type", "ml.g5.2xlarge", "--instance-type", "ml.g6.2xlarge"), {2, 3}),
    "register": (("--min", "2"), {3}),
    "status": ((), {0, 1}),
    "doctor": ((), {0, 1}),
    "tune": ((), {3}),
    "plan": (("--traffic", "constant", "--peak", "5"), {0, 1}),
    "size": (("--calls-per-hour", "60"), {0}),
    "forecast": (("--apply",), {2, 3}),
    "watch": (("--once",), {0}),
    "logs": ((), {0, 1}),
    "show": (("--no-open", "--calls", "1"), {3}),
    "report": (("--out", "{home}/report.html"), {0}),
    "export": ((), {0}),
    "update": (("--instance-type", "ml.g5.2xlarge", "--instance-type", "ml.g6.2xlarge"), {3}),
    "pause": ((), {3}),
    "resume": ((), {2, 3}),
    "restore": ((), {0}),
    "iam": (("01_deploy", "--role-arn", "arn:aws:iam::123456789012:role/r"), {0}),
    "listing": ((), {0, 1}),
    "role": (("create", "new-role"), {3}),
    "quota": (("--request", "999"), {3}),
    "record": ((), {3}),
    "clean-up": ((), {3}),
}
"""Each verb that works on an account, with what it is given and how it may exit."""
WITHOUT_AN_ACCOUNT = {"demo", "html", "run", "local", "studio"}


def test_there_is_a_use_of_every_verb():
    assert set(VERBS) | WITHOUT_AN_ACCOUNT == set(dgsm.commands)


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_changes_anything_without_agreement(wb, verb, monkeypatch):
    def open_one(where=None, *, confirm_spend=False, confirm_delete=False, listing=None, role_arn=None, **_):
        opened = replace(wb, confirm_spend=confirm_spend, confirm_delete=confirm_delete)
        return replace(opened, role_arn=role_arn) if role_arn else opened

    monkeypatch.setattr(session, "open_workbook", open_one)
    words, exits = VERBS[verb]
    takes_endpoint = verb not in ("iam", "listing", "role", "quota", "record")
    line = [verb, *([wb.endpoint_name] if takes_endpoint else []), *(w.format(home=wb.home) for w in words)]
    with struck(wb, lambda: None, at=1, every=True) as asked:
        ended = CliRunner().invoke(dgsm, line, prog_name="dgsm")
    assert ended.exit_code in exits, ended.output
    assert beyond_reading(asked) == []


def test_a_verb_that_is_agreed_to_does_change_something(agreed, monkeypatch):
    """The test above would see it."""
    wb = replace(agreed, bills=True, confirm_spend=True)
    with struck(wb, lambda: None, at=1, every=True) as asked:
        register.register(wb, 1, 4)
    assert beyond_reading(asked) == ["RegisterScalableTarget"]
    assert json.dumps(asked)
