"""What a user sees, what is left and what a rerun does when a fault strikes a step of the work.

The steps are lines of ``dgsm``, each in a process of its own, on an embedded AWS. A fault strikes at one call of the
step, lasts until the step ends, and is over when the line is run again.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.endpoint import Endpoint

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import journal, scaling_setup
from dgsm_helpers.cli.main import exit_code, main
from dgsm_helpers.session import Workbook, open_workbook
from kit import endpoints
from kit.changing_commands import measured
from kit.sabotage import CHANGES, FAULTS, SIGNALS, Strike, signalled

NAME = "reliability"


@dataclass(frozen=True)
class Step:
    """A step of the work: its line, and the operation of AWS's at which a fault strikes.

    ``reads``: it only reads, so that a refusal strikes reading calls as well.
    """

    name: str
    line: str
    at: str
    reads: bool = False


_POOL = "--instance-type ml.g5.2xlarge --single-type-reason test"
STEPS = (
    Step("preflight", f"preflight {NAME}", "ListServiceQuotas", reads=True),
    Step("deploy", f"deploy {NAME} --instances 2 --confirm-spend", "CreateEndpoint"),
    Step("register", f"register {NAME} --min 2 --max 4 --confirm-spend", "PutScalingPolicy"),
    Step("doctor", f"doctor {NAME}", "DescribeScalingPolicies", reads=True),
    Step("measure", "(the part of `tune` that holds one instance)", "UpdateEndpointWeightsAndCapacities"),
    Step("retarget", f"register {NAME} --target 7 --confirm-spend", "PutScalingPolicy"),
    Step("update", f"update {NAME} {_POOL} --confirm-spend", "UpdateEndpoint"),
    Step("export", f"export {NAME} --out {os.devnull}", "DescribeEndpointConfig", reads=True),
    Step("report", f"report {NAME} --out {os.devnull}", "GetMetricData", reads=True),
    Step("pause", f"pause {NAME} --yes", "DeleteEndpoint"),
    Step("resume", f"resume {NAME} --confirm-spend", "CreateEndpoint"),
    Step("clean-up", f"clean-up {NAME} --yes", "DeleteEndpointConfig"),
)


def killed() -> None:
    """The process is gone at once."""
    os.kill(os.getpid(), signal.SIGKILL)


STRIKES: dict[str, tuple[Strike, bool]] = {
    **FAULTS,
    **{name: (signalled(number), False) for name, number in SIGNALS.items()},
    "kill -9": (killed, False),
}
"""By fault: what happens in place of a call, and whether calls that only read meet it as well."""
WORDS = {
    "denied": "AWS denies the call",
    "throttled": "AWS throttles it for good",
    "server-error": "AWS fails",
    "expired": "the credentials expire",
    "unreachable": "the network goes",
    "SIGINT": "Ctrl-C",
    "SIGTERM": "SIGTERM",
    "SIGHUP": "the terminal is closed",
    "kill -9": "kill -9",
}


@dataclass(frozen=True)
class Outcome:
    """How a step ended under a fault: its exit, what it said, what it left, and how the rerun ended."""

    exit: str
    said: str
    left: str
    rerun: str


def outcomes(
    home: Path, faults: tuple[str, ...], steps: tuple[Step, ...] = STEPS
) -> Iterator[tuple[str, str, Outcome]]:
    """(fault, step, outcome) of each fault at each of ``steps``, in the order of the work."""
    wb = open_workbook("local", home=home, endpoint_name=NAME)
    whole = {}
    for step in STEPS:
        ended, text = in_child(home, step)
        if ended not in ("0", "1"):
            raise AssertionError(f"{step.name} without a fault ended with {ended}: {text}")
        whole[step.name] = account(wb)
    for fault in faults:
        before = account(wb)
        for step in STEPS:
            if step in steps:
                ended, text = in_child(home, step, *STRIKES[fault])
                left = _left(wb, before, whole[step.name])
            again, said = in_child(home, step)
            after = account(wb)
            rerun = "does it" if again in ("0", "1") and after == whole[step.name] else f"{again}: {_scrubbed(said)}"
            if step in steps:
                yield fault, step.name, Outcome(ended, _scrubbed(text), left, rerun)
            before = after
    deletion.delete(wb)


def account(wb: Workbook) -> dict[str, str]:
    """What there is of the endpoint, and what is written down of it, once no change is in progress."""
    state = endpoint_state.settle(wb, timeout_s=endpoints.local_seconds(wb), on_progress=None)
    sagemaker = wb.client("sagemaker")
    models = sagemaker.list_models(NameContains=NAME)["Models"]
    configs = sagemaker.list_endpoint_configs(NameContains=NAME)["EndpointConfigs"]
    variant = state.variant(wb.variant_name) if state else None
    return {
        "endpoint": f"{state.status}, {variant.running} x {', '.join(variant.running_types)}"
        if state and variant
        else "none",
        "models and configs": f"{len(models)} and {len(configs)}",
        "scaling": _scaling(wb) if state else "",
        "a page of the journal": ", ".join(sorted({entry.what for _, entry in journal._entries(wb)})),
    }


def _scaling(wb: Workbook) -> str:
    steps = scaling_setup.read(wb).steps
    return repr([step for step in steps if step.service == "application-autoscaling"])


def _left(wb: Workbook, before: dict[str, str], whole: dict[str, str]) -> str:
    now = account(wb)
    if now == whole:
        return "all of it" if now != before else "as before"
    if now == before:
        return "as before"
    changed = [f"{key}: {_short(now[key])}" for key in now if now[key] != before[key]]
    return "; ".join(changed)


def _short(value: str) -> str:
    return "part of it" if value.startswith("[") and len(value) > 2 else value.replace("[]", "none") or "none"


def in_child(
    home: Path, step: Step, strike: Strike | None = None, reads_too: bool = False, *, ends_after_s: float = 0.0
) -> tuple[str, str]:
    """How the step ends in a process of its own, and what it says.

    ``ends_after_s`` kills it after so long, wherever it is: by SIGALRM, which nothing here handles, as by SIGKILL.
    """
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
                os.environ["DGSM_HOME"] = str(home)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, ends_after_s)
                if strike is not None:
                    _strike_at(step, strike, reads_too=reads_too or step.reads)
                code = _carried_out(home, step)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        text = said.read()
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name, text
    return str(os.WEXITSTATUS(status)), text


def seconds_of(home: Path, step: Step) -> float:
    """How long the step takes in a process of its own."""
    began = time.monotonic()
    ended, said = in_child(home, step)
    assert ended in ("0", "1"), said
    return time.monotonic() - began


def _carried_out(home: Path, step: Step) -> int:
    if step.name != "measure":
        return main(step.line.split())
    from dgsm_helpers.aws.core.interrupts import termination_raises

    with termination_raises():
        return exit_code(lambda: measured(open_workbook("local", home=home, endpoint_name=NAME)))


def _strike_at(step: Step, strike: Strike, *, reads_too: bool) -> None:
    """From the step's call on, the calls of this process meet the fault; a signal comes once."""
    made, begun = Endpoint.make_request, []
    once = strike.__qualname__.startswith(("signalled", "killed"))

    def met(self: Endpoint, model: Any, *args: Any) -> Any:
        begins = not begun and model.name == step.at
        goes_on = begun and not once and (reads_too or CHANGES.match(model.name))
        if begins or goes_on:
            begun.append(model.name)
            answer = strike()
            if answer is not None:
                return answer
        return made(self, model, *args)

    Endpoint.make_request = met  # type: ignore[method-assign]


_VARIABLE: tuple[tuple[str, Callable[[re.Match[str]], str] | str], ...] = (
    (r"\S+@\S+ (\(process \d+\) )?began on [\d-]+ [\d:]+ UTC", "you began"),
    (r"\b\d{4}-\d\d-\d\d[T ][\d:.+Z]*", "…"),
    (r"https?://\S+", "…"),
    (r"(/[\w.+-]+){2,}", "…"),
    (rf"{NAME}-[\w-]+", "…"),
    (r"\s+", " "),
)


def _scrubbed(text: str) -> str:
    """The words of an error without what differs from run to run."""
    lines = [line for line in text.splitlines() if line.strip()]
    start = next((number for number, line in enumerate(lines) if line.startswith("dgsm: ")), None)
    if start is None:
        if told := [line for line in lines if "as before" in line or "put back" in line]:
            return told[-1]
        return "what could not be read is named as unknown" if "could not be read" in text or "unknown" in text else ""
    text = " ".join(lines[start:])
    for pattern, replacement in _VARIABLE:
        text = re.sub(pattern, replacement, text)
    return text.removeprefix("dgsm: ").strip()
