"""The ``dgsm`` command.

Exit codes: 0 yes, 1 a negative answer, 2 the call itself failed (it says nothing about the question), 3 needs
confirmation. Modules are imported by the verb that needs them, so that each answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dgsm_helpers.cli.doctor_command import add_doctor
from dgsm_helpers.cli.export_command import add_export
from dgsm_helpers.cli.plan_command import add_plan
from dgsm_helpers.cli.report_command import add_report
from dgsm_helpers.cli.tune_command import add_tune
from dgsm_helpers.cli.watch_command import add_watch
from dgsm_helpers.errors import DgsmError, SpendNotConfirmed

YES, NO, FAILED, NEEDS_CONFIRMATION = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has seen enough (`dgsm plan … | head`). Python flushes once more at exit: into nothing, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return YES
    except SpendNotConfirmed as error:
        print(f"dgsm: {error}", file=sys.stderr)
        return NEEDS_CONFIRMATION
    except DgsmError as error:
        print(f"dgsm: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("dgsm: interrupted", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dgsm", description="Deepgram on a SageMaker endpoint that scales itself: deploy, register, tune, monitor."
    )
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(verbs)
    _add_run(verbs)
    _add_local(verbs)
    _add_clean_up(verbs)
    add_doctor(verbs, add_place=_add_place, open_workbook=_open)
    add_watch(verbs, add_place=_add_place, open_workbook=_open)
    add_plan(verbs, add_place=_add_place, open_workbook=_open)
    add_report(verbs, add_place=_add_place, open_workbook=_open)
    add_export(verbs, add_place=_add_place, open_workbook=_open)
    add_tune(verbs, add_place=_add_place, open_workbook=_open)
    return parser


def _add_demo(verbs: Any) -> None:
    verb = verbs.add_parser("demo", help="the whole workbook on the embedded AWS, in minutes")
    verb.add_argument("--out", type=Path, default=Path("out"), help="folder of the report (default: out)")
    verb.set_defaults(run=_demo)


def _demo(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process
    from dgsm_helpers.workbook.demo import run_demo

    home = _home()
    was_running = process.find(home) is not None
    process.up(home)
    try:
        return run_demo(out=args.out)
    finally:
        if not was_running:
            process.down(home)


def _add_run(verbs: Any) -> None:
    verb = verbs.add_parser("run", help="run notebooks in order, with parameters")
    verb.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK")
    verb.add_argument(
        "-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    verb.add_argument("--out", type=Path, default=Path("out"), help="folder of the executed notebooks (default: out)")
    verb.add_argument(
        "--timeout", type=float, default=2700, metavar="S", help="seconds a cell may take (default: 2700)"
    )
    verb.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from dgsm_helpers.workbook.run_notebooks import run_notebooks

    return YES if run_notebooks(args.notebooks, dict(args.parameters), args.out, args.timeout) else NO


def _add_local(verbs: Any) -> None:
    from dgsm_helpers.local import DEFAULT_SPEED

    local = verbs.add_parser("local", help="the embedded AWS on this machine")
    actions = local.add_subparsers(title="actions", required=True, metavar="ACTION")
    up = actions.add_parser("up", help="start it, or find the one that runs")
    up.add_argument(
        "--speed",
        type=float,
        default=DEFAULT_SPEED,
        metavar="S",
        help=f"local seconds per wall second (default {DEFAULT_SPEED:g}; 1 is real time)",
    )
    up.add_argument(
        "--metered",
        type=_metered,
        metavar="lanes=K,service_ms=S",
        help="capacity of the metered engine: floor(K*100/S) streams for each instance",
    )
    up.add_argument("--region", default="us-east-1", help="region it shows (default us-east-1); clients may use any")
    up.add_argument("--json", action="store_true", help="print the status as JSON")
    up.set_defaults(run=_local_up)
    down = actions.add_parser("down", help="stop it; nothing is left behind")
    down.set_defaults(run=_local_down)
    status = actions.add_parser("status", help="is it there, and where")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(run=_local_status)
    env = actions.add_parser("env", help='shell exports: eval "$(dgsm local env)" points any client at it')
    env.set_defaults(run=_local_env)
    _add_faults(actions.add_parser("fault", help="let something go wrong"))


def _add_faults(parser: argparse.ArgumentParser) -> None:
    from embedded_aws.gateway.faults import KINDS

    kinds = parser.add_subparsers(title="faults", required=True, metavar="FAULT")
    kinds.add_parser("list", help="the faults in force").set_defaults(run=_fault_list)
    clear = kinds.add_parser("clear", help="end all faults, or those of one kind")
    clear.add_argument("kind", nargs="?", choices=sorted(KINDS))
    clear.set_defaults(run=_fault_clear)
    for kind in KINDS.values():
        verb = kinds.add_parser(kind.name, help=kind.help)
        for parameter in kind.parameters:
            required = parameter.default is None and parameter.name != "count"
            name = parameter.name if required else f"--{parameter.name.replace('_', '-')}"
            verb.add_argument(name, help=parameter.help, **({} if required else {"dest": parameter.name}))
        verb.set_defaults(run=_fault_add, kind=kind.name, names=[p.name for p in kind.parameters])


def _metered(text: str) -> dict[str, float]:
    try:
        pairs = dict(part.split("=", 1) for part in text.split(","))
        settings = {"lanes": int(pairs.pop("lanes")), "service_ms": float(pairs.pop("service_ms"))}
    except (KeyError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form lanes=4,service_ms=38") from error
    if pairs:
        raise argparse.ArgumentTypeError(f"{text!r} has unknown settings: {', '.join(pairs)}")
    return settings


def _home() -> Path:
    return Path(os.environ.get("DGSM_HOME") or Path.home() / ".dgsm").expanduser()


def _local_up(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    info = process.up(_home(), speed=args.speed, metered=args.metered, region=args.region)
    _show_status(info, args.json)
    return YES


def _local_down(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    stopped = process.down(_home())
    print("The embedded AWS has stopped." if stopped else "The embedded AWS was not running.")
    return YES


def _local_status(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    info = process.find(_home())
    if info is None:
        print("null" if args.json else "The embedded AWS is not running. Start it: dgsm local up")
        return NO
    _show_status(info, args.json)
    return YES


def _show_status(info: Any, as_json: bool) -> None:
    from dgsm_helpers import local as process

    status = {**info.status(), **process.admin(info, "GET", "status")}
    del status["token"]
    if as_json:
        print(json.dumps(status, indent=2))
        return
    print(f"The embedded AWS runs (pid {info.pid}), local time {info.speed:g}x, now {status['now']}.")
    print(f"  control plane  {info.control_url}\n  runtime        {info.runtime_url}")
    for listing in status["listings"]:
        print(f"  listing        {listing['name']:<8} {listing['model_package_arn']}")
    if metered := status["engines"].get("metered"):
        rule = f"{metered['lanes']} lanes, {metered['service_ms']:g} ms per 100 ms of audio"
        print(f"  capacity       metered: {rule}: {metered['knee']} streams per instance")
    for endpoint in status["endpoints"]:
        print(f"  endpoint       {endpoint['name']}: {endpoint['status']}, {endpoint['running']} running")
    print('Point any client at it: eval "$(dgsm local env)"')


def _local_env(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    info = process.find(_home())
    if info is None:
        print("dgsm: the embedded AWS is not running; start it: dgsm local up", file=sys.stderr)
        return NO
    # Left from a real account, they would be sent with the local key pair, or ask for a profile's own settings.
    print("unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE")
    for name, value in info.env().items():
        print(f"export {name}={shlex.quote(value)}")
    return YES


def _running() -> Any:
    from dgsm_helpers import local as process
    from dgsm_helpers.errors import LocalNotRunning

    info = process.find(_home())
    if info is None:
        raise LocalNotRunning("The embedded AWS is not running.", hint="Start it: dgsm local up")
    return info


def _fault_add(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    given = {name: getattr(args, name) for name in args.names if getattr(args, name) is not None}
    print(_fault_line(process.admin(_running(), "POST", "faults", {"kind": args.kind, **given})))
    return YES


def _fault_list(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    for fault in process.admin(_running(), "GET", "faults"):
        print(_fault_line(fault))
    return YES


def _fault_line(fault: dict[str, Any]) -> str:
    said = " ".join(f"{name}={value}" for name, value in fault.items() if name not in ("id", "kind"))
    return f"#{fault['id']} {fault['kind']} {said}".strip()


def _fault_clear(args: argparse.Namespace) -> int:
    from dgsm_helpers import local as process

    gone = process.admin(_running(), "DELETE", "faults", {"kind": args.kind} if args.kind else {})["cleared"]
    print(f"{gone} fault{'s' * (gone != 1)} ended.")
    return YES


def _add_place(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("endpoint", nargs="?", default="deepgram-demo", help="endpoint name (default: deepgram-demo)")
    verb.add_argument("--where", choices=("local", "aws"), default="local", help="the embedded AWS or your account")
    verb.add_argument("--region", help="AWS region")
    verb.add_argument("--profile", help="profile of your AWS configuration")
    verb.add_argument("--variant", default="AllTraffic", help="production variant (default: AllTraffic)")


def _open(args: argparse.Namespace, **given: Any) -> Any:
    from dgsm_helpers.session import open_workbook

    return open_workbook(
        args.where,
        region=args.region,
        profile=args.profile,
        endpoint_name=args.endpoint,
        variant_name=args.variant,
        **given,
    )


def _add_clean_up(verbs: Any) -> None:
    verb = verbs.add_parser("clean-up", help="list what the workbook made for an endpoint, and delete it")
    _add_place(verb)
    verb.add_argument("--yes", action="store_true", help="delete what is listed; without it the list is all you get")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=_clean_up)


def _clean_up(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from dgsm_helpers.aws.account import deletion

    wb = _open(args)
    inventory = deletion.find(wb)
    answer: dict[str, Any] = {"found": [asdict(item) for item in inventory.items], "removed": [], "billable": []}
    code = YES
    if inventory.items and args.yes:
        deleted = deletion.delete(wb, inventory)
        billable = deletion.prove_empty(wb)
        answer |= {"removed": list(deleted.removed), "billable": [asdict(item) for item in billable]}
        left = (
            "Still billable: " + ", ".join(item.name for item in billable) if billable else "Nothing billable is left."
        )
        text, code = f"{deleted}\n{left}", NO if billable else YES
    elif inventory.items:
        text, code = f"{inventory}\nSay --yes to delete these.", NEEDS_CONFIRMATION
    else:
        text = f"Nothing is left of {args.endpoint}."
    print(json.dumps(answer, default=str) if args.json else text)
    return code


if __name__ == "__main__":
    sys.exit(main())
