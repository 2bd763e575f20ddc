"""Interrupts that must not leave an endpoint half changed. In threads other than the main one there are none."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def termination_raises() -> Iterator[None]:
    """Within it SIGTERM raises SystemExit, so that clean-up runs, as it does after Ctrl-C."""

    def ended(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled((signal.SIGTERM,), ended):
        yield


@contextmanager
def put_off(say: Callable[[str], object]) -> Iterator[None]:
    """Within it Ctrl-C and SIGTERM wait; afterwards they take effect.

    Args:
        say: told at once that the interrupt waits, and why nothing seems to happen.
    """
    waiting: list[int] = []

    def noted(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        say("Interrupted: the endpoint is put back as it was first.")

    with _handled((signal.SIGINT, signal.SIGTERM), noted):
        yield
    if waiting:
        raise KeyboardInterrupt if signal.SIGINT in waiting else SystemExit(128 + waiting[0])


@contextmanager
def _handled(numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former: dict[int, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, was in former.items():
            signal.signal(number, was)
