"""The notebook cell that runs now: what it begins ends when it is run again.

Interrupting the kernel also ends what runs beside its cells.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

_lock = threading.Lock()
_begun: dict[str, tuple[str, list[Callable[[], object]]]] = {}
"""By cell: the execution that began something last, and what ends it."""


def end_when_run_again(end: Callable[[], object]) -> None:
    """Call ``end`` when the cell that runs now is run again and comes here once more; outside a notebook never.

    Several things begun by one execution of a cell live side by side.
    """
    running = _running()
    if running is None:
        return
    cell, execution = running
    with _lock:
        former, ends = _begun.get(cell, ("", []))
        again = [] if former == execution else ends
        _begun[cell] = (execution, [*(ends if former == execution else []), end])
    for one in again:
        one()


def notebook_shell() -> Any:
    """IPython's shell when this runs in a notebook or an IPython session, else None; imports nothing."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _running() -> tuple[str, str] | None:
    """(cell, execution) as the front end and the kernel name them."""
    shell = notebook_shell()
    request = shell.get_parent() if hasattr(shell, "get_parent") else {}
    header = request.get("header", {})
    cell = request.get("metadata", {}).get("cellId")
    # A widget's callback runs under the message of its click, which belongs to no cell.
    return (cell, header["msg_id"]) if cell and header.get("msg_type") == "execute_request" else None


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
