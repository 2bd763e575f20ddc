"""Idle hours: a real-time endpoint cannot reach zero instances, so it is deleted and made again, identically.

`pause_endpoint` writes down what AWS cannot be asked for once the endpoint is gone: the endpoint, its targets,
policies and scheduled actions. Models and endpoint config cost nothing and stay; should a clean-up take them, they are
made again too.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.interrupts import termination_raises
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import create, endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, OnProgress
from dgsm_helpers.aws.scaling import journal, scaling_setup, setup_calls
from dgsm_helpers.aws.scaling.putting_back import restore_scaling
from dgsm_helpers.aws.scaling.setup_calls import Setup
from dgsm_helpers.errors import DeployFailed, NotFound, NotReady
from dgsm_helpers.session import Workbook
from dgsm_helpers.state import Record

TIME_TO_COME_BACK = "not measured yet; AWS's samples and Deepgram's manual let expect 5 to 10 minutes"
_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Paused(Table):
    """A paused endpoint.

    ``usd_per_hour`` is what its ``instances`` cost, at the list price; ``came_up_in_s`` how long it took to come back
    the last time, None before the first.
    """

    endpoint_name: str
    paused_at: datetime
    instances: int
    usd_per_hour: float | None
    setup: Setup
    came_up_in_s: float | None = None

    def saved_usd(self, now: datetime) -> float | None:
        """What the pause has saved on instances up to ``now``; None when the price is unknown."""
        hours = (now - self.paused_at).total_seconds() / 3600
        return None if self.usd_per_hour is None else self.usd_per_hour * hours

    _columns = ("what", "value")

    def _caption(self) -> str:
        return f"Endpoint {self.endpoint_name} is paused"

    def _rows(self) -> list[tuple[object, ...]]:
        saves = "an unknown price" if self.usd_per_hour is None else f"${self.usd_per_hour:.2f} per hour (list price)"
        back = TIME_TO_COME_BACK if self.came_up_in_s is None else f"{self.came_up_in_s:.0f} s the last time"
        return [
            ("paused at", f"{self.paused_at:%F %R} UTC"),
            ("instances", self.instances),
            ("saves", f"{saves}, and the Marketplace software fee"),
            ("time to come back", back),
        ]


@dataclass(frozen=True)
class Resumed:
    """An endpoint that is back.

    ``took_s`` is workbook time from the endpoint's creation to ``InService``; ``restored`` names the scaling that is on
    it again.
    """

    state: EndpointState
    took_s: float
    saved_usd: float | None
    restored: tuple[str, ...]

    def __str__(self) -> str:
        saved = "an unknown amount" if self.saved_usd is None else f"${self.saved_usd:.2f}"
        back = ", ".join(self.restored) or "no scaling"
        return f"{self.state.name} is back after {self.took_s:.0f} s with {back}; the pause saved {saved} on instances."


def pause_endpoint(wb: Workbook, *, on_progress: OnProgress | None = None) -> Paused:
    """Record the endpoint's set-up, take its scaling off and delete it: its billing stops, live streams are cut.

    All of it is written down before anything is removed (`journal`). If the deletion is refused, scaling is put back.

    Raises:
        NotFound: there is no such endpoint.
        NotReady: it is paused already, or it is not ``InService``.
        UnsupportedFeature: it is of a kind that has no instances of its own.
        DeletionNotConfirmed: the workbook was opened without ``confirm_delete=True`` on the user's account.
    """
    record = _record(wb)
    if record is not None and endpoint_state.find(wb) is None:
        raise NotReady(
            f"Endpoint {wb.endpoint_name!r} has been paused since {record.paused_at:%F %R} UTC.",
            hint="cleanup.resume(wb) makes it again.",
        )
    journal.finish(wb)
    endpoint = EndpointReading(wb)
    state = endpoint.ready()
    wb.require_delete(f"Endpoint {wb.endpoint_name} and its scaling, which cleanup.resume(wb) makes again,")
    setup = scaling_setup.read(wb)
    former = {"setup": asdict(setup), "instances": state.running, "usd_per_hour": endpoint.usd_per_hour}
    with journal.written(wb, "pause", state, former) as page:
        setup_calls.remove_scaling(wb, setup)
        call(wb, "sagemaker", "DeleteEndpoint", EndpointName=wb.endpoint_name)
        # From here on the entry is how to resume.
        page.settled = True
        left = endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=on_progress)
    if left is not None:
        raise NotReady(
            f"Endpoint {wb.endpoint_name!r} was to be deleted and is {left.status}. {left.failure_reason}".rstrip(),
            hint="It may still bill: cleanup.pause(wb) again.",
        )
    return paused(wb)


def recreate_endpoint(wb: Workbook, *, on_progress: OnProgress | None = None) -> Resumed:
    """Make the paused endpoint again, with the same config, name, targets, policies and scheduled actions.

    May be repeated: an endpoint that is coming up is waited for, one that failed is made anew, and the record stays
    until scaling is back too.

    Raises:
        NotFound: there is no record of a pause.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
        NotReady: somebody has made another endpoint of that name meanwhile, or it is still coming up.
        DeployFailed: it did not come up.
    """
    record = paused(wb)
    wb.require_spend(f"Endpoint {wb.endpoint_name} ({record.instances} instances before)", record.usd_per_hour)
    began, earlier = wb.now(), _earlier_attempt(wb, record, on_progress)
    if earlier is None:
        with termination_raises():
            for kind in ("Model", "EndpointConfig", "Endpoint"):
                for request in record.setup.of(f"Create{kind}"):
                    if kind == "Endpoint" or not create.exists(wb, kind, request[f"{kind}Name"]):
                        create.create(wb, kind, request)
    else:
        began = earlier.created or began
    state = endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=on_progress)
    if state is None or state.status != "InService":
        reason = f"is {state.status}: {state.failure_reason}" if state else "is gone again"
        raise DeployFailed(
            f"Endpoint {wb.endpoint_name!r} {reason}.",
            hint="What it was stays written down: mend that and cleanup.resume(wb) again.",
        )
    # Its status has changed last when it came up: nothing has scaled it since.
    took_s = ((state.modified or wb.now()) - began).total_seconds()
    back = restore_scaling(wb, record.setup, record.paused_at)
    _last_resume(wb, state.account).write({"came_up_in_s": took_s})
    journal.strike_out(wb, of=state, what="pause")
    return Resumed(state, took_s, record.saved_usd(began), (*back.restored, *back.meanwhile))


def _earlier_attempt(wb: Workbook, record: Paused, on_progress: OnProgress | None) -> EndpointState | None:
    """The endpoint, when an interrupted `recreate_endpoint` has made it already and it has not failed."""
    state = endpoint_state.find(wb)
    if state is not None and state.status == "Failed":
        call(wb, "sagemaker", "DeleteEndpoint", EndpointName=wb.endpoint_name)
    if state is not None and state.status in ("Failed", "Deleting"):
        state = endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=on_progress)
    config = record.setup.of("CreateEndpoint")[0]["EndpointConfigName"]
    if state is not None and state.config_name != config:
        raise NotReady(
            f"There is an endpoint {wb.endpoint_name!r} with the config {state.config_name}; the one that was paused "
            f"had {config}.",
            hint="Delete that one, and cleanup.resume(wb) makes the other again.",
        )
    return state


def paused(wb: Workbook) -> Paused:
    """The record of the workbook's paused endpoint. Raises NotFound: it has not been paused from this state folder."""
    record = _record(wb)
    if record is None:
        raise NotFound(
            f"There is no record in {wb.home} that endpoint {wb.endpoint_name!r} was paused.",
            hint="Resume where it was paused, or make a new endpoint with deploy.deploy(wb, plan).",
        )
    return record


def _record(wb: Workbook) -> Paused | None:
    entry = journal.latest(wb, "pause")
    if entry is None:
        return None
    former = entry.former
    came_up_in_s = _last_resume(wb, entry.account).read(lambda content: float(content["came_up_in_s"]))
    setup = Setup.from_json(former["setup"])
    return Paused(entry.endpoint_name, entry.began, former["instances"], former["usd_per_hour"], setup, came_up_in_s)


def _last_resume(wb: Workbook, account: str) -> Record:
    return Record(wb.state_path(f"idle/{wb.key}.{account}.json"), kind="the time of a resume", hint="Remove that file.")
