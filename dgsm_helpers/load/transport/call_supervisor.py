"""Runs the sessions of a call: which one is listened to, when the next is opened, and when it takes over.

All that happens (messages, ends, openings) goes through one queue and is dealt with one thing after the other.
"""

import asyncio
import contextlib
import math
import random
import time
from itertools import takewhile
from typing import Any

from dgsm_helpers.errors import DgsmError, StreamFailed
from dgsm_helpers.load.transport.lean_session import OpenSession, PushedSession
from dgsm_helpers.load.transport.listen_stitching import ListenTranscript, Message
from dgsm_helpers.load.transport.overload_watch import Leaving, OverloadWatch
from dgsm_helpers.load.transport.session_leg import (
    GIVE_UP_S,
    Cause,
    OngoingHandOver,
    SessionLeg,
    SessionSupply,
    let_go,
)
from dgsm_helpers.load.transport.turn_stitching import TurnTranscript
from dgsm_helpers.load.transport.unanswered_audio import UnansweredAudio

LOOK_S = 0.25
IDLE_S = 5.0
"""A call that has sent nothing for this long needs no session before it sends again."""
SILENT_S = 20.0
"""A session that says nothing for this long, while it has audio to answer, is taken for lost.

Twice as long after each that said nothing: opening again adds to the work of an endpoint that is only slow.
"""
CATCH_UP_S = 10.0
"""The next session has this long to reach what the present one has said."""
TRY_AGAIN_S = 5.0
ROUNDING_S = 0.002
"""Messages tell times to a thousandth of a second; where more of the call is open, its last word may be."""


class CallSupervisor:
    """One call's sessions; ``messages`` are what its user reads, None or an error being the last."""

    def __init__(
        self,
        open_session: OpenSession,
        audio: UnansweredAudio,
        transcript: ListenTranscript | TurnTranscript,
        *,
        piece_bytes: int,
        replay_speed: float,
        session_s: float,
        leaving: Leaving | None,
        seed: int | None,
    ) -> None:
        self._audio, self._transcript = audio, transcript
        self._piece_bytes, self._replay_speed, self._session_s = piece_bytes, replay_speed, session_s
        self._rng = random.Random(seed)
        self._watch = OverloadWatch(leaving, self._rng) if leaving else None
        self._events: asyncio.Queue[tuple[SessionLeg | None, Any]] = asyncio.Queue()
        self._supply = SessionSupply(open_session, self._rng, lambda came: self._events.put_nowait((None, came)))
        self._supervising: asyncio.Task[None] | None = None
        self._current: SessionLeg | None = None
        self._next: SessionLeg | None = None
        self._change: OngoingHandOver | None = None
        self._silences = 0
        self._asleep = self._finished = self._over = False
        self._sent_s = self._active_since_s = self._last_new_s = self._leave_at_s = 0.0
        self._fails_at_s = math.inf
        self.changes: list[OngoingHandOver] = []
        self.messages: asyncio.Queue[Message | DgsmError | None] = asyncio.Queue()

    async def begin(self) -> None:
        """Open the first session, or StreamFailed."""
        self._listen_to(self._leg(await self._supply.open_session()))
        self._supervising = asyncio.create_task(self._supervise())

    async def end(self) -> None:
        """Let go of everything; no session stays open."""
        self._finish_with(None)
        if self._supervising:
            self._supervising.cancel()
            await asyncio.wait([self._supervising])
        for leg in (self._current, self._next):
            self._supply.leave(leg)
        await self._supply.close()
        while not self._events.empty():
            leg, came = self._events.get_nowait()
            if leg is None and not isinstance(came, DgsmError):
                await let_go(came)

    def audio_came(self) -> None:
        """The call has grown."""
        now_s = time.monotonic()
        if now_s - self._sent_s > IDLE_S:
            self._active_since_s = now_s
        self._sent_s = now_s
        self._wake()

    def finish(self) -> None:
        """The call will not grow any more."""
        self._finished, self._fails_at_s = True, time.monotonic() + GIVE_UP_S
        self._wake()

    # Sessions

    def _leg(self, session: PushedSession) -> SessionLeg:
        begin = max(self._audio.at(self._transcript.replay_from_s), self._audio.begin)
        return SessionLeg(
            session,
            self._audio,
            begin=begin,
            piece_bytes=self._piece_bytes,
            replay_speed=self._replay_speed,
            no_more=lambda: self._finished,
            on_message=lambda leg, message: self._events.put_nowait((leg, message)),
        )

    def _listen_to(self, leg: SessionLeg) -> None:
        self._current = leg
        self._leave_at_s = leg.since_s + self._session_s * self._rng.uniform(0.9, 1.0)
        self._last_new_s = self._last_new_s or leg.since_s
        leg.joint = self._transcript.joint(leg.offset_s)

    def _wake(self) -> None:
        for leg in (self._current, self._next):
            if leg is not None:
                leg.wake()
        if self._asleep:
            self._asleep, self._last_new_s = False, time.monotonic()
            self._supply.open()

    # What happens

    async def _supervise(self) -> None:
        try:
            while not self._over:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        leg, came = await self._events.get()
                    self._happened(leg, came)
                self._look(time.monotonic())
        except DgsmError as error:
            self._finish_with(error)
        except Exception as error:  # whoever reads the messages must hear of it
            self._finish_with(StreamFailed(f"{type(error).__name__}: {error}"))

    def _happened(self, leg: SessionLeg | None, came: Any) -> None:
        if leg is None:
            self._refused(came) if isinstance(came, DgsmError) else self._opened(came)
        elif leg is self._current or leg is self._next:
            if came is None or isinstance(came, DgsmError):
                self._ended(leg, came)
            elif leg is self._current:
                self._hand_on(leg, came)
            else:
                self._hold(leg, came)

    def _look(self, now_s: float) -> None:
        """What time brings."""
        current, change = self._current, self._change
        if now_s > self._fails_at_s:
            left_s = self._audio.length_s - self._transcript.answered_s
            raise StreamFailed(f"{left_s:.1f} s of the call were not answered within {GIVE_UP_S:g} s of its end.")
        if current is None:
            return
        active = self._finished or now_s - self._sent_s < IDLE_S
        patience_s = SILENT_S * 2**self._silences
        if active and now_s - max(current.heard_s, self._active_since_s) > patience_s:
            self._silences += 1
            self._ended(current, StreamFailed(f"The session said nothing for {patience_s:g} s."))
        elif self._finished:
            return
        elif change is not None:
            if self._next is not None and now_s > self._next.since_s + CATCH_UP_S:
                self._change_over(change) if change.cause == "limit" else self._stay()
        elif now_s >= self._leave_at_s:
            self._start("limit", f"{now_s - current.since_s:.0f} s after the session began")
        elif self._watch and now_s - self._sent_s < 1 and self._watch.should_leave(now_s, self._lag_s):
            self._start("overload", f"results were {self._lag_s:.1f} s behind")

    @property
    def _lag_s(self) -> float:
        return self._audio.length_s - self._transcript.shown_s

    def _start(self, cause: Cause, reason: str) -> None:
        self._change = OngoingHandOver(cause=cause, reason=reason)
        self._supply.open()

    def _opened(self, session: PushedSession) -> None:
        self._next = leg = self._leg(session)
        assert self._change is not None, "a session is opened for a change"
        self._change.lost_s = max(0.0, leg.offset_s - self._transcript.answered_s)
        if self._current is None:
            self._change_over(self._change)

    def _refused(self, error: DgsmError) -> None:
        self._supply.open_again(error) if self._current is None else self._stay()

    def _ended(self, leg: SessionLeg, error: DgsmError | None) -> None:
        if leg is self._next:
            self._stay()
            return
        self._supply.leave(leg)
        if self._is_complete(leg, error):
            self._finish_with(None, leg.metadata)
        else:
            self._current = None
            last_word = self._transcript.ends_with or "CloseStream"
            self._cut(error or StreamFailed(f"The session ended without {last_word}."))

    def _is_complete(self, leg: SessionLeg, error: DgsmError | None) -> bool:
        call_s = self._audio.length_s
        ended = error is None and leg.closing
        in_order = ended and self._transcript.ended_in_order(call_s, told_last=leg.metadata is not None)
        return self._finished and (in_order or self._transcript.answered_s >= call_s - ROUNDING_S)

    def _cut(self, error: DgsmError) -> None:
        opening = self._change is not None and self._next is None
        self._change = OngoingHandOver(cause="cut", reason=str(error))
        if self._next is not None:
            self._change_over(self._change)
        elif time.monotonic() - self._sent_s > IDLE_S and not self._finished:
            self._asleep = not opening
        elif not opening:
            self._supply.open_again(error)

    def _stay(self) -> None:
        """There is no next session, or it is no better."""
        change, self._change = self._change, None
        self._supply.leave(self._next)
        self._next = None
        self._leave_at_s = max(self._leave_at_s, time.monotonic() + TRY_AGAIN_S)
        if change and change.cause == "overload" and self._watch:
            self._watch.stayed(time.monotonic())

    def _change_over(self, change: OngoingHandOver) -> None:
        leg, old = self._next, self._current
        assert leg is not None, "a session is opened before it takes over"
        self._next = self._change = None
        change.at_s, change.since_s = self._transcript.shown_s, self._last_new_s
        self.changes.append(change)
        if change.cause == "overload" and self._watch:
            self._watch.moved()
        self._listen_to(leg)
        change.joint = leg.joint
        for message in leg.held:
            self._hand_on(leg, message)
        self._supply.leave(old)

    # Messages

    def _hold(self, leg: SessionLeg, message: Message) -> None:
        """Keep what the next session says until it is as far as the present one."""
        leg.held.append(message)
        reach_s = self._transcript.reach_s(message)
        if reach_s is None or self._change is None:
            return
        # On purpose only to a session that is clearly better.
        ahead_s = self._lag_s / 2 if self._change.cause == "overload" else 0.0
        if reach_s + leg.offset_s >= self._transcript.shown_s + ahead_s:
            self._change_over(self._change)

    def _hand_on(self, leg: SessionLeg, message: Message) -> None:
        assert leg.joint is not None, "a session that is listened to has its joint"
        if message.get("type") == "Metadata" and self._transcript.ends_with == "Metadata":
            leg.metadata = message
            return
        told = leg.joint.hand_on(message)
        if told is None:
            return
        if self._transcript.reach_s(message) is not None:
            self._last_new_s = time.monotonic()
            self._silences = 0
            self._supply.was_of_use()
            # More than one, when a session was cut before it had said anything.
            for change in takewhile(lambda change: change.gap_s is None, reversed(self.changes)):
                change.gap_s = self._last_new_s - change.since_s
        self.messages.put_nowait(told)
        sent = (self._audio.seconds(leg.position) for leg in (self._current, self._next) if leg is not None)
        self._audio.forget_before(min([self._transcript.replay_from_s, *sent]))

    def _finish_with(self, error: DgsmError | None, metadata: Message | None = None) -> None:
        if not self._over:
            self._over = True
            if metadata is not None:
                self.messages.put_nowait({**metadata, "duration": round(self._audio.length_s, 4)})
            self.messages.put_nowait(error)
