"""Interrupting the kernel also ends what runs beside its cells.

A notebook's interrupt is SIGINT. While a cell runs it raises in that cell; while none does, ipykernel ignores it, and a
thread in the background would never hear of either.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from dgsm_helpers.load.cells import notebook_shell

_callbacks: list[Callable[[], object]] = []


def on_interrupt(callback: Callable[[], object]) -> None:
    """Call ``callback`` whenever the kernel is interrupted from now on; outside a notebook never.

    It must return soon: it may run in a signal handler. Callable from any thread.
    """
    shell = notebook_shell()
    if shell is None:
        return
    if not _callbacks:
        shell.events.register("post_run_cell", _after_cell)
    _callbacks.append(callback)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        # What ipykernel puts back after the request that it handles now, if it does.
        kernel.saved_sigint_handler = _while_idle
        kernel.io_loop.add_callback(_hear_while_idle)


def _hear_while_idle() -> None:
    # In the kernel's main thread. Within a cell the handler is another one, which must stay.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _while_idle)


def _while_idle(_number: int, _frame: Any) -> None:
    _tell()


def _after_cell(result: Any) -> None:
    # A cell that awaits is cancelled instead, and may then have no result.
    if result is None or isinstance(result.error_in_exec, KeyboardInterrupt | asyncio.CancelledError):
        _tell()


def _tell() -> None:
    for callback in list(_callbacks):
        callback()
