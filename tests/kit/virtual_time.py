"""Time that passes as soon as nothing else is to be done, for what waits on timers; and time that a test moves."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Jump(selectors.DefaultSelector):
    """Where an event loop would sleep until its next timer, its clock jumps there instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            self.now_s += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without waiting: its timers fire in their order, each exactly at its time."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s


def run_in_virtual_time[T](work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on a `VirtualLoop`; what waits for another thread or process must not be run with it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class MovedClock:
    """Reads what a test last set; call it for the seconds."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
