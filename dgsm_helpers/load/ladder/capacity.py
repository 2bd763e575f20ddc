"""Measured capacity: how many streams one instance sustains, with the evidence.

`find_capacity` is the experiment; `CapacityResult` its answer, an interval and the confidence in it, never a single
number read off a curve. Results are kept as JSON under the workbook's state folder.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgsm_helpers.errors import InvalidInput, MeasurementInvalid
from dgsm_helpers.load.ladder.crew import Crew
from dgsm_helpers.load.ladder.criteria import Criteria, presets
from dgsm_helpers.load.ladder.live_endpoint import Gauge, LiveEndpoint
from dgsm_helpers.load.ladder.ramp import Ramp
from dgsm_helpers.load.ladder.rung import EFFORTS, Effort, Hold, Rung, rung_of
from dgsm_helpers.load.ladder.search import FIRST_RUNG, Bracket, Search, alone_of, hold_alone, tolerance
from dgsm_helpers.load.ladder.share import LoadSpec
from dgsm_helpers.load.ladder.verdict import Verdict
from dgsm_helpers.load.transport.data_path import require_open
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.workloads import Workload, workload_of
from dgsm_helpers.state import EVIDENCE_SCHEMA, keep_evidence

if TYPE_CHECKING:
    import pandas as pd

    from dgsm_helpers.session import Workbook

CLIENT_PACKAGES = ("dgsm-helpers", "aws-sdk-sagemaker-runtime-http2", "awscrt", "h2")


@dataclass(frozen=True)
class CapacityResult:
    """How many streams one instance sustains.

    ``feasible_max`` streams kept to the criteria, ``infeasible_min`` did not (None: the ladder ended before that, and
    nothing beyond it is claimed), each at ``confidence`` that ``pass_share`` of streams would.
    ``binding_constraint`` is what broke first. ``tight`` tells whether the interval is as narrow as asked for.
    ``instance_minutes`` is what it cost. ``fingerprint`` is what it is true for. ``unit`` is what was counted: streams,
    calls, or turns (calls that speak without a break). ``ramp`` showed where to look, None without one.
    """

    feasible_max: int
    infeasible_min: int | None
    binding_constraint: str | None
    confidence: float
    pass_share: float
    tight: bool
    instance_minutes: float
    criteria: Criteria
    effort: str
    fingerprint: Mapping[str, Any]
    measured_at: str
    unit: str = "streams"
    ramp: Ramp | None = field(default=None, repr=False)
    rungs: tuple[Rung, ...] = field(default=(), repr=False)
    evidence: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the answer, what it is true for, and every rung."""
        answer = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "evidence"}
        return {
            "schema": EVIDENCE_SCHEMA,
            **answer,
            "instance_minutes": round(self.instance_minutes, 3),
            "criteria": asdict(self.criteria),
            "fingerprint": dict(self.fingerprint),
            "ramp": None if self.ramp is None else self.ramp.to_dict(),
            "rungs": [r.to_dict() for r in self.rungs],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per rung, by number of streams or calls; latencies in ms, growth of lag in ms per second.

        Columns are called after what is measured: ``lag`` or ``underrun``, and what its end is called.
        """
        import pandas as pd

        lag, ending = self.criteria.lag_word, self.criteria.ending_word.replace(" ", "_")
        rows = [
            {
                self.unit: rung.n,
                "verdict": rung.verdict.value,
                "fails_by": (rung.constraint or "") if rung.verdict is Verdict.FAIL else "",
                "passed": rung.passed,
                "total": rung.total,
                f"{lag}_p50_ms": round(rung.lag_p50_s * 1000, 1),
                f"{lag}_p95_ms": round(rung.lag_p95_s * 1000, 1),
                f"{lag}_growth_ms_per_s": round(rung.trend.slope * 1000, 2),
                f"{ending}_p95_ms": round(rung.ending_p95_s * 1000, 1),
                **({"characters_per_s": round(rung.characters_per_s, 1)} if rung.characters_per_s else {}),
                "held_s": round(rung.instance_s, 1),
            }
            for rung in sorted(self.rungs, key=lambda rung: rung.n)
        ]
        return pd.DataFrame(rows).set_index(self.unit)

    def judged_by(self, criteria: Criteria) -> CapacityResult:
        """The same measurement under other criteria, without measuring again: a bracket among the rungs there are.

        It may be wide (``tight`` False), and a rung that was stopped early is judged on what it showed until then.

        Raises:
            MeasurementInvalid: the result was read back from its evidence, which has no single streams.
        """
        if not any(h.streams for r in self.rungs for h in r.holds):
            raise MeasurementInvalid("The single streams of this measurement are not at hand.", hint="Measure again.")
        effort = EFFORTS[self.effort]
        rungs = tuple(rung_of(r.n, r.holds, criteria, effort) for r in self.rungs)
        failing = [r for r in rungs if r.verdict is Verdict.FAIL]
        high = min(failing, key=lambda r: r.n, default=None)
        passing = [r.n for r in rungs if r.verdict is Verdict.PASS and (high is None or r.n < high.n)]
        low = max(passing, default=0)
        return replace(
            self,
            feasible_max=low,
            infeasible_min=None if high is None else high.n,
            binding_constraint=None if high is None else high.constraint,
            tight=high is not None and high.n - low <= tolerance(low),
            criteria=criteria,
            rungs=rungs,
            evidence=None,
        )

    def __str__(self) -> str:
        upper = "not reached" if self.infeasible_min is None else f"fails at {self.infeasible_min}"
        reason = f" by {self.binding_constraint}" if self.binding_constraint else ""
        return (
            f"{self.feasible_max} {self.unit} per instance ({upper}{reason}); {self.confidence:.0%} confident that "
            f"{self.pass_share:.0%} of {self.unit} keep to {self.criteria.name!r}; "
            f"{self.instance_minutes:.1f} instance-minutes"
        )


def find_capacity(
    wb: Workbook,
    *,
    instance_type: str | None,
    effort: str | Effort = "quick",
    criteria: str | Criteria = "strict",
    spec: LoadSpec | None = None,
    max_streams: int = 1000,
    crew: Crew | None = None,
    gauge: Gauge | None = None,
    on_rung: Callable[[Rung], None] | None = None,
    begin_at: int | None = None,
) -> CapacityResult:
    """Measure how many real-time streams, or calls, one instance of the workbook's endpoint sustains.

    The caller makes sure that it has one instance and that nothing scales it (`aws.scaling.pin.one_instance`). Evidence
    is written in every case, also of a search that was interrupted or failed.

    Args:
        instance_type: of the one instance, None when AWS does not say; the evidence names it.
        effort, criteria: by name or your own.
        spec: what is streamed, and by which client; the family's usual workload by default.
        crew: the client processes, not closed here; processes of this machine by default.
        gauge: the server's own count of streams, compared with what is held.
        max_streams, on_rung: as `search.Search` takes them.
        begin_at: the first rung, where at least that is known. Else a ramp finds where the knee lies; not where the
            model speaks, because its calls are late by turns and not by a backlog that grows.

    Raises:
        MeasurementInvalid: the client could not generate the load, every stream failed, or a single stream already
            breaks the criteria.
        StreamFailed, CredentialsProblem, AccessDenied, NotFound, InvalidInput: nothing can be streamed from here.
    """
    require_streams(max_streams)
    spec = spec or LoadSpec(workload=workload_of(wb.family), query=Query(wb.family))
    workload = spec.workload
    effort = known_choice("effort", effort, EFFORTS)
    effort = lasting(effort, workload)
    criteria = known_choice("criteria", criteria, presets(spec.query.family))
    target = StreamTarget.of(wb)
    own_crew = crew or Crew()
    try:
        live = LiveEndpoint(target, own_crew, spec, criteria=criteria, effort=effort, gauge=gauge)
        require_open(wb)
        alone: tuple[Hold, ...] = ()
        if spec.query.family.protocol.turns:
            alone = hold_alone(live, effort.hold_s)
            if (compared := alone_of(alone[-1], workload)) is not None:
                criteria = criteria.beside(compared)
        ramp = live.ramp(max_streams) if begin_at is None and not spec.query.family.speaks else None
        search = Search(
            live,
            criteria=criteria,
            effort=effort,
            max_streams=max_streams,
            on_rung=on_rung,
            begin_at=begin_at or FIRST_RUNG,
            around=ramp.knee if ramp is not None and ramp.streams else None,
            unit=workload.unit,
        )
        measured = partial(
            CapacityResult,
            confidence=effort.confidence,
            pass_share=effort.pass_share,
            criteria=criteria,
            effort=effort.name,
            fingerprint=_fingerprint(wb, instance_type, spec),
            unit=workload.unit,
            ramp=ramp,
        )
        before_s = sum(hold.wall_s for hold in alone) + (0.0 if ramp is None else ramp.wall_s)
        return _searched(wb, search, measured, before_s)
    finally:
        if crew is None:
            own_crew.close()


def _searched(wb: Workbook, search: Search, measured: Callable[..., CapacityResult], before_s: float) -> CapacityResult:
    """Run the search, ``before_s`` of whose instance are spent, and write its evidence, whatever comes of it."""
    bracket, problem = Bracket(0, None, None, tight=False), "interrupted"
    try:
        bracket = search.run()
        problem = ""
    except MeasurementInvalid as error:
        problem = str(error)
        raise
    finally:
        result = measured(
            feasible_max=bracket.feasible,
            infeasible_min=bracket.infeasible,
            binding_constraint=bracket.constraint,
            tight=bracket.tight,
            instance_minutes=(sum(rung.instance_s for rung in search.rungs) + before_s) / 60,
            measured_at=wb.now().isoformat(timespec="seconds"),
            rungs=search.rungs,
        )
        path = keep_evidence(wb, {**result.to_dict(), "problem": problem})
    if result.feasible_max == 0:
        one, criteria = result.rungs[0], result.criteria
        raise MeasurementInvalid(
            f"{one.n} {result.unit[:-1] if one.n == 1 else result.unit} already break{'s' * (one.n == 1)} "
            f"{criteria.name!r} by {one.constraint} (p95 {criteria.lag_word} {one.lag_p95_s * 1000:.0f} ms). "
            f"Evidence: {path}.",
            hint="Use a faster instance type, or criteria that its latency without load can meet.",
        )
    return replace(result, evidence=path)


def _fingerprint(wb: Workbook, instance_type: str | None, spec: LoadSpec) -> dict[str, Any]:
    """What a measurement is true for."""
    return {
        "model_package_arn": wb.model_package_arn,
        "endpoint": wb.endpoint_name,
        "variant": wb.variant_name,
        "instance_type": instance_type,
        "region": wb.region,
        "family": spec.query.family.name,
        "query": spec.query.text(spec.workload.sample_rate),
        "path": spec.query.path,
        "workload": spec.workload.to_dict(),
        "transport": spec.transport,
        "client": {"python": platform.python_version(), **{name: version(name) for name in CLIENT_PACKAGES}},
    }


def require_streams(most: int) -> None:
    """Refuse (InvalidInput) a most of streams that leaves none."""
    if most < 1:
        raise InvalidInput(f"max_streams={most} leaves nothing to measure.", hint="Give at least 1.")


def lasting(effort: Effort, workload: Workload) -> Effort:
    return effort.lasting(turn_s=workload.turn_s, round_s=workload.longest_round_s)


def known_choice[T](kind: str, choice: str | T, known: Mapping[str, T]) -> T:
    """What a name stands for, InvalidInput for one that is not known; anything else is handed back."""
    if not isinstance(choice, str):
        return choice
    if choice not in known:
        raise InvalidInput(f"{kind} is {choice!r}.", hint=f"Give one of {', '.join(known)}.")
    return known[choice]
