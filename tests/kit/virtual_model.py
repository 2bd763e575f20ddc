"""One instance of a model in virtual time, behind the real senders, readers, recorders and measures.

A first-come queue before some lanes, each of which takes a known time for a tenth of a second of audio; so the knee is
known in closed form: ``floor(lanes x 0.1 / service_s)`` streams that listen, or turns spoken at once.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from itertools import count

import orjson

from dgsm_helpers.families import Family
from dgsm_helpers.load.ladder.lag_histograms import encode_lags
from dgsm_helpers.load.ladder.rung import Hold
from dgsm_helpers.load.ladder.share import LoadSpec, spoken_until
from dgsm_helpers.load.ladder.stream_outcomes import outcome_of
from dgsm_helpers.load.transport.conversation import ANSWER_LOOK_S
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.speech_ends import SpokenUntil
from dgsm_helpers.load.transport.trace import Ending, lag_samples
from dgsm_helpers.load.transport.workloads import Workload

CHARACTERS_PER_S = 15.0
PIECE_S = 0.1
UPDATE_S = 0.25
DECIDES_S = 0.3
"""Of quiet, after which a turn has ended."""


class Clock:
    """Virtual time, with what is to happen in it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()

    def at(self, when_s: float, do: Callable[[], None]) -> None:
        when_s = when_s if when_s > self.now_s else self.now_s
        heapq.heappush(self._events, (when_s, next(self._number), do))

    def run(self) -> None:
        while self._events:
            self.now_s, _, do = heapq.heappop(self._events)
            do()


class VirtualModel:
    """`search.Measure` on one virtual instance.

    Args:
        family: of the model.
        workload: what the streams send.
        lanes, service_s: how many work at once, and for how long on a tenth of a second of audio.
        max_streams: how many are taken at once; further ones are refused at opening.
        settle_s: left alone before the hold.
        cut: share of each turn's audio that is lost once more than ``cut_above`` calls are held.
        seed: of the workload.
    """

    def __init__(
        self,
        family: Family,
        workload: Workload,
        *,
        lanes: int = 4,
        service_s: float = 0.038,
        max_streams: int = 10_000,
        settle_s: float = 3.0,
        cut: float = 0.0,
        cut_above: int = 10_000,
        seed: int = 0,
    ) -> None:
        self.family, self.workload = family, workload
        self._lanes, self._service_s, self._max = lanes, service_s, max_streams
        self._settle_s, self._cut, self._cut_above, self._seed = settle_s, cut, cut_above, seed
        self._holds = 0

    def __call__(self, n: int, hold_s: float) -> Hold:
        self._holds += 1
        self.clock = Clock()
        self._free = [0.0] * self._lanes
        spec = LoadSpec(workload=self.workload, query=Query(self.family), seed=self._seed + 1000 * self._holds)
        begin_s = 1.0 + self._settle_s
        end_s = begin_s + hold_s
        calls = [self._open(spec, k, n, end_s) for k in range(n)]
        self.clock.run()
        outcomes, lags = [], []
        for call in calls:
            recorder = call.recorder
            window = recorder.at(begin_s), recorder.at(end_s)
            trace = recorder.trace()
            samples = lag_samples(trace, from_s=window[0], to_s=window[1])
            spoken = spoken_until(spec, call.number)
            outcomes.append(
                outcome_of(trace, samples, family=self.family, workload=self.workload, window=window, spoken=spoken)
            )
            lags.extend(samples.lag_s.tolist())
        histogram = encode_lags(_array(lags)) if lags else ""
        return Hold(n=n, hold_s=hold_s, wall_s=end_s, streams=tuple(outcomes), histogram=histogram)

    def work(self, audio_s: float) -> float:
        """When a piece of audio is done that is begun now."""
        done = max(self._free[0], self.clock.now_s) + self._service_s * audio_s / PIECE_S
        heapq.heapreplace(self._free, done)
        return done

    def _open(self, spec: LoadSpec, number: int, n: int, end_s: float) -> _Stream:
        cut = self._cut if n > self._cut_above else 0.0
        kind = _SpokenTo if not self.family.speaks else _Speaking
        return kind(self, spec, number, opens_s=number / n, end_s=end_s, refused=number >= self._max, cut=cut)


def _array(values):
    import numpy as np

    return np.array(values)


class _Stream:
    """One stream: what it sends is taken, what the model says is told to its recorder."""

    def __init__(self, model: VirtualModel, spec: LoadSpec, number: int, *, opens_s, end_s, refused, cut) -> None:
        self.model, self.clock, self.number, self.cut = model, model.clock, number, cut
        self.end_s = end_s
        self._look_s: float | None = None
        self.recorder = TraceRecorder(
            label=f"virtual-{number}", transport="virtual", family=model.family, clock=lambda: self.clock.now_s
        )
        if refused:
            self.recorder.failed(Ending.REFUSED, "ModelError", "Failed to establish WebSocket connection")
            return
        self.sender = spec.workload.sender(number, seed=spec.seed, family=model.family)
        self.sequence = 0
        spoken = spoken_until(spec, number)
        self.spoken: SpokenUntil | None = spoken
        self.clock.at(opens_s, self._opened)
        self.clock.at(end_s, self._answered)  # whose answer is still on its way then is asked to end

    def _opened(self) -> None:
        self.recorder.opened()
        if greeting := self.model.family.protocol.greeting:
            self.tell(type=greeting, request_id="r", model_name="virtual")
        self.sender.due_s = self.recorder.now()
        self._send()

    def _send(self) -> None:
        for data, kind in self.sender.take(self.recorder, self.clock.now_s >= self.end_s):
            self.heard(json.loads(data) if kind == "UTF8" else data)
        if self.sender.over:
            return
        look_s = self.recorder.reading(self.sender.due_s)
        if self.recorder.open_turn is None:
            self.clock.at(look_s, self._send)
        else:
            self._look_s = look_s

    def _answered(self) -> None:
        """The sender's next look at its answer finds something.

        It looks every `ANSWER_LOOK_S`. Those looks that find nothing would be most of what happens.
        """
        if (look_s := self._look_s) is None:
            return
        while look_s < self.clock.now_s:
            look_s += ANSWER_LOOK_S
        self._look_s = None
        self.clock.at(look_s, self._send)

    def tell(self, **message) -> None:
        self.recorder.message(orjson.dumps(message))

    def heard(self, message) -> None:
        raise NotImplementedError


class _Speaking(_Stream):
    """Text in, audio out: a piece after the other, each begun when the one before it is done."""

    text, left_s, piece_s, closing = "", 0.0, 0.0, False

    def heard(self, message) -> None:
        match message["type"]:
            case "Speak":
                self.text += message["text"]
            case "Flush":
                self.left_s = len(self.text) / CHARACTERS_PER_S * (1 - self.cut)
                self._next()
            case "Close":
                self.closing = True
                if not self.left_s:
                    self._end()

    def _next(self) -> None:
        self.piece_s = min(PIECE_S, self.left_s)
        self.clock.at(self.model.work(self.piece_s), self._piece)

    def _piece(self) -> None:
        piece_s = self.piece_s
        self.recorder.message(bytes(2 * int(24_000 * piece_s)))
        self.left_s = self.left_s - piece_s if self.left_s - piece_s > 1e-6 else 0.0
        if self.left_s:
            self._next()
            return
        self.text = ""
        self.tell(**self._done())
        self._answered()
        if self.closing:
            self._end()

    def _done(self) -> dict:
        if self.model.family.path == "v1/speak":
            return {"type": "Flushed", "sequence_id": 0}
        return {"type": "SpeechMetadata", "speech_id": "dg_sp_0"}

    def _end(self) -> None:
        if last := self.model.family.protocol.last_message:
            self.tell(type=last)
        self.recorder.ended()


class _SpokenTo(_Stream):
    """Audio in: an Update every quarter of a second of it, and the end of a turn when it has been quiet for a while."""

    cursor_s, told_s, turn_from_s, ended_for_s, done_s = 0.0, 0.0, 0.0, -1.0, 0.0

    def heard(self, message) -> None:
        if isinstance(message, bytes):
            audio_s = len(message) / 2 / self.sender.sample_rate
            self.done_s = max(self.model.work(audio_s), self.done_s)
            self.clock.at(self.done_s, lambda: self._transcribed(audio_s))
        else:
            self.clock.at(self.done_s, self.recorder.ended)

    def _transcribed(self, audio_s: float) -> None:
        self.cursor_s += audio_s
        quiet_from_s = self.spoken.before(self.cursor_s) if self.spoken is not None else float("nan")
        if self.cursor_s - quiet_from_s >= DECIDES_S and quiet_from_s > self.ended_for_s + 1e-6:
            self.ended_for_s = quiet_from_s
            self._turn_info("EndOfTurn")
            self.turn_from_s = self.cursor_s
        elif self.cursor_s - self.told_s >= UPDATE_S - 1e-6:
            self._turn_info("Update")

    def _turn_info(self, event: str) -> None:
        self.told_s = self.cursor_s
        window = {"audio_window_start": self.turn_from_s, "audio_window_end": self.cursor_s}
        self.tell(type="TurnInfo", event=event, transcript="words", turn_index=0, **window)


def settings(seed: int) -> dict[str, float]:
    """Lanes and service time at random, so that the knee is between 3 and 10 and no whole number lies near.

    A turn's first audio is waited for, so that turns without a break are a per cent or two less than one voice each:
    what is too much by three per cent at eleven turns is hardly too much. So there is more room above than below.
    """
    chance = random.Random(seed)
    knee = chance.randint(3, 10) + chance.uniform(0.3, 0.6)
    lanes = chance.randint(1, min(6, int(0.8 * knee)))
    return {"lanes": lanes, "service_s": lanes * PIECE_S / knee}
