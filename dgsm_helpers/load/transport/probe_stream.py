"""One real stream in which next to nothing is said, and what comes back of it."""

import json
import time

from dgsm_helpers.families import Family
from dgsm_helpers.load.transport.connecting import unix_s
from dgsm_helpers.load.transport.http2_client import Http2Client
from dgsm_helpers.load.transport.lean_stream import LeanStream
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.recordings import BYTES_PER_SAMPLE
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending, StreamTrace
from dgsm_helpers.rules import stream_refusals as rules
from dgsm_helpers.rules.path_steps import Cause, PathStep, Refusal, Way, clock

CHUNK_S = 0.1
SILENCE_CHUNKS = 2
SAMPLE_RATE = 16_000


class SilentStream(LeanStream):
    """A stream of a fifth of a second of silence, or without any text to a model that speaks.

    It also keeps what the server says of the time and of its refusal.

    ``status`` is None until the server answers; ``skew_s`` is how far its clock is ahead; ``complete`` tells that it
    ended its side in order.
    """

    def __init__(self, family: Family) -> None:
        self.recorder = TraceRecorder(label="data path", transport="lean", family=family)
        silence = [] if family.speaks else [bytes(int(SAMPLE_RATE * CHUNK_S) * BYTES_PER_SAMPLE)] * SILENCE_CHUNKS
        sender = AudioSender(silence, sample_rate=SAMPLE_RATE, chunk_ms=CHUNK_S * 1000, family=family)
        super().__init__(sender, self.recorder, None)
        self.status: int | None = None
        self.skew_s: float | None = None
        self.complete = False

    async def talk(self, connection: Http2Client, target: StreamTarget) -> None:
        """Open it, say nothing into it, and wait for its end; OSError when the connection ends before."""
        await connection.ready()
        self.ask(connection, target, Query(target.family))
        await self.answered
        if self.status == 200:
            while self.send_next():
                pass
            connection.flush()
        await self.ended

    def on_headers(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        if (server_s := unix_s(headers.get("date", ""))) is not None:
            # A date has whole seconds: it is half a second old on average.
            self.skew_s = server_s + 0.5 - time.time()
        super().on_headers(status, headers)

    def on_end(self) -> None:
        self.complete = True
        super().on_end()

    def steps(self, way: Way) -> list[PathStep]:
        """What it showed, once it has ended or been given up."""
        trace = self.recorder.trace()
        if self.status is None:
            return [self._unanswered(way, trace)]
        if self.status != 200:
            return [rules.refused(way, self._refusal_of(trace), skew_s=self.skew_s)]
        clocks = [] if self.skew_s is None else [clock(way, self.skew_s)]
        return [*clocks, self._accepted(way, trace)]

    def _unanswered(self, way: Way, trace: StreamTrace) -> PathStep:
        if trace.error is not None:
            return _dropped(f"the request was not answered: {trace.error.message}")
        return rules.late(f"{way.end} took the request and has not answered for {trace.closed_s:.1f} s", barred=True)

    def _refusal_of(self, trace: StreamTrace) -> Refusal:
        code, text = (trace.error.code, trace.error.message) if trace.error else ("", "")
        try:
            original = json.loads(self._body).get("OriginalStatusCode")
        except (ValueError, AttributeError):
            original = None
        return Refusal(self.status or 0, code, text, original if isinstance(original, int) else None)

    def _accepted(self, way: Way, trace: StreamTrace) -> PathStep:
        accepted = f"accepted after {1000 * (trace.opened_s or 0):.0f} ms"
        if trace.ending is Ending.ERROR and trace.error is not None:
            refusal = Refusal(200, trace.error.code, trace.error.message)
            if rules.kind_of(refusal):
                return rules.refused(way, refusal, skew_s=self.skew_s)
            words, fix = f"{accepted}, then ended with {refusal}", "Look at its container's log (monitor.log_tail)."
            return PathStep("stream", words, Cause.OTHER, fix, barred=False)
        waited_s = trace.closed_s - (trace.close_sent_s or 0)
        if self.complete and waited_s <= rules.LATE_S:
            return rules.reached_the_model(f"{accepted}, its silence answered {1000 * waited_s:.0f} ms later")
        if self.complete:
            return rules.late(f"{accepted}, but its silence was answered {waited_s:.1f} s later", barred=False)
        if trace.error is not None:
            return _dropped(f"{accepted}, then broken off: {trace.error.message}")
        return rules.late(f"{accepted}, but its silence has not been answered for {waited_s:.1f} s", barred=True)


def _dropped(words: str) -> PathStep:
    fix = "Try again; if it stays, a firewall or proxy on the way cuts long connections, or the instance is restarting."
    return PathStep("stream", words, Cause.OTHER, fix)
