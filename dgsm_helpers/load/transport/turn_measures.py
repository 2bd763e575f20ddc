"""What can be read off turns: how soon their end is told, and how soon what they ask for is heard."""

from __future__ import annotations

import numpy as np

from dgsm_helpers.load.transport.speech_ends import SpokenUntil
from dgsm_helpers.load.transport.trace import CallTurn, StreamTrace, chunk_holding


def ended_turns(trace: StreamTrace, *, from_s: float, to_s: float) -> int:
    """How many turns of the audio that was due from ``from_s`` to ``to_s`` (trace clock) were told to have ended."""
    if not len(trace.scheduled_s):
        return 0
    cursors = np.array([result.cursor_s for result in trace.results if result.ends_turn])
    due = trace.scheduled_s[chunk_holding(cursors, trace.audio_cursor_s)]
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
