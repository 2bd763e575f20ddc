"""The verbs that look at an endpoint (doctor, watch, report, export, iam) or change it (update, restore, clean-up)."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from dgsm_helpers.cli.options import (
    NEEDS_CONFIRMATION,
    NO,
    NUMBER,
    PATH,
    SETTINGS,
    YES,
    Opener,
    answer,
    confirm_spend_option,
    each_change,
    endpoint_place,
    json_option,
    place_options,
    say,
)
from dgsm_helpers.wire.whole_file import write_whole

FORMATS = ("cli", "boto3", "cloudformation", "terraform", "json")


@click.command()
@endpoint_place
@click.option("--peak-streams", type=NUMBER, help="most streams at once that you expect")
@click.option("--growth-per-min", type=NUMBER, help="new streams a minute in the steepest rise")
@click.option("--stream-seconds", "stream_s", type=NUMBER, help="how long a stream typically lasts")
@click.option("--data-path", is_flag=True, help="look at the way of a stream instead: what keeps it from the model")
@json_option
def doctor(open_workbook: Opener, *, data_path: bool, as_json: bool, **expected: float | None) -> int:
    """Hold an endpoint's configuration against measured capacity and AWS's rules.

    With --data-path: why no stream opens, in ten seconds; it sends one with a fifth of a second of silence.

    Exit code 1 when a finding says STOP.

    Such as: dgsm doctor my-endpoint --data-path
    """
    from dgsm_helpers.aws.doctor.data_path_findings import diagnose_path
    from dgsm_helpers.aws.doctor.examine import Expected, examine
    from dgsm_helpers.load.transport.data_path import follow

    if data_path and any(value is not None for value in expected.values()):
        raise click.UsageError("--data-path looks at the way of a stream, not at traffic: leave the other options out.")
    wb = open_workbook()
    if data_path:
        path = follow(wb)
        diagnosis = diagnose_path(wb, path.steps, within_s=path.left_s)
    else:
        diagnosis = examine(wb, Expected(**expected))
    answer(diagnosis.to_json() if as_json else diagnosis, as_is=as_json)
    return YES if diagnosis.ok else NO


@click.command()
@endpoint_place
@click.option("--html", type=PATH, metavar="FILE", help="keep a stand-alone page up to date instead")
@click.option("--window", type=NUMBER, default=1800.0, help="seconds shown")
@click.option("--every", type=NUMBER, help="seconds between refreshes (default: the metric's 10)")
@click.option("--once", is_flag=True, help="one picture, and done")
def watch(open_workbook: Opener, html: Path | None, window: float, every: float | None, once: bool) -> None:
    """Watch an endpoint live, in the terminal or on a page; Ctrl-C ends it.

    Such as: dgsm watch my-endpoint --html out/live.html
    """
    from dgsm_helpers.views.pages.watch import watch_in_terminal, watch_on_page

    wb = open_workbook()
    try:
        if html:
            say(f"Open {html.resolve()}; Ctrl-C ends it.")
            watch_on_page(wb, html, window_s=window, every_s=every, once=once)
        else:
            watch_in_terminal(wb, sys.stdout, window_s=window, every_s=every, once=once)
    except KeyboardInterrupt:
        # How it is meant to end.
        pass


@click.command()
@endpoint_place
@click.option("--out", type=PATH, metavar="FILE", help="default: out/report-ENDPOINT.html")
@click.option("--hours", type=NUMBER, help="length of the timeline (default: 3, as long as ten-second data is kept)")
def report(open_workbook: Opener, out: Path | None, hours: float | None) -> None:
    """Write one offline page about an endpoint, fit to be sent.

    Such as: dgsm report my-endpoint --hours 6
    """
    from dgsm_helpers.views.pages.report import WINDOW_S, write_report

    wb = open_workbook()
    page = out or Path("out") / f"report-{wb.endpoint_name}.html"
    answer(write_report(wb, page, last_s=hours * 3600 if hours else WINDOW_S))


@click.command()
@endpoint_place
@click.option("--to", "form", type=click.Choice(FORMATS), default="cli", help="format")
@click.option("--out", type=PATH, metavar="FILE", help="write it there instead of printing it")
def export(open_workbook: Opener, form: str, out: Path | None) -> None:
    """Write an endpoint's whole set-up down as a script or template.

    That is models, config, endpoint, scalable targets, policies and scheduled actions. The text goes to the output;
    what has to be given to use it, to the error output.

    A template can go straight to its linter, which reads its input when it is given no file:
    dgsm export ENDPOINT --to cloudformation | cfn-lint
    """
    from dgsm_helpers.aws.export.setup_export import export as export_setup

    exported = export_setup(open_workbook(), form)
    if out:
        write_whole(out, exported.text)
    else:
        click.echo(exported.text, nl=False)
    # On stderr, so that the text can go down a pipe; what is the account's own is shown here and nowhere in it.
    for parameter in exported.parameters:
        value = "(secret)" if parameter.secret else parameter.value
        say(f"dgsm: parameter {parameter.name}: {parameter.about}; here {value}")
    for note in exported.notes:
        say(f"dgsm: {note}")


@click.command()
@click.argument("notebook", required=False)
@click.option("--all", "every_notebook", is_flag=True, help="a policy for each notebook, in one JSON object by name")
@click.option("--endpoint", metavar="NAME", help=f"endpoint name; {SETTINGS}")
@click.option("--listing", metavar="NAME|ARN", help=f"model package that the policy is narrowed to; {SETTINGS}")
@click.option("--role-arn", help="execution role that may be passed (default: the caller's own role)")
@place_options
def iam(
    open_workbook: Opener, notebook: str | None, every_notebook: bool, listing: str | None, role_arn: str | None
) -> None:
    """Print the IAM policy under which NOTEBOOK runs for an endpoint: what it calls, and no more.

    Such as: dgsm iam 03_tune --endpoint my-endpoint --where aws > policy.json
    """
    from dgsm_helpers.aws.account.permissions import NOTEBOOK_CALLS, policy_document

    if (notebook is None) != every_notebook:
        raise click.UsageError(f"Give --all or one notebook of {', '.join(NOTEBOOK_CALLS)}.")
    wb = open_workbook(listing=listing, role_arn=role_arn)
    names = [Path(notebook).stem] if notebook else list(NOTEBOOK_CALLS)
    documents = {name: policy_document(wb, name) for name in names}
    answer(json.dumps(documents[names[0]] if notebook else documents, indent=2), as_is=True)


@click.command()
@endpoint_place
@click.option("--listing", metavar="NAME|ARN", help="model package to change to")
@click.option(
    "--instance-type",
    "instance_types",
    multiple=True,
    metavar="TYPE",
    help="instance type to change to; give it again for a pool, in order of preference",
)
@click.option("--single-type-reason", "reason", default="", metavar="TEXT", help="why one type has no fallback")
@click.option("--roll-back", metavar="CONFIG", help="return to this endpoint config, which an update named")
@confirm_spend_option
@json_option
def update(open_workbook: Opener, *, listing, instance_types, reason, roll_back, confirm_spend, as_json) -> None:
    """Bring a new model package or instance type under an endpoint that scales, or roll that back.

    Scaling is off meanwhile and put back whatever happens; what is not named stays as it is. For a while a second fleet
    runs beside the first.

    Such as: dgsm update my-endpoint --instance-type ml.g6e.2xlarge --instance-type ml.g5.2xlarge
    """
    from dgsm_helpers.aws.endpoint import update as step

    if bool(listing or instance_types) == bool(roll_back):
        raise click.UsageError("Give --listing or --instance-type, or else --roll-back.")
    wb = open_workbook(listing=listing, confirm_spend=confirm_spend)
    if roll_back:
        updated = step.roll_back(wb, roll_back, on_progress=each_change(), on_warning=say)
    else:
        package = wb.model_package_arn if listing else None
        plan = step.plan_change(wb, package, instance_types, single_type_reason=reason)
        say(plan)
        updated = step.update_endpoint(wb, plan, on_progress=each_change(), on_warning=say)
    told = {
        "endpoint": updated.state.name,
        "config_name": updated.state.config_name,
        "former_config_name": updated.former_config_name,
        "scaling": updated.restored,
        "warnings": updated.warnings,
        "took_s": updated.took_s,
    }
    answer(json.dumps(told) if as_json else updated, as_is=as_json)


@click.command()
@endpoint_place
@confirm_spend_option
@json_option
def restore(open_workbook: Opener, *, confirm_spend: bool, as_json: bool) -> None:
    """Put an endpoint back as it was before a command that was cut off, or before a pause.

    Killed, refused or lost in the middle: what a command had changed is written down in the state folder. The next
    command that changes the endpoint puts it back too.

    Such as: dgsm restore my-endpoint
    """
    from dgsm_helpers.aws.endpoint.endpoint_state import find
    from dgsm_helpers.aws.endpoint.pause import recreate_endpoint
    from dgsm_helpers.aws.scaling import journal

    wb = open_workbook(confirm_spend=confirm_spend)
    state = find(wb)
    done = journal.finish(wb, say=say)
    if not done and journal.latest(wb, "pause") and (state is None or state.status != "InService"):
        done = (str(recreate_endpoint(wb, on_progress=each_change())),)
    text = "\n".join(done) or f"Nothing of {wb.endpoint_name} is to be put back."
    answer(json.dumps({"endpoint": wb.endpoint_name, "put_back": done}) if as_json else text, as_is=as_json)


@click.command("clean-up")
@endpoint_place
@click.option("--yes", "confirmed", is_flag=True, help="delete what is listed; without it the list is all you get")
@json_option
def clean_up(open_workbook: Opener, confirmed: bool, as_json: bool) -> int:
    """List what the workbook made for an endpoint, and delete it.

    Exit code 1 when something of the endpoint bills on, such as an endpoint that somebody else made, or may bill on
    because it could not be listed.

    Such as: dgsm clean-up my-endpoint --where aws --yes
    """
    from dgsm_helpers.aws.account import deletion
    from dgsm_helpers.aws.account.inventory import find

    wb = open_workbook(confirm_delete=confirmed)
    left = inventory = find(wb)
    told: dict[str, Any] = {"region": wb.region, "found": [asdict(item) for item in inventory.items], "removed": []}
    nothing = "Nothing was found of" if inventory.unread else "Nothing is left of"
    text = str(inventory) if inventory.items else f"{nothing} {wb.endpoint_name}."
    ours = [item for item in inventory.items if item.ours]
    if ours and confirmed:
        deleted = deletion.delete(wb, inventory)
        told["removed"] = list(deleted.removed)
        text, left = str(deleted), find(wb)
    told |= {"billable": [asdict(item) for item in left.billing], "other_endpoints": left.others, "unread": left.unread}
    if ours and not confirmed:
        text, code = f"{text}\nSay --yes to delete what is ours.", NEEDS_CONFIRMATION
    else:
        text, code = f"{text}\n{left.bill()}", NO if left.billing or left.unread else YES
    answer(json.dumps(told, default=str) if as_json else text, as_is=as_json)
    return code
