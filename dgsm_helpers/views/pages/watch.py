"""Watching an endpoint outside a notebook: in a terminal, or on a page that a browser keeps open."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.figures.live_svg import live_html
from dgsm_helpers.views.figures.terminal import live_text
from dgsm_helpers.views.live_state import LiveState, troubled
from dgsm_helpers.views.pages import html_page
from dgsm_helpers.wire.whole_file import write_whole

_HOME_AND_CLEAR = "\x1b[H\x1b[J"
_MIN_EVERY_S = 2.0


def states(wb: Workbook, *, window_s: float, every_s: float, sleep: Callable[[float], None]) -> Iterator[LiveState]:
    """One state after the other, for ever. What goes wrong is told in ``trouble`` beside the last good picture.

    Raises:
        DgsmError: the first state could not be had; there is nothing to show yet.
    """
    feed = Feed(wb, window_s=window_s)
    *_, last = feed.states()
    yield last
    while True:
        sleep(every_s)
        try:
            *_, last = feed.states()
            yield last
        except DgsmError as error:
            # Throttling ends, credentials come back, an endpoint is deployed again: say so and go on.
            yield troubled(last, error, now=wb.now(), retry_s=every_s)


def period(wb: Workbook, every_s: float | None) -> float:
    """Wall-clock seconds between refreshes: those given (more than none), else the metric's ten, at least two."""
    if every_s is not None and not every_s > 0:
        raise InvalidInput(f"every is {every_s:g} s.", hint="Give the seconds between refreshes, such as 10.")
    return every_s or max(wb.wall_seconds(10), _MIN_EVERY_S)


def watch_in_terminal(
    wb: Workbook,
    out: TextIO,
    *,
    window_s: float,
    every_s: float | None,
    once: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Draw the view again and again until interrupted, in place on a terminal, one below the other elsewhere."""
    every_s = period(wb, every_s)
    for state in states(wb, window_s=window_s, every_s=every_s, sleep=sleep):
        text = live_text(state, width=shutil.get_terminal_size((100, 30)).columns)
        print(f"{_HOME_AND_CLEAR}{text}" if out.isatty() else f"{text}\n", file=out, flush=True)
        if once:
            return


def watch_on_page(
    wb: Workbook,
    path: Path,
    *,
    window_s: float,
    every_s: float | None,
    once: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Keep ``path`` up to date; a browser that has it open loads it again by itself. The last one says that it ended.

    Written beside it first and then put in its place: no browser ever sees half a page.
    """
    every_s = period(wb, every_s)
    path.parent.mkdir(parents=True, exist_ok=True)
    last = None
    try:
        for last in states(wb, window_s=window_s, every_s=every_s, sleep=sleep):
            write_whole(path, page(last, reload_s=None if once else every_s))
            if once:
                return
    finally:
        if last is not None:
            write_whole(path, page(last, reload_s=None))


def page(state: LiveState, *, reload_s: float | None) -> str:
    """The stand-alone page, in the browser's light or dark. Pure; nothing is fetched.

    Args:
        reload_s: seconds after which the browser loads it again; None: it is final.
    """
    reload = "" if reload_s is None else f'<meta http-equiv="refresh" content="{reload_s:g}">'
    note = "" if reload_s is not None else "<p>No longer refreshed: this is how it last was.</p>"
    return html_page(f"{state.endpoint_name}, live", live_html(state) + note, style=_STYLE, head=reload)


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; max-width: 1100px; margin: 1.5rem auto; padding: 0 1rem; }
"""
