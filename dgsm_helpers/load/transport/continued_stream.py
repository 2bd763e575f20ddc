"""A stream that outlives its sessions: `ContinuedStream`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.call_supervisor import CallSupervisor
from dgsm_helpers.load.transport.lean_session import LeanSessions, OpenSession
from dgsm_helpers.load.transport.listen_stitching import ListenTranscript, Message
from dgsm_helpers.load.transport.overload_watch import Leaving
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import BYTES_PER_SAMPLE
from dgsm_helpers.load.transport.session_leg import PIECE_S, HandOver
from dgsm_helpers.load.transport.stream_target import MAX_SESSION_S
from dgsm_helpers.load.transport.turn_stitching import TurnTranscript
from dgsm_helpers.load.transport.unanswered_audio import UnansweredAudio
from dgsm_helpers.session import Workbook

TRANSCRIPTS: Mapping[str, type[ListenTranscript] | type[TurnTranscript]] = {
    "v1/listen": ListenTranscript,
    "v2/listen": TurnTranscript,
}
"""How the sessions of a path are joined; speech synthesis has no audio to hear again."""

KEPT_S = 60.0
AHEAD_S = 90.0
REPLAY_SPEED = 4.0


class ContinuedStream:
    """One call on a self-scaling endpoint, whatever becomes of its instances: no word is lost and none comes twice.

        async with ContinuedStream.of(wb) as call:
            await call.send(pcm)          # from one task, as audio comes
            ...
            await call.finish()
        async for message in call: ...    # from another; Deepgram's messages, times and turns counted through

    It keeps the audio since the last final result, at most ``kept_s`` seconds of it. Ahead of SageMaker's limit it
    opens the next session while the present one goes on, lets it hear the last words again, and changes over when it
    has caught up. A session that is cut is replaced at once. With ``leaving`` it moves when its results fall behind.

    The last message is what the last session told at its end, with the length of the call; there is none where that
    session was cut when everything was answered.

    Speaker numbers (``diarize``) begin anew with each session. Audio has to be raw: it is sent again from any frame.

    Args:
        open_session: opens a session on whatever instance the endpoint gives; see `of` for a workbook's endpoint.
        sample_rate, frame_bytes: of the audio; a frame is one moment of all channels (linear16 mono: 2 bytes).
        path: ``v1/listen`` or ``v2/listen``.
        session_s: a session is left after this time at the latest, and up to a tenth of it sooner, at random.
        kept_s: seconds of audio that are kept at most.
        replay_speed: how many times as fast as real time audio is sent again: all calls of an instance may have to at
            once. Deepgram's cloud takes 1.25 at most; of a container nothing is documented.
        leaving: lets the call leave an overloaded instance; shared by all calls of a process. None: it stays.
        seed: of every random moment.

    Raises:
        InvalidInput: sessions on ``path`` cannot be joined, or a number is not positive.
    """

    def __init__(
        self,
        open_session: OpenSession,
        *,
        sample_rate: int = 16000,
        frame_bytes: int = BYTES_PER_SAMPLE,
        path: str = "v1/listen",
        session_s: float = MAX_SESSION_S - AHEAD_S,
        kept_s: float = KEPT_S,
        replay_speed: float = REPLAY_SPEED,
        leaving: Leaving | None = None,
        seed: int | None = None,
    ) -> None:
        if path not in TRANSCRIPTS:
            known = " and ".join(TRANSCRIPTS)
            raise InvalidInput(f"Sessions on {path!r} cannot be joined.", hint=f"Those on {known} can.")
        if min(sample_rate, frame_bytes, session_s, kept_s) <= 0 or replay_speed <= 1:
            raise InvalidInput(
                "sample_rate, frame_bytes, session_s and kept_s must be above 0, replay_speed above 1.",
                hint="At real time a call would never catch up.",
            )
        self._finished = False
        self._audio = UnansweredAudio(bytes_per_s=sample_rate * frame_bytes, frame_bytes=frame_bytes, most_s=kept_s)
        self._call = CallSupervisor(
            open_session,
            self._audio,
            TRANSCRIPTS[path](),
            piece_bytes=max(int(PIECE_S * sample_rate), 1) * frame_bytes,
            replay_speed=replay_speed,
            session_s=session_s,
            leaving=leaving,
            seed=seed,
        )

    @classmethod
    def of(cls, wb: Workbook, *, query: Query | None = None, sample_rate: int = 16000, **given: Any) -> Self:
        """A call on a workbook's endpoint, linear16 mono; ``given`` are further arguments of the class."""
        query = query or Query(wb.family)
        sessions = LeanSessions(wb, query.path, query.text(sample_rate))
        return cls(sessions, sample_rate=sample_rate, path=query.path, **given)

    @property
    def length_s(self) -> float:
        """Seconds of audio so far."""
        return self._audio.length_s

    @property
    def hand_overs(self) -> tuple[HandOver, ...]:
        """The changes from session to session so far, in order."""
        return tuple(report for change in self._call.changes if (report := change.report()))

    async def __aenter__(self) -> Self:
        """Open the first session.

        Raises:
            StreamFailed: it is refused.
        """
        await self._call.begin()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._call.end()

    async def send(self, audio: bytes) -> None:
        """The next audio of the call.

        Raises:
            InvalidInput: the call has been finished.
        """
        if self._finished:
            raise InvalidInput("Audio came after finish().", hint="Open another call for it.")
        self._audio.append(audio)
        self._call.audio_came()
        await asyncio.sleep(0)

    async def finish(self) -> None:
        """No more audio comes: what is left is answered, then the messages end."""
        self._finished = True
        self._call.finish()

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The call's messages.

        Raises:
            StreamFailed: no session could be opened for ten minutes, or the call was not answered ten minutes on.
        """
        messages = self._call.messages
        while isinstance(came := await messages.get(), dict):
            yield came
        messages.put_nowait(came)  # whoever asks again is told the same
        if came is not None:
            raise came
