"""A stream's trace reduced to what is judged."""

import numpy as np

from dgsm_helpers.families import Family
from dgsm_helpers.load.ladder.trend import bin_medians
from dgsm_helpers.load.ladder.verdict import StreamOutcome
from dgsm_helpers.load.transport.speech_ends import SpokenUntil
from dgsm_helpers.load.transport.trace import (
    CallTurn,
    Ending,
    LagSamples,
    StreamTrace,
    chunk_holding,
    chunks_holding,
    finalisation_latency_s,
    first_chunk_latency_s,
)
from dgsm_helpers.load.transport.workloads import Workload

REFUSED_BY_MODEL = "ModelError"
"""AWS's name of a stream that the container did not take (HTTP 424)."""


def outcome_of(
    trace: StreamTrace,
    samples: LagSamples,
    *,
    family: Family,
    workload: Workload,
    window: tuple[float, float],
    spoken: SpokenUntil | None = None,
) -> StreamOutcome:
    """What a stream showed within a window of its own clock.

    Args:
        samples: its lags within the window.
        window: from and to, in seconds.
        spoken: when somebody stops speaking in what it sent, where ends of turns are measured.
    """
    within = {"from_s": window[0], "to_s": window[1]}
    due_s, lag_s = samples.due_s, samples.lag_s
    if not len(lag_s):
        lag_s, due_s = np.array([np.inf if _owed(trace, family, window) else 0.0]), np.array([window[0]])
    p50, p95, p99 = (float(np.quantile(lag_s, q, method="higher")) for q in (0.5, 0.95, 0.99))
    turns, characters, spoken_s, speaking_s = ended_turns(trace, **within), 0, 0.0, 0.0
    if family.speaks:
        done = [turn for turn in asked_turns(trace, **within) if turn.done_s < np.inf]
        turns, characters = len(done), sum(turn.characters for turn in done)
        spoken_s = sum(turn.audio_s for turn in done)
        ends, first_s = first_audio_latencies_s(trace, **within), first_audio_latencies_s(trace, from_s=0, to_s=np.inf)
        first_chunk_s = float(first_s[0]) if len(first_s) else float("nan")
        opened_s = np.inf if trace.opened_s is None else trace.opened_s
        due_audio_s = _within(opened_s, trace.closed_s, window)
        speaking_s = sum(_within(t.first_audio_s, t.first_audio_s + t.audio_s, window) for t in trace.turns)
        delivered_s = due_audio_s
    else:
        inside = (trace.scheduled_s >= window[0]) & (trace.scheduled_s < window[1])
        due_audio_s = int(inside.sum()) * workload.step_s
        grown = float(lag_s[-1] - lag_s[0]) if np.isfinite(lag_s[[0, -1]]).all() else due_audio_s
        delivered_s = max(due_audio_s - grown, 0.0)
        first_chunk_s = first_chunk_latency_s(trace)
        if spoken is None:
            ends = np.array([finalisation_latency_s(trace)])
        else:
            ends = end_of_turn_latencies_s(trace, spoken, **within)
    return StreamOutcome(
        label=trace.label,
        lag_p50_s=p50,
        lag_p95_s=p95,
        lag_p99_s=p99,
        lag_mean_s=float(lag_s.mean()),
        ending_s=float(np.quantile(ends, 0.95, method="higher")) if len(ends) else float("nan"),
        first_chunk_s=first_chunk_s,
        bins=tuple(bin_medians(due_s, lag_s, from_s=window[0], to_s=window[1]).tolist()),
        due_audio_s=due_audio_s,
        transcribed_s=delivered_s,
        error=None if trace.ok else (trace.error.code if trace.error else trace.ending.value),
        ending_mean_s=float(ends.mean()) if len(ends) else float("nan"),
        turns=turns,
        characters=characters,
        spoken_s=spoken_s,
        speaking_s=speaking_s,
        refused=was_refused(trace),
    )


def was_refused(trace: StreamTrace) -> bool:
    return trace.ending is Ending.REFUSED and trace.error is not None and trace.error.code == REFUSED_BY_MODEL


def _within(from_s: float, to_s: float, window: tuple[float, float]) -> float:
    """Seconds of a span that lie in a window."""
    return max(min(to_s, window[1]) - max(from_s, window[0]), 0.0)


def _owed(trace: StreamTrace, family: Family, window: tuple[float, float]) -> bool:
    """Whether something had to come within the window: always where audio is sent, of calls while they speak."""
    return not family.speaks or any(t.asked_s < window[1] and t.done_s > window[0] for t in trace.turns)


def ended_turns(trace: StreamTrace, *, from_s: float, to_s: float) -> int:
    """How many turns of the audio that was due from ``from_s`` to ``to_s`` (trace clock) were told to have ended."""
    if not len(trace.scheduled_s):
        return 0
    cursors = np.array([result.cursor_s for result in trace.results if result.ends_turn])
    due = trace.scheduled_s[chunks_holding(cursors, trace.audio_cursor_s)]
    return int(((due >= from_s) & (due < to_s)).sum())


def end_of_turn_latencies_s(trace: StreamTrace, spoken: SpokenUntil, *, from_s: float, to_s: float) -> np.ndarray:
    """Seconds from the moment at which a turn's last speech was due to the message that the turn has ended.

    Of the speech that was due from ``from_s`` to ``to_s`` (trace clock). It is the true end of the speech in the
    recording, not what the model takes for it: Deepgram calls its own word times inexact.
    """
    latencies = []
    for result in trace.results:
        if not result.ends_turn:
            continue
        end_s = spoken.before(result.cursor_s)
        if np.isnan(end_s):
            continue
        due_s = float(trace.scheduled_s[chunk_holding(end_s, trace.audio_cursor_s)])
        if from_s <= due_s < to_s:
            latencies.append(max(result.received_s - due_s, 0.0))
    return np.array(latencies)


def asked_turns(trace: StreamTrace, *, from_s: float, to_s: float) -> list[CallTurn]:
    """The texts that were due from ``from_s`` to ``to_s`` (trace clock)."""
    return [turn for turn in trace.turns if from_s <= turn.asked_s < to_s]


def first_audio_latencies_s(trace: StreamTrace, *, from_s: float, to_s: float) -> np.ndarray:
    """Seconds from the moment at which a text was due to its first audio, per turn; inf for one without any."""
    turns = asked_turns(trace, from_s=from_s, to_s=to_s)
    return np.array([max(turn.first_audio_s - turn.asked_s, 0.0) for turn in turns])
