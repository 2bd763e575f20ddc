"""Measured capacity: how many streams one instance sustains, with the evidence.

`find_capacity` is the experiment; `CapacityResult` its answer, an interval and the confidence in it, never a single
number read off a curve. Results are kept as JSON under the workbook's state folder.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgsm_helpers.errors import InvalidInput, MeasurementInvalid
from dgsm_helpers.load.ladder.crew import Crew
from dgsm_helpers.load.ladder.live_endpoint import EndpointFacts, Gauge, LiveEndpoint, facts
from dgsm_helpers.load.ladder.rung import EFFORTS, Effort, Rung, rung_of
from dgsm_helpers.load.ladder.search import Bracket, Search
from dgsm_helpers.load.ladder.verdict import PRESETS, STRICT, Criteria, Verdict
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording, common_rate
from dgsm_helpers.load.transport.stream_target import ListenOptions, StreamTarget, check_reachable
from dgsm_helpers.state import SCHEMA

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

CLIENT_PACKAGES = ("dgsm-helpers", "aws-sdk-sagemaker-runtime-http2", "awscrt", "h2")


@dataclass(frozen=True)
class CapacityResult:
    """How many streams one instance sustains.

    ``feasible_max`` streams kept to the criteria, ``infeasible_min`` did not (None: the ladder ended before that, and
    nothing beyond it is claimed), each at ``confidence`` that ``pass_share`` of streams would.
    ``binding_constraint`` is what broke first. ``tight`` tells whether the interval is as narrow as asked for.
    ``instance_minutes`` is what it cost. ``fingerprint`` is what it is true for.
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
    rungs: tuple[Rung, ...] = field(default=(), repr=False)
    evidence: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the answer, what it is true for, and every rung."""
        return {
            "schema": SCHEMA,
            "feasible_max": self.feasible_max,
            "infeasible_min": self.infeasible_min,
            "binding_constraint": self.binding_constraint,
            "confidence": self.confidence,
            "pass_share": self.pass_share,
            "tight": self.tight,
            "instance_minutes": round(self.instance_minutes, 3),
            "criteria": {
                "name": self.criteria.name,
                "statistic": self.criteria.statistic,
                "lag_s": self.criteria.lag_s,
                "finalisation_s": self.criteria.finalisation_s,
                "slope": self.criteria.slope,
            },
            "effort": self.effort,
            "fingerprint": dict(self.fingerprint),
            "measured_at": self.measured_at,
            "rungs": [r.to_dict() for r in self.rungs],
        }

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
            tight=high is not None and high.n - low <= max(1, int(0.05 * low)),
            criteria=criteria,
            rungs=rungs,
            evidence=None,
        )

    def __str__(self) -> str:
        upper = "not reached" if self.infeasible_min is None else f"fails at {self.infeasible_min}"
        reason = f" by {self.binding_constraint}" if self.binding_constraint else ""
        return (
            f"{self.feasible_max} streams per instance ({upper}{reason}); {self.confidence:.0%} confident that "
            f"{self.pass_share:.0%} of streams keep to {self.criteria.name!r}; "
            f"{self.instance_minutes:.1f} instance-minutes"
        )


def find_capacity(
    wb: Workbook,
    *,
    effort: str | Effort = "quick",
    criteria: str | Criteria = STRICT,
    recordings: Sequence[Recording] = (),
    options: ListenOptions | None = None,
    chunk_ms: int = 100,
    max_streams: int = 1000,
    transport: str = "auto",
    executor: Executor | None = None,
    client_processes: int | None = None,
    crew: Crew | None = None,
    gauge: Gauge | None = None,
    on_rung: Callable[[Rung], None] | None = None,
    seed: int = 0,
) -> CapacityResult:
    """Measure how many real-time streams one instance of the workbook's endpoint sustains.

    The endpoint must be InService with one instance and its scaling suspended (refused otherwise). Evidence is written
    in every case, also of a search that was interrupted or failed.

    Args:
        effort: ``quick``, ``standard`` or ``thorough``: hold times and the confidence they buy.
        criteria: what a stream has to keep to: a preset (``strict``, ``deepgram``) or your own.
        recordings: what is streamed, in turn, each stream from a place of its own; the bundled sample by default. All
            of one sample rate.
        options, chunk_ms: what the model is asked for, and how the audio is cut.
        max_streams: never hold more.
        transport: ``sdk`` (AWS's client), ``lean``, or ``auto``: lean above 50 streams.
        executor, client_processes: where the client processes run and how many; processes of this machine by default.
        crew: instead of those two, a crew that is kept (`crew.cluster_crew`); it is not closed here.
        gauge: the server's own count of streams, compared with what is held.
        on_rung: called with each rung whenever it has been measured (again): for progress and live pictures.

    Raises:
        NotFound, NotReady, MeasurementInvalid: the endpoint cannot be measured (`endpoint.facts`), the client could not
            generate the load, every stream failed, or a single stream already breaks the criteria.
        StreamFailed, CredentialsProblem, InvalidInput: nothing can be streamed from here.
    """
    effort = _named(effort, EFFORTS, "effort")
    criteria = _named(criteria, PRESETS, "criteria")
    recordings = tuple(recordings) or (bundled_recording(),)
    options = replace(options or ListenOptions(), sample_rate=common_rate(recordings))
    what = facts(wb)
    target = StreamTarget.of(wb)
    check_reachable(target)
    own = crew or Crew(executor, size=client_processes)
    try:
        live = LiveEndpoint(
            target,
            own,
            criteria=criteria,
            effort=effort,
            options=options,
            recordings=recordings,
            chunk_ms=chunk_ms,
            transport=transport,
            gauge=gauge,
            seed=seed,
        )
        search = Search(live, criteria=criteria, effort=effort, max_streams=max_streams, on_rung=on_rung)
        fingerprint = _fingerprint(wb, what, options, recordings, chunk_ms=chunk_ms, transport=transport)
        return _searched(wb, search, criteria, effort, fingerprint)
    finally:
        if crew is None:
            own.close()


def _searched(
    wb: Workbook, search: Search, criteria: Criteria, effort: Effort, fingerprint: Mapping[str, Any]
) -> CapacityResult:
    """Run the search and write its evidence, whatever comes of it."""
    bracket, problem = Bracket(0, None, None, tight=False), "interrupted"
    try:
        bracket = search.run()
        problem = ""
    except MeasurementInvalid as error:
        problem = str(error)
        raise
    finally:
        result = CapacityResult(
            feasible_max=bracket.feasible,
            infeasible_min=bracket.infeasible,
            binding_constraint=bracket.constraint,
            confidence=effort.confidence,
            pass_share=effort.pass_share,
            tight=bracket.tight,
            instance_minutes=sum(r.instance_s for r in search.rungs) / 60,
            criteria=criteria,
            effort=effort.name,
            fingerprint=fingerprint,
            measured_at=wb.now().isoformat(timespec="seconds"),
            rungs=search.rungs,
        )
        path = _write(wb, {**result.to_dict(), "problem": problem})
    if result.feasible_max == 0:
        one = result.rungs[0]
        raise MeasurementInvalid(
            f"{one.n} stream{'s' * (one.n > 1)} already break{'s' * (one.n == 1)} {criteria.name!r} by "
            f"{one.constraint} (p95 lag {one.lag_p95_s * 1000:.0f} ms). Evidence: {path}.",
            hint="Use a faster instance type, or criteria that its latency without load can meet.",
        )
    return replace(result, evidence=path)


def _write(wb: Workbook, content: Mapping[str, Any]) -> Path:
    """Keep a measurement, for `dgsm_helpers.state` to read."""
    name = f"capacity/{wb.endpoint_name}/" + content["measured_at"].replace(":", "").replace("+0000", "Z")
    path, number = wb.state_path(f"{name}.json"), 1
    while path.exists():
        number += 1
        path = wb.state_path(f"{name}-{number}.json")
    path.write_text(json.dumps(content, indent=1))
    return path


def _fingerprint(
    wb: Workbook,
    what: EndpointFacts,
    options: ListenOptions,
    recordings: Sequence[Recording],
    *,
    chunk_ms: int,
    transport: str,
) -> dict[str, Any]:
    return {
        "model_package_arn": wb.model_package_arn,
        "endpoint": what.endpoint_name,
        "variant": what.variant_name,
        "instance_type": what.instance_type,
        "region": wb.region,
        "query": options.query(),
        "path": options.path,
        "audio": [{"source": r.source, "duration_s": round(r.duration_s, 1)} for r in recordings],
        "chunk_ms": chunk_ms,
        "transport": transport,
        "client": {"python": platform.python_version(), **{name: version(name) for name in CLIENT_PACKAGES}},
    }


def _named[T](given: str | T, known: Mapping[str, T], kind: str) -> T:
    if not isinstance(given, str):
        return given
    if given not in known:
        raise InvalidInput(f"{kind}={given!r} is unknown.", hint=f"Give one of {', '.join(known)}.")
    return known[given]
