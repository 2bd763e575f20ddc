"""The capacity ladder while it is measured, below a notebook cell."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import ipywidgets

from dgsm_helpers.load.ladder.criteria import Criteria
from dgsm_helpers.load.ladder.rung import Rung
from dgsm_helpers.planning.tuning import TuningPlan
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.figures.ladder_figure import LadderState, RungPoint, ladder_html
from dgsm_helpers.views.widgets import Shown

TICK_S = 1.0


def figure_labels(wb: Workbook, criteria: Criteria) -> dict[str, Any]:
    """The limit and the origin, which the ladder's figures need beside the rungs."""
    source = f"{criteria.lag_word} measured by this client"
    return {
        "limit_ms": criteria.lag_s * 1000,
        "limit_name": f"{criteria.statistic} {criteria.lag_word} ({criteria.name})",
        "lag": criteria.lag_word,
        "origin": f"{source} on one instance of {wb.endpoint_name}, {wb.place}, {wb.region}",
    }


def rung_points(rungs: Iterable[Rung]) -> list[RungPoint]:
    """Rungs as the charts take them, by number of streams."""
    return [RungPoint.of(rung.to_dict()) for rung in sorted(rungs, key=lambda rung: rung.n)]


class LadderView(Shown):
    """Lag per rung and the interval so far, with a progress bar; give its `add` to ``tune`` as ``on_rung``.

        view = LadderView(wb, plan)
        view                        # shown below this cell
        with view:
            tuned = tune(wb, on_rung=view.add)

    A thread moves the clock once a second, because measuring blocks the cell. Its methods may be called from any
    thread.

    Args:
        wb: the workbook whose endpoint is measured.
        plan: what will be done (`tuning.plan`): gives the criteria and the forecast.
    """

    def __init__(self, wb: Workbook, plan: TuningPlan) -> None:
        labels = {**figure_labels(wb, plan.criteria), "unit": plan.unit}
        self._unit = plan.unit
        self._unstarted = LadderState(endpoint_name=wb.endpoint_name, points=(), forecast_s=plan.longest_s, **labels)
        self._rungs: dict[int, Rung] = {}
        self._said = self._trouble = ""
        self._began = self._ended = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.widget = ipywidgets.HTML()
        self.once()

    def add(self, rung: Rung) -> None:
        """Show a rung that has been measured, or measured again."""
        void = rung.holds[-1].void
        with self._lock:
            self._rungs[rung.n] = rung
            self._said = f"{rung.n} {self._unit}: {f'void, {void}' if void else rung.verdict.value.lower()}"
        self.once()

    def start(self) -> Self:
        """Begin anew and let the clock run; returns at once."""
        self._rungs = {}
        self._began, self._ended = time.monotonic(), 0.0
        self._stop = threading.Event()
        self._said, self._trouble = "preparing the endpoint", ""
        self._thread = threading.Thread(target=self._tick, args=(self._stop,), name="dgsm-ladder", daemon=True)
        self._thread.start()
        return self.once()

    def stop(self) -> None:
        """Stop the clock; the last picture stays."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        if self._began and not self._ended:
            self._ended = time.monotonic()
        self._said = ""
        self.once()

    def once(self) -> Self:
        """Draw now."""
        self.widget.value = ladder_html(self.state)
        return self

    @property
    def state(self) -> LadderState:
        """What is shown."""
        with self._lock:
            running = bool(self._began) and not self._ended
            elapsed_s = ((self._ended or time.monotonic()) - self._began) if self._began else 0.0
            said = self._said if self._began else "not started"
            return replace(
                self._unstarted,
                points=rung_points(self._rungs.values()),
                elapsed_s=elapsed_s,
                running=running,
                said=said,
                trouble=self._trouble,
            )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._trouble = f"{type(error).__name__}: {error}"
        self.stop()

    def _tick(self, stop: threading.Event) -> None:
        while not stop.wait(TICK_S):
            self.once()
