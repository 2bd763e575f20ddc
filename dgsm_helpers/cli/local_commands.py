"""``dgsm local``: start, stop and look at the embedded AWS, point a shell at it, and let something go wrong in it."""

import json
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from dgsm_helpers import local as process
from dgsm_helpers.cli.options import NO, NUMBER, YES, json_option, say
from dgsm_helpers.errors import DgsmError, LocalNotRunning
from dgsm_helpers.places import running_server
from dgsm_helpers.places.server_info import ServerInfo


@click.group()
def local() -> None:
    """The embedded AWS on this machine."""


def _read_metered(ctx: click.Context, param: click.Parameter, text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        pairs = dict(part.split("=", 1) for part in text.split(","))
        settings = {"lanes": int(pairs.pop("lanes")), "service_ms": float(pairs.pop("service_ms"))}
    except (KeyError, ValueError) as error:
        raise click.BadParameter(f"{text!r} is not of the form lanes=4,service_ms=38") from error
    if pairs:
        raise click.BadParameter(f"{text!r} has unknown settings: {', '.join(pairs)}")
    return settings


@local.command()
@click.option(
    "--speed", type=NUMBER, help=f"local seconds per wall second; 1 is real time [default: {process.DEFAULT_SPEED:g}]"
)
@click.option(
    "--metered",
    callback=_read_metered,
    metavar="lanes=K,service_ms=S",
    help="capacity of the metered listings: floor(K*100/S) streams, or texts spoken at once, for each instance",
)
@click.option("--region", help=f"region it shows; clients may use any [default: {process.DEFAULT_REGION}]")
@click.option(
    "--signatures/--no-signatures",
    default=None,
    help="whether the control plane refuses calls with a wrong key pair, as AWS does [default: signatures]",
)
@json_option
def up(
    speed: float | None,
    metered: dict[str, float] | None,
    region: str | None,
    signatures: bool | None,
    as_json: bool,
) -> None:
    """Start it, or find the one that runs.

    Such as: dgsm local up --speed 1 --metered lanes=4,service_ms=38
    """
    info = process.up(process.home_folder(), speed=speed, metered=metered, region=region, check_signatures=signatures)
    _print_status(info, as_json)


@local.command()
def down() -> None:
    """Stop it; nothing is left behind."""
    stopped = process.down(process.home_folder())
    click.echo("The embedded AWS has stopped." if stopped else "The embedded AWS was not running.")


@local.command()
@json_option
def status(as_json: bool) -> int:
    """Tell whether it runs, and where.

    Such as: dgsm local status --json
    """
    if (info := _find()) is None:
        click.echo("null" if as_json else "The embedded AWS is not running. Start it: dgsm local up")
        return NO
    _print_status(info, as_json)
    return YES


@local.command()
@click.option(
    "--aws-hosts",
    is_flag=True,
    help="with AWS's own host name and ports 443 and 8443, for clients that make up the address from them, such as "
    "Deepgram's kit; the line for the hosts file is printed beside it",
)
def env(aws_hosts: bool) -> int:
    """Print shell exports: eval "$(dgsm local env)" points any client at it."""
    if (info := _find()) is None:
        say("dgsm: the embedded AWS is not running; start it: dgsm local up")
        return NO
    # Left from a real account, they would lead elsewhere, or be sent with the local key pair.
    click.echo(f"unset {' '.join(info.left_over())}")
    if aws_hosts:
        address = running_server.admin(info, "POST", "aws-ports")["address"]
        say(f"dgsm: the hosts file needs the line: {address} {info.aws_host}")
    for name, value in (info.env_by_aws_host() if aws_hosts else info.env()).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return YES


def _find() -> ServerInfo | None:
    return process.find(process.home_folder())


def _ask(method: str, route: str, body: Any = None) -> Any:
    if (info := _find()) is None:
        raise LocalNotRunning("The embedded AWS is not running.", hint="Start it: dgsm local up")
    return running_server.admin(info, method, route, body)


def _print_status(info: ServerInfo, as_json: bool) -> None:
    status = {**info.status(), **running_server.admin(info, "GET", "status")}
    del status["token"]
    if as_json:
        click.echo(json.dumps(status, indent=2))
        return
    click.echo(f"The embedded AWS runs (pid {info.pid}), local time {info.speed:g}x, now {status['now']}.")
    click.echo(f"  control plane  {info.control_url}\n  runtime        {info.runtime_url}")
    for listing in status["listings"]:
        click.echo(f"  listing        {listing['name']:<16} {listing['model_package_arn']}")
    if metered := status["engines"].get("metered"):
        rule = f"{metered['lanes']} lanes, {metered['service_ms']:g} ms per 100 ms of audio"
        most = f"{metered['knee']} streams per instance, or {metered['voices']} texts spoken at once"
        click.echo(f"  capacity       metered: {rule}: {most}")
    for engine in ("speech", "spoken"):
        if note := status["engines"].get(engine, {}).get("note"):
            click.echo(f"  {engine:<14} {note}")
    for endpoint in status["endpoints"]:
        click.echo(f"  endpoint       {endpoint['name']}: {endpoint['status']}, {endpoint['running']} running")
    click.echo('Point any client at it: eval "$(dgsm local env)"')


class FaultKinds(click.Group):
    """Its own commands, and one for each kind of fault that the running embedded AWS knows."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        try:
            return [*self.commands, *_fault_kinds()]
        except DgsmError:
            return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands or cmd_name not in (kinds := _fault_kinds()):
            return self.commands.get(cmd_name)
        kind = kinds[cmd_name]
        arguments = [f"\n\n{p['name'].upper()} is {p['help']}." for p in kind["parameters"] if p["required"]]
        return click.Command(
            cmd_name,
            callback=partial(_set_fault, cmd_name),
            params=[_parameter(**parameter) for parameter in kind["parameters"]],
            help=f"{kind['help']}.{''.join(arguments)}",
        )


@local.group(cls=FaultKinds)
def fault() -> None:
    """Let something go wrong. The embedded AWS has to run (dgsm local up): it names the faults that there are.

    Such as: dgsm local fault shortage ml.g6.2xlarge
    """


@fault.command("list")
def list_faults() -> None:
    """List the faults in force."""
    for one in _ask("GET", "faults"):
        _print_fault(one)


@fault.command("clear")
@click.argument("kind", required=False)
def clear_faults(kind: str | None) -> None:
    """End all faults, or those of one KIND.

    Such as: dgsm local fault clear shortage
    """
    count = _ask("DELETE", "faults", {"kind": kind} if kind else {})["cleared"]
    click.echo(f"{count} fault{'s' * (count != 1)} ended.")


def _set_fault(kind: str, **values: str | None) -> None:
    parameters = {name: value for name, value in values.items() if value is not None}
    _print_fault(_ask("POST", "faults", {"kind": kind, **parameters}))


def _parameter(name: str, help: str, required: bool, choices: list[str], **_: Any) -> click.Parameter:
    """Its value stays text: the server checks and converts it."""
    if required:
        return click.Argument([name])
    return click.Option([f"--{name.replace('_', '-')}"], help=f"{help}{f' ({", ".join(choices)})' if choices else ''}")


def _fault_kinds() -> dict[str, Mapping[str, Any]]:
    return {kind["name"]: kind for kind in _ask("GET", "faults/kinds")["kinds"]}


def _print_fault(fault: Mapping[str, Any]) -> None:
    settings = " ".join(f"{name}={value}" for name, value in fault.items() if name not in ("id", "kind"))
    click.echo(f"#{fault['id']} {fault['kind']} {settings}".strip())
