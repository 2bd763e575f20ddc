"""A live view of the endpoint below a notebook cell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets

from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.errors import NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.progress.kernel import end_when_run_again, keep_when_run_again, on_interrupt
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.figures.live_svg import live_html
from dgsm_helpers.views.live_state import LiveState, error_sentence, troubled, waiting_for
from dgsm_helpers.views.widgets import Shown
from dgsm_helpers.views.widgets.show_buttons import ShowButtons

_WINDOWS_S = (900.0, 1800.0, 3600.0, 10_800.0)
_EVERY_S = (2.0, 5.0, 10.0, 30.0)

_running: dict[tuple[str, ...], Live] = {}
"""The live view of each endpoint that refreshes itself: running a cell again must not leave two."""
_lock = threading.Lock()


def _interrupted() -> None:
    """Every loop ends; no lock, as this may run in a signal handler."""
    for view in list(_running.values()):
        view._stop.set()


class Live(Shown):
    """Concurrency against the target, alarms, instances, latency and scaling activities, refreshed in the background.

        view = Live(wb)
        view.start()
        view

    A thread refreshes it, because a blocking cell would stall an asyncio task. Its methods may be called from any
    thread (widget callbacks do not always run in the main one). An error of a refresh is shown in the view, above the
    last good picture, and the next refresh tries again.

    An endpoint has one view that refreshes itself, the last one started. It stops with `stop`, with the kernel's
    interrupt, when the cell that made it is run again, and after ``max_s``.

    Args:
        wb: the workbook whose endpoint is watched.
        load: a running load to show beside it.
        window_s: seconds of the workbook's time that are shown.
        every_s: wall-clock seconds between refreshes; by default the metric's 10 s, at least 2 s.
        max_s: wall-clock seconds after which it stops by itself.
    """

    def __init__(
        self,
        wb: Workbook,
        *,
        load: Load | None = None,
        window_s: float = 1800.0,
        every_s: float | None = None,
        max_s: float = 7200.0,
    ) -> None:
        self.wb, self.load, self.window_s, self.max_s = wb, load, window_s, max_s
        self.every_s = every_s if every_s is not None else max(wb.wall_seconds(10), 2.0)
        self.state: LiveState | None = None
        self._good: LiveState | None = None
        self._error: Exception | None = None
        self._feed = Feed(wb, window_s=window_s)
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._html = ipywidgets.HTML("<i>Not started: press Start, or call start().</i>")
        self._start_button = ipywidgets.Button(description="Start", icon="play")
        self._stop_button = ipywidgets.Button(description="Stop", icon="stop", disabled=True)
        self._start_button.on_click(lambda _: self.start())
        self._stop_button.on_click(lambda _: self._end_soon())
        self._once_button = ipywidgets.Button(description="Once", icon="refresh")
        self._once_button.on_click(lambda _: _in_background(self.once))
        self._window = _choice("Window", _WINDOWS_S, window_s)
        self._window.observe(lambda change: self._choose_window(change["new"]), names="value")
        self._every = _choice("Every", _EVERY_S, self.every_s)
        self._every.observe(lambda change: setattr(self, "every_s", change["new"]), names="value")
        buttons = [self._start_button, self._stop_button, self._once_button, self._window, self._every]
        # Wraps, so that nothing is cut off in a narrow notebook.
        controls = ipywidgets.Box(buttons, layout=ipywidgets.Layout(display="flex", flex_flow="row wrap"))
        # Instances can be made to fail only where the workbook has an administration.
        self._show = ShowButtons(wb, lambda: self.load) if wb.administer is not None else None
        self.widget = ipywidgets.VBox([controls, self._html, *([self._show.widget] if self._show else [])])
        end_when_run_again(self._end_soon)

    @classmethod
    def find(cls, wb: Workbook, *, load: Load | None = None, **given: Any) -> Live:
        """The view of this endpoint that still refreshes itself, from now on with ``load``; else a new one.

        A cell that is run again, after its page was closed or reloaded, so shows the view that went on meanwhile.
        """
        with _lock:
            found = _running.get((wb.key, wb.variant_name))
        if found is None or not found.running:
            return cls(wb, load=load, **given)
        keep_when_run_again(found._end_soon)
        found.load = load
        return found

    @property
    def running(self) -> bool:
        """Whether it refreshes itself."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def start(self) -> Live:
        """Refresh from now on; returns at once. Another view of the same endpoint that still runs is stopped."""
        with _lock:
            key = (self.wb.key, self.wb.variant_name)
            if not _running:
                on_interrupt(_interrupted)
            former = _running.get(key)
            if former is not None:
                former._end_soon()
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._loop, args=(self._stop,), name="dgsm-live", daemon=True)
            _running[key] = self
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop refreshing; the last picture stays. The first call and any later one have the same effect."""
        self._end_soon()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)
        if self._show:
            self._show.close()

    def once(self) -> Live:
        """Refresh once, now."""
        with self._refreshing:  # callers of once() and the loop may meet
            if self._feed.window.total_seconds() != self.window_s:
                self._feed = Feed(self.wb, window_s=self.window_s)
            try:
                for state in self._feed.states(self.load):
                    self.state = self._good = state
                    self._html.value = live_html(state)
                self._error = None
                if self._show and self.state is not None:
                    self._show.tick(self.state)
            except Exception as error:
                # Whatever goes wrong is the view's content: credentials come back, throttling ends, endpoints reappear.
                self._error = error
                self._show_trouble(error)
        return self

    def _show_trouble(self, error: Exception) -> None:
        """The last good picture with the error over it; the error alone when there is none."""
        retry_s = self.every_s if self.running else None
        if self._good is None:
            again = "" if retry_s is None else f" Next try in {retry_s:g} s."
            self._html.value = f"⚠ {in_html(f'{error_sentence(error)}{again}')}"
            return
        self.state = troubled(self._good, error, now=self.wb.now(), retry_s=retry_s)
        self._html.value = live_html(self.state)

    def _choose_window(self, window_s: float) -> None:
        """Show another stretch of time from the next refresh on, which is at once."""
        self.window_s = window_s
        if self.state is not None:
            _in_background(self.once)

    def wait_until(self, *, running_instances: int, timeout_s: float = 3600.0) -> str:
        """Block until exactly so many instances are running and the endpoint is ``InService``.

        Args:
            timeout_s: seconds of the workbook's time to wait at most.

        Raises:
            NotReady: it did not come to that; the message says what runs instead.
            KeyboardInterrupt: as usual; it also stops the view.
        """
        with ProgressLine() as line:
            return self._wait_until(running_instances, timeout_s, line)

    def _wait_until(self, running_instances: int, timeout_s: float, line: ProgressLine) -> str:
        began, asked_s = self.wb.now(), 0.0
        try:
            while True:
                endpoint = endpoint_state.status(self.wb)
                variant = endpoint.variant(self.wb.variant_name)
                if variant.running == running_instances and endpoint.status == "InService":
                    self.once()
                    line.show(reached := f"{running_instances} instance{'s' * (running_instances != 1)} running")
                    return reached
                waited_s = (self.wb.now() - began).total_seconds()
                if variant.desired != running_instances:
                    asked_s = waited_s
                alarms = (self.state and self.state.alarms) or ()
                told, left_s = waiting_for(running_instances, variant.running, variant.desired, alarms)
                line.show(told, left_s=self.wb.wall_seconds(left_s - (waited_s - asked_s)))
                if waited_s > timeout_s:
                    raise NotReady(
                        f"{variant.running} instances are running, {variant.desired} desired, not "
                        f"{running_instances}, after {timeout_s:g} s.",
                        hint="Look at the activities: observe.activities(wb).",
                    )
                if not self.running:
                    self.once()
                self.wb.sleep(min(self.every_s, 1.0) / self.wb.wall_seconds(1.0))
        except KeyboardInterrupt:
            self.stop()
            raise

    def _end_soon(self) -> None:
        """Let the loop end; returns at once, in whatever the loop is."""
        self._stop.set()
        self._show_buttons()

    def _loop(self, stop: threading.Event) -> None:
        self._show_buttons()
        until = time.monotonic() + self.max_s
        while not stop.is_set() and time.monotonic() < until:
            self.once()
            stop.wait(self.every_s)
        if stop is self._stop:  # not when a later start() has taken over
            self._end_soon()
            if self._error is not None:  # there is no next try any more
                self._show_trouble(self._error)

    def _show_buttons(self) -> None:
        self._start_button.disabled, self._stop_button.disabled = self.running, not self.running


def _in_background(work: Callable[[], object]) -> None:
    """Where a click may not keep the kernel waiting for AWS."""
    threading.Thread(target=work, name="dgsm-live-click", daemon=True).start()


def _choice(description: str, offered_s: tuple[float, ...], chosen_s: float) -> ipywidgets.Dropdown:
    """Durations to choose from, the present one among them."""
    options = [(_duration(seconds), seconds) for seconds in sorted({*offered_s, chosen_s})]
    return ipywidgets.Dropdown(
        options=options,
        value=chosen_s,
        description=description,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="11em"),
    )


def _duration(seconds: float) -> str:
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"
