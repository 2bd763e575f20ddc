"""What the metered engines' capacity is made of: lanes with busy-until times, and a queue that releases answers."""

import asyncio
import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from dgsm_helpers.errors import InvalidInput


@dataclass(frozen=True)
class MeteredSettings:
    """Capacity of one instance: ``lanes`` servers, each ``service_ms`` of time per 100 ms of audio."""

    lanes: int = 4
    service_ms: float = 38.0

    def __post_init__(self) -> None:
        if int(self.lanes) != self.lanes or not 1 <= self.lanes <= 100_000:
            raise InvalidInput(f"lanes is {self.lanes!r}.", hint="Give a whole number from 1 to 100000.")
        if not 0 < self.service_ms <= 60_000:
            raise InvalidInput(
                f"service_ms is {self.service_ms!r}.", hint="Give milliseconds per 100 ms of audio, up to 60000."
            )

    @property
    def knee(self) -> int:
        """Real-time streams that one instance keeps up with."""
        return math.floor(self.lanes * 100 / self.service_ms + 1e-9)

    @property
    def voices(self) -> int:
        """Texts spoken at once that one instance keeps up with: one lane makes one text's audio, piece after piece."""
        return self.knee if self.service_ms <= 100 else 0


class Lanes:
    """Busy-until times of one instance's lanes. Pure: every method is told the time."""

    def __init__(self, settings: MeteredSettings) -> None:
        self._cost_s_per_s = settings.service_ms / 100
        self._free_at = [0.0] * int(settings.lanes)
        self._given_s = 0.0

    def take(self, now_s: float, audio_s: float) -> float:
        """Give ``audio_s`` seconds of audio to the lane that is free first; returns when it will be done."""
        cost_s = audio_s * self._cost_s_per_s
        done_s = max(now_s, self._free_at[0]) + cost_s
        heapq.heapreplace(self._free_at, done_s)
        self._given_s += cost_s
        return done_s

    def give_back(self, now_s: float, pieces: Iterable[tuple[float, float]]) -> None:
        """What is not begun of ``pieces`` need not be worked: the fullest lanes get shorter.

        Each is the seconds of audio that `take` was given, and what it returned for them.
        """
        costs = [(audio_s * self._cost_s_per_s, done_s) for audio_s, done_s in pieces]
        cost_s = sum(cost_s for cost_s, done_s in costs if done_s - cost_s >= now_s)
        lanes = sorted(self._free_at)
        for fullest in range(len(lanes) - 1, -1, -1):
            if lanes[fullest] <= now_s:
                break
            filled = len(lanes) - fullest
            next_s = max(lanes[fullest - 1] if fullest else now_s, now_s)
            level_s = max(lanes[fullest] - cost_s / filled, next_s)
            taken_s = (lanes[fullest] - level_s) * filled
            lanes[fullest:] = [level_s] * filled
            cost_s -= taken_s
            self._given_s -= taken_s
            if level_s > next_s:
                break
        self._free_at = lanes  # sorted, which a heap may be

    def give_back_rest(self, now_s: float, audio_s: float, done_s: float) -> None:
        """As `give_back`, for one long piece, which need not be worked on though it may have begun."""
        rest_s = min(audio_s, max(0.0, done_s - now_s) / self._cost_s_per_s)
        self.give_back(now_s, [(rest_s, math.inf)])

    def worked_s(self, now_s: float) -> float:
        """Lane-seconds worked until ``now_s``."""
        return self._given_s - sum(at - now_s for at in list(self._free_at) if at > now_s)


class ReleaseQueue:
    """Calls functions at given moments, by one heap and one timer on the event loop that runs when it is made.

    A timer per chunk would cost more than the chunk; and whatever is due at one wake-up is released together, so the
    writes it causes leave in one piece.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def now_s(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def at(self, due_s: float, call: Callable[[], None]) -> None:
        """Call at ``due_s`` of the loop's clock; equal moments keep their order."""
        heapq.heappush(self._heap, (due_s, next(self._order), call))
        if self._timer is None or due_s < self._timer.when():
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        heap = self._heap
        try:
            while heap and heap[0][0] <= now_s:
                heapq.heappop(heap)[2]()
        finally:
            if heap and self._timer is None:
                self._arm()
