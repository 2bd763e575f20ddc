"""How a call of a load goes, while it goes on."""

import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

SILENT_S = 3.0
"""A call that hears nothing for longer is behind by at least that."""


@dataclass(frozen=True, kw_only=True)
class OngoingCall:
    """A call or stream at one moment, as its caller has it.

    ``request_id`` is the model's name of its present session, "" where that is not known. ``lag_ms`` is how far its
    text is behind its audio, None before the first. ``said`` is what is final of its text, ``guess`` what may change.
    """

    label: str
    request_id: str = ""
    lag_ms: float | None = None
    said: str = ""
    guess: str = ""


class HeardPart(NamedTuple):
    """What one message tells of a call's text, up to ``end_s`` seconds of it."""

    end_s: float
    text: str
    is_final: bool
    request_id: str


class CallProgress:
    """A call that goes on, as `Load.snapshot` looks at it."""

    def __init__(self, lags: list[tuple[float, float]]) -> None:
        self.is_open = False
        self.recent_lags: deque[tuple[float, float]] = deque(maxlen=128)
        self._lags = lags
        self._finals: deque[str] = deque(maxlen=12)
        self._guess = self._request_id = ""

    def result(self, part: HeardPart, lag_s: float) -> None:
        """It came so much later than its audio was spoken."""
        self.is_open = True
        at_s = time.monotonic()
        self.recent_lags.append((at_s, lag_s))
        self._lags.append((at_s, lag_s))
        self._request_id = part.request_id
        if part.is_final:
            self._finals.append(part.text)
        self._guess = "" if part.is_final else part.text

    def ongoing(self, label: str) -> OngoingCall:
        """The call at this moment; callable from any thread."""
        said = " ".join(filter(None, tuple(self._finals)))
        lag_ms = lag_now_ms(self.recent_lags)
        return OngoingCall(label=label, request_id=self._request_id, lag_ms=lag_ms, said=said, guess=self._guess)


def lag_now_ms(recent_lags: deque[tuple[float, float]]) -> float | None:
    """The newest lag, or for how long nothing has come where that is long."""
    if not recent_lags:
        return None
    at_s, lag_s = recent_lags[-1]
    silent_s = time.monotonic() - at_s
    return 1000 * (max(lag_s, silent_s) if silent_s > SILENT_S else lag_s)
