"""Interrupts that must not leave an endpoint half changed. In threads other than the main one there are none.

Interrupts are Ctrl-C (SIGINT), a request to end (SIGTERM) and a terminal that was closed (SIGHUP). One that the process
was started to ignore, as under ``nohup``, stays ignored.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


@contextmanager
def termination_raises() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise SystemExit, so that clean-up runs, as it does after Ctrl-C."""

    def ended(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled((signal.SIGTERM, signal.SIGHUP), ended):
        yield


@contextmanager
def put_off(say: Callable[[str], object]) -> Iterator[None]:
    """Within it Ctrl-C, SIGTERM and SIGHUP wait; afterwards they take effect.

    Args:
        say: told at once that the interrupt waits, and why nothing seems to happen.
    """
    waiting: list[int] = []

    def noted(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        unfailing(say)("Interrupted: the endpoint is put back as it was first.")

    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), noted):
        yield
    if waiting:
        raise KeyboardInterrupt if signal.SIGINT in waiting else SystemExit(128 + waiting[0])


def unfailing[T](say: Callable[[T], object]) -> Callable[[T], object]:
    """The same, which says nothing where there is nobody to hear it any more: no terminal, a closed or full output."""

    def said(text: T) -> object:
        with suppress(OSError, ValueError):
            return say(text)
        return None

    return said


@contextmanager
def _handled(numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    minded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    former: dict[int, Any] = {number: signal.signal(number, handler) for number in minded}
    try:
        yield
    finally:
        for number, was in former.items():
            signal.signal(number, was)
