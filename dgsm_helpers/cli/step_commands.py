"""The verbs that are the workbook's steps: preflight, deploy, register, status, logs, pause, resume."""

import json
from contextlib import suppress
from dataclasses import asdict

import click

from dgsm_helpers.cli.options import (
    NO,
    NUMBER,
    YES,
    Opener,
    answer,
    confirm_spend_option,
    each_change,
    endpoint_place,
    json_option,
    say,
)
from dgsm_helpers.errors import NotFound

listing_option = click.option("--listing", metavar="NAME|ARN", help="model package to deploy")
role_option = click.option("--role-arn", help="execution role of the endpoint")


@click.command()
@endpoint_place
@listing_option
@role_option
@json_option
def preflight(open_workbook: Opener, listing: str | None, role_arn: str | None, as_json: bool) -> int:
    """Ask everything that can be asked before deploying; nothing is changed and nothing bills.

    Exit code 1 when something is missing; what to do about it stands beside it.

    Such as: dgsm preflight --where aws --listing arn:aws:sagemaker:us-east-1:865070037744:model-package/…
    """
    from dgsm_helpers import start

    report = start.check(open_workbook(listing=listing, role_arn=role_arn))
    told = {"ok": report.ok, "checks": [asdict(row) for row in report.rows]}
    answer(json.dumps(told) if as_json else report, as_is=as_json)
    return YES if report.ok else NO


@click.command()
@endpoint_place
@listing_option
@role_option
@click.option(
    "--instance-type",
    "instance_types",
    multiple=True,
    metavar="TYPE",
    help="instance type; give it again for a pool, in order of preference (default: Deepgram's pool, without the types "
    "whose quota is 0)",
)
@click.option("--single-type-reason", "reason", default="", metavar="TEXT", help="why one type has no fallback")
@click.option("--instances", type=int, default=1, help="instances at the start")
@confirm_spend_option
@json_option
def deploy(
    open_workbook: Opener,
    *,
    listing: str | None,
    role_arn: str | None,
    instance_types: tuple[str, ...],
    reason: str,
    instances: int,
    confirm_spend: bool,
    as_json: bool,
) -> None:
    """Make an endpoint and wait until it is in service; an identical one is reused.

    The plan and its price are printed first, on the error output, with each change that SageMaker reports.

    Such as: dgsm deploy my-endpoint --where aws --listing arn:aws:sagemaker:us-east-1:…:model-package/… --confirm-spend
    """
    from dgsm_helpers import deploy as step
    from dgsm_helpers.aws.endpoint.pause import paused

    wb = open_workbook(listing=listing, role_arn=role_arn, confirm_spend=confirm_spend)
    types = instance_types or step.choose_pool(wb).kept
    plan = step.plan(wb, types, initial_count=instances, single_type_reason=reason)
    say(plan)
    with suppress(NotFound):
        since = paused(wb).paused_at
        say(f"It has been paused since {since:%F %R} UTC: dgsm resume {wb.endpoint_name} makes it again as it was.")
    made = step.deploy(wb, plan, on_change=each_change())
    told = {
        "endpoint": made.state.name,
        "arn": made.state.arn,
        "config_name": made.state.config_name,
        "instances": made.state.running,
        "reused": made.reused,
        "took_s": made.took_s,
    }
    answer(json.dumps(told) if as_json else made, as_is=as_json)


@click.command()
@endpoint_place
@click.option("--min", "min_capacity", type=int, help="fewest instances, never none (default: as it is, else 1)")
@click.option("--max", "max_capacity", type=int, help="most instances (default: as it is, else 4)")
@click.option(
    "--target", "target_value", type=NUMBER, help="requests per instance (default: as it is, else the guide's 5)"
)
@click.option(
    "--scale-in-cooldown", "scale_in_cooldown_s", type=int, help="seconds after a scale-in (default: likewise 300)"
)
@click.option("--scale-out-cooldown", "scale_out_cooldown_s", type=int, help="seconds after a scale-out (likewise 60)")
@click.option(
    "--most-cut", type=click.IntRange(min=0), help="calls that a scale-in may cut (default: as it is; 0: any number)"
)
@click.option("--resume", is_flag=True, help="let scaling go on that was suspended")
@confirm_spend_option
@json_option
def register(
    open_workbook: Opener,
    *,
    min_capacity: int | None,
    max_capacity: int | None,
    resume: bool,
    confirm_spend: bool,
    as_json: bool,
    **changes: float | None,
) -> int:
    """Let an endpoint scale: register its variant, put the policy on it, read both back.

    What is not given stays as it is. Exit code 1 when what AWS has is not what was asked for.

    Such as: dgsm register my-endpoint --min 1 --max 4 --target 8
    """
    from dgsm_helpers import register as step

    wb = open_workbook(confirm_spend=confirm_spend)
    policy = step.verify(wb).policy(**changes)
    registration = step.register(wb, min_capacity, max_capacity)
    for warning in registration.warnings:
        say(warning)
    step.apply(wb, policy)
    if resume:
        step.resume(wb)
    bounds = {"min_capacity": registration.min_capacity, "max_capacity": registration.max_capacity}
    state = step.verify(wb, policy, **bounds)
    told = {
        "resource_id": state.resource_id,
        **bounds,
        "policy": policy.name,
        **policy.to_request(),
        "most_cut": policy.most_cut,
        "alarms": [alarm.name for alarm in state.alarms],
        "problems": state.problems,
    }
    answer(json.dumps(told) if as_json else state, as_is=as_json)
    return YES if state.ok else NO


@click.command()
@endpoint_place
@json_option
def status(open_workbook: Opener, as_json: bool) -> int:
    """Show an endpoint as it is: instances, cost, bounds, policy and alarms.

    Exit code 1 when it is not in service, or not scaling as it should.

    Such as: dgsm status my-endpoint --json
    """
    from dgsm_helpers import register as step
    from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading

    wb = open_workbook()
    endpoint, scaling = EndpointReading(wb), step.verify(wb)
    state, usd = endpoint.state, endpoint.usd_per_hour
    told = {
        "endpoint": state.name,
        "status": state.status,
        "running": state.running,
        "desired": state.desired,
        "instances_by_type": state.instances_by_type,
        "usd_per_hour": usd,
        "bounds": scaling.target and [scaling.target.min_capacity, scaling.target.max_capacity],
        "policies": [policy.name for policy in scaling.policies],
        "alarms": {alarm.name: alarm.state for alarm in scaling.alarms},
        "problems": scaling.problems,
    }
    cost = "at an unknown price" if usd is None else f"${usd:.2f} per hour"
    text = f"{state}\nCosts {cost} at AWS's list price, without the Marketplace software fee.\n\n{scaling}"
    answer(json.dumps(told) if as_json else text, as_is=as_json)
    return YES if state.status == "InService" and scaling.ok else NO


@click.command()
@endpoint_place
@click.option("--instance", metavar="ID", help="only this instance's lines (default: all instances)")
@click.option("--lines", type=int, default=100, help="how many at most")
@click.option("--minutes", type=NUMBER, default=60, help="how far to look back")
@click.option("--containing", default="", metavar="TEXT", help="only lines with this text")
@json_option
def logs(
    open_workbook: Opener, *, instance: str | None, lines: int, minutes: float, containing: str, as_json: bool
) -> int:
    """Print the containers' newest log lines, with what Deepgram's manual says of those it knows.

    Exit code 1 when a line means trouble.

    Such as: dgsm logs my-endpoint --minutes 30 --containing ERROR
    """
    from dgsm_helpers.aws.watch.logs import tail

    log = tail(open_workbook(), instance=instance, lines=lines, last_s=60 * minutes, containing=containing)
    known = [(line, line.pattern) for line in log.lines]
    rows = [
        {
            "time": line.time.isoformat(),
            "instance": line.instance,
            "message": line.message,
            "meaning": pattern.meaning if pattern else "",
            "problem": pattern is not None and pattern.problem,
        }
        for line, pattern in known
    ]
    answer(json.dumps({"group": log.group, "lines": rows}) if as_json else log, as_is=True)
    return NO if log.problems else YES


@click.command()
@endpoint_place
@click.option("--yes", "confirmed", is_flag=True, help="agree to deleting it from your account, to be made again later")
@json_option
def pause(open_workbook: Opener, confirmed: bool, as_json: bool) -> None:
    """Write an endpoint's set-up down and delete it, for idle hours: an endpoint cannot scale to zero.

    Its live streams are cut. `dgsm resume ENDPOINT` makes it again, with its scaling.

    Such as: dgsm pause my-endpoint --where aws --yes
    """
    from dgsm_helpers import cleanup

    paused = cleanup.pause(open_workbook(confirm_delete=confirmed), on_progress=each_change())
    told = {
        "endpoint": paused.endpoint_name,
        "instances": paused.instances,
        "usd_per_hour": paused.usd_per_hour,
    }
    answer(json.dumps(told) if as_json else paused, as_is=as_json)


@click.command()
@endpoint_place
@confirm_spend_option
@json_option
def resume(open_workbook: Opener, confirm_spend: bool, as_json: bool) -> None:
    """Make an endpoint again that `dgsm pause` deleted, and wait until it is in service.

    Such as: dgsm resume my-endpoint --where aws --confirm-spend
    """
    from dgsm_helpers import cleanup

    back = cleanup.resume(open_workbook(confirm_spend=confirm_spend), on_progress=each_change())
    told = {
        "endpoint": back.state.name,
        "took_s": back.took_s,
        "saved_usd": back.saved_usd,
        "scaling": back.restored,
    }
    answer(json.dumps(told) if as_json else back, as_is=as_json)
