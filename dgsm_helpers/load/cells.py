"""The notebook cell that runs now: what it begins ends when it is run again."""

from __future__ import annotations

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
