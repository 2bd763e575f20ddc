"""The notebook's kernel: what a cell begins ends when the cell is run again, and what an interrupt ends.

The one module that reaches into ipykernel (`SAVED_HANDLER`, seen with 7.4).
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

SAVED_HANDLER = "saved_sigint_handler"
"""The kernel's attribute that holds what it makes the SIGINT handler again after a request."""

_ATTRIBUTE = "dgsm_notebook_kernel"


def end_when_run_again(end: Callable[[], object]) -> None:
    """Call ``end`` when the cell that runs now is run again and comes here once more; outside a notebook never.

    Several things begun by one execution of a cell live side by side.
    """
    if (kernel := _kernel()) is not None:
        kernel.end_when_run_again(end)


def keep_when_run_again(end: Callable[[], object]) -> None:
    """What a cell began and now has found again goes on: ``end`` is not called until the cell runs once more."""
    if (kernel := _kernel()) is not None:
        kernel.keep_when_run_again(end)


def on_interrupt(callback: Callable[[], object]) -> None:
    """Call ``callback`` whenever the kernel is interrupted from now on; outside a notebook never.

    It must return soon: it may run in a signal handler. Callable from any thread.
    """
    if (kernel := _kernel()) is not None:
        kernel.on_interrupt(callback)


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel, where something can be shown below a cell."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


def _kernel() -> NotebookKernel | None:
    """The one of the IPython shell that this runs in, which holds it; None outside a notebook. Imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return None if shell is None else shell.__dict__.setdefault(_ATTRIBUTE, NotebookKernel(shell))


class NotebookKernel:
    """What the cells of one notebook have begun, and who is told of an interrupt."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._lock = threading.Lock()
        self._begun: dict[Callable[[], object], tuple[str, str]] = {}
        """By what ends it: the cell and the execution that began something, or found it again last."""
        self._callbacks: list[Callable[[], object]] = []

    def end_when_run_again(self, end: Callable[[], object]) -> None:
        """See the function of that name."""
        running = self._running_cell()
        if running is None:
            return
        with self._lock:
            former = [one for one, by in self._begun.items() if by[0] == running[0] and by[1] != running[1]]
            for end_former in former:
                del self._begun[end_former]
            self._begun[end] = running
        for end_former in former:
            end_former()

    def keep_when_run_again(self, end: Callable[[], object]) -> None:
        """See the function of that name."""
        if (running := self._running_cell()) is not None:
            with self._lock:
                self._begun[end] = running

    def on_interrupt(self, callback: Callable[[], object]) -> None:
        """See the function of that name."""
        if not self._callbacks:
            self._shell.events.register("post_run_cell", self._after_cell)
        self._callbacks.append(callback)
        kernel = getattr(self._shell, "kernel", None)
        if kernel is not None:
            # What ipykernel puts back after the request that it handles now, if it does.
            setattr(kernel, SAVED_HANDLER, self._while_idle)
            kernel.io_loop.add_callback(self._hear_while_idle)

    def _running_cell(self) -> tuple[str, str] | None:
        """(cell, execution) as the front end and the kernel name them."""
        request = self._shell.get_parent() if hasattr(self._shell, "get_parent") else {}
        header = request.get("header", {})
        cell = request.get("metadata", {}).get("cellId")
        # A widget's callback runs under the message of its click, which belongs to no cell.
        return (cell, header["msg_id"]) if cell and header.get("msg_type") == "execute_request" else None

    def _hear_while_idle(self) -> None:
        # In the kernel's main thread. Within a cell the handler is another one, which must stay.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._while_idle)

    def _while_idle(self, _number: int, _frame: Any) -> None:
        self._tell()

    def _after_cell(self, result: Any) -> None:
        # A cell that awaits is cancelled instead, and may then have no result.
        if result is None or isinstance(result.error_in_exec, KeyboardInterrupt | asyncio.CancelledError):
            self._tell()

    def _tell(self) -> None:
        for callback in list(self._callbacks):
            callback()
