"""How many streams or calls one instance of the workbook's endpoint sustains: pinned, measured, put back."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TypedDict, Unpack

from dgsm_helpers.aws.core.money import InstanceCost
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.endpoint.endpoint_state import OnProgress
from dgsm_helpers.aws.scaling import pin
from dgsm_helpers.aws.watch.engine_metrics import read_engine
from dgsm_helpers.aws.watch.metrics import gauge
from dgsm_helpers.families import Family
from dgsm_helpers.load.ladder.capacity import find_capacity, known_choice, require_streams
from dgsm_helpers.load.ladder.crew import Crew
from dgsm_helpers.load.ladder.criteria import presets
from dgsm_helpers.load.ladder.rung import EFFORTS, Rung
from dgsm_helpers.load.ladder.search import FIRST_RUNG
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.load.ladder.target_value import derive_target
from dgsm_helpers.load.transport.conversation import read_texts
from dgsm_helpers.load.transport.data_path import require_open
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import read_recordings
from dgsm_helpers.load.transport.workloads import without_pauses, workload_of
from dgsm_helpers.planning.tuning import Tuning, default_effort, of_its_model
from dgsm_helpers.rules.guide import GUIDE_HIGH
from dgsm_helpers.session import Workbook


class Derivation(TypedDict):
    """What a target is derived by, beside the knee; as `derive_target` takes them."""

    headroom: float
    instances: int
    growth_per_min: float


def tune(
    wb: Workbook,
    *,
    effort: str | None = None,
    criteria: str = "strict",
    max_streams: int = 1000,
    headroom: float = GUIDE_HIGH,
    instances: int = 1,
    growth_per_min: float = 0.0,
    audio: str = "",
    texts: str = "",
    think_s: float = 0.0,
    query: str = "",
    crew: Crew | None = None,
    on_rung: Callable[[Rung], object] | None = None,
    on_progress: OnProgress | None = None,
    say: Callable[[str], object] = print,
) -> Tuning:
    """Measure what one instance sustains and derive the TargetValue. The policy is left as it is.

    Where the model speaks two numbers are measured: how many calls may speak at once, and how many calls are sustained
    that also listen. The target comes from calls: those are what CloudWatch counts.

    The endpoint is pinned to one instance with scaling suspended, and put back afterwards whatever happens
    (`aws.scaling.pin.one_instance`). After each rung it is made sure that nobody changed it.

    Args:
        effort: ``quick``, ``standard`` or ``thorough``: time against confidence; default: ``quick`` where only waiting
            counts, else ``standard``.
        criteria: ``strict``, ``deepgram``, or another of the family's (``fast`` where the model speaks).
        max_streams: never hold more.
        headroom: share of the knee that the guide's rule allows; the guide says 0.7-0.8.
        instances, growth_per_min: for the time-based rule: how many run when growth sets in, and new streams a minute.
        audio: your own recordings: a file, a folder of them or a pattern, streamed in turn; empty: the bundled one.
            Capacity depends on what is said and how, so an endpoint for real callers wants their kind of audio.
        texts: where the model speaks: a file of what it says, a turn a line; empty: three of different length.
        think_s: where the model speaks: seconds between two turns of a call, in which the caller speaks; 0: so many
            that the model speaks for a third of a call.
        query: features beyond the defaults, as a query string of the model's path; they cost capacity.
        crew: client processes elsewhere; this machine's by default.
        on_rung: called with each rung whenever it has been measured (again).
        on_progress: called while the instance count changes.
        say: told in sentences what is changed and put back.

    Raises:
        InvalidInput: a value that cannot be used, or a model package of no family that can be spoken to; nothing was
            changed.
        StreamFailed, CredentialsProblem, AccessDenied: no stream can be opened from here; nothing was changed.
        NotFound, NotReady, SpendNotConfirmed, MeasurementInvalid: as `one_instance` and `load.find_capacity`; evidence
            of what was measured is kept.
    """
    endpoint = EndpointReading(wb)
    endpoint.ready()
    wb = of_its_model(wb, endpoint)
    search_effort = known_choice("effort", effort or default_effort(wb), EFFORTS)
    derivation: Derivation = {"instances": instances, "growth_per_min": growth_per_min, "headroom": headroom}
    require_usable(wb.family, criteria=criteria, max_streams=max_streams, **derivation)
    workload = workload_of(
        wb.family,
        recordings=read_recordings(audio) if audio else (),
        texts=read_texts(texts) if texts else (),
        think_s=think_s or None,
    )
    spec = LoadSpec(workload=workload, query=Query.parse(query, wb.family))
    if wb.confirm_spend:  # else nothing is measured, and no stream opened
        require_open(wb)  # before scaling is touched
    with pin.one_instance(wb, on_progress=on_progress, say=say) as pinned:

        def measured(told: Callable[[Rung], object] | None, rung: Rung) -> None:
            if told is not None:
                told(rung)
            pinned.check()

        find = partial(
            find_capacity,
            wb,
            instance_type=pinned.instance_type,
            effort=search_effort,
            criteria=criteria,
            max_streams=max_streams,
            crew=crew,
            gauge=gauge(wb, settle_s=search_effort.settle_s),
        )
        turns, begin_at = None, None
        if (talking := without_pauses(workload)) is not None:
            say("First: how many calls may speak at once.")
            turns = find(spec=replace(spec, workload=talking), on_rung=partial(measured, _sayer(say)))
            # JupyterLab breaks a printed line that is too long in the middle of a word.
            say("\n".join([*str(turns).split("; "), "Now: how many calls, which also listen, one instance sustains."]))
            begin_at = max(turns.feasible_max, FIRST_RUNG)
        result = find(spec=spec, on_rung=partial(measured, on_rung), begin_at=begin_at)
        engine = read_engine(wb)
        types = (pinned.instance_type,) if pinned.instance_type else EndpointReading(wb).running_types
    gauge_ratios = [hold.gauge for rung in result.rungs for hold in rung.holds if hold.gauge and hold.void is None]
    ratio = round(median(gauge_ratios), 3) if gauge_ratios else None
    target = derive_target(result.feasible_max, **derivation, server_per_client=ratio or 1.0, unit=result.unit)
    minutes = result.instance_minutes + (turns.instance_minutes if turns is not None else 0.0)
    return Tuning(result, target, InstanceCost.of(wb, types, minutes), ratio, turns, engine)


def require_usable(family: Family, *, criteria: str, max_streams: int, **derivation: Unpack[Derivation]) -> None:
    """Refuse (InvalidInput) what no measurement of the family can use, before anything is deployed for it."""
    known_choice("criteria", criteria, presets(family))
    require_streams(max_streams)
    derive_target(1, **derivation)


def _sayer(say: Callable[[str], object]) -> Callable[[Rung], None]:
    def told(rung: Rung) -> None:
        say(f"{rung.n} at once: {rung.verdict.value}{f' by {rung.constraint}' if rung.constraint else ''}")

    return told
