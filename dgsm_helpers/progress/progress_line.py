"""What is going on while somebody waits: one line with a clock, the last state, and how long it usually takes.

In a notebook it stands below the cell that waits and goes with the end, so that what is saved does not depend on how
long it took; in a terminal it stands on the last line and stays. Elsewhere nobody sees it, and nothing is written. What
is over within two seconds shows nothing.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Self

from dgsm_helpers.progress.kernel import in_notebook
from dgsm_helpers.rules.foreign_text import in_terminal

SILENT_S = 2.0
_CLEAR_LINE = "\r\x1b[K"


class ProgressLine:
    """A line that is kept up to date from `__enter__` to `__exit__`.

        with ProgressLine() as line:
            while not done:
                line.show("1 of 3 instances running", left_s=240)

    Args:
        in_terminal: False leaves a terminal alone, where something else is printed meanwhile.
    """

    def __init__(self, *, in_terminal: bool = True) -> None:
        self._in_terminal = in_terminal
        self._put: Callable[[str], None] | None = None
        self._began_s = time.monotonic()
        self._state = ""

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._put == _on_terminal:
            _on_terminal(f"{self._state} · took {clock(self.elapsed_s)}")
            sys.stderr.write("\n")
        elif self._put is not None:
            self._put("")

    @property
    def elapsed_s(self) -> float:
        """Wall-clock seconds since it began."""
        return time.monotonic() - self._began_s

    def show(self, state: object, *, left_s: float | None = None) -> None:
        """How things stand; ``left_s`` are the wall-clock seconds that they usually go on, None where nobody knows."""
        self._state = " ".join(str(state).split())
        if self._put is None and self.elapsed_s >= SILENT_S:
            self._put = _surface(self._in_terminal)
        if self._put is not None:
            self._put(" · ".join(filter(None, (clock(self.elapsed_s), self._state, _estimate(left_s)))))


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _estimate(left_s: float | None) -> str:
    if left_s is None:
        return ""
    if left_s <= 0:
        return "longer than usual"
    return f"about {left_s:.0f} s more" if left_s < 90 else f"about {left_s / 60:.0f} min more"


def _surface(with_terminal: bool) -> Callable[[str], None]:
    """What puts a text in the place of the last one, for whoever waits here."""
    # What a thread shows would stand below whatever cell runs by then.
    if threading.current_thread() is threading.main_thread():
        if in_notebook():
            from IPython.display import Pretty, display

            handle = display({}, raw=True, display_id=True)
            return lambda text: handle.update(Pretty(text))
        if with_terminal and sys.stderr is not None and sys.stderr.isatty():
            return _on_terminal
    return lambda text: None


def _on_terminal(text: str) -> None:
    room = shutil.get_terminal_size((100, 30)).columns - 1
    sys.stderr.write(f"{_CLEAR_LINE}{in_terminal(text)[:room]}")
    sys.stderr.flush()
