"""A change from one session of a call to the next, while it goes on and as it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dgsm_helpers.load.transport.listen_stitching import ListenJoint
    from dgsm_helpers.load.transport.turn_stitching import TurnJoint

type Cause = Literal["limit", "cut", "overload"]


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """One change from a session to the next.

    ``cause``: ``limit``, ahead of SageMaker's 30 minutes; ``cut``, the session ended before the call; ``overload``,
    left on purpose. ``reason`` has the words of the server. ``at_s`` is how far the transcript was, in seconds of the
    call; ``gap_ms`` how long nothing new came. ``words_replayed`` had been told before and were heard again.
    ``audio_lost_s`` was dropped because the call was without a session for longer than audio is kept.
    """

    cause: Cause
    reason: str
    at_s: float
    gap_ms: float
    words_replayed: int
    audio_lost_s: float


@dataclass(kw_only=True)
class OngoingHandOver:
    """A change that is going on; ``gap_s`` is None until something new has come from the next session."""

    cause: Cause
    reason: str
    at_s: float = 0.0
    lost_s: float = 0.0
    since_s: float = 0.0
    gap_s: float | None = None
    joint: ListenJoint | TurnJoint | None = None

    def report(self) -> HandOver | None:
        """The hand-over, once it is over."""
        if self.gap_s is None or self.joint is None:
            return None
        return HandOver(
            cause=self.cause,
            reason=self.reason,
            at_s=self.at_s,
            gap_ms=1000 * self.gap_s,
            words_replayed=self.joint.words_replayed,
            audio_lost_s=self.lost_s,
        )
