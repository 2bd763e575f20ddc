"""The show of an endpoint, frame after frame: what `pages.show_page` sends to the browsers that watch."""

import json
import threading
import time
from collections.abc import Callable

from dgsm_helpers.errors import DgsmError
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.feed import Feed
from dgsm_helpers.views.figures.live_svg import live_html
from dgsm_helpers.views.live_state import LiveState, error_sentence, troubled
from dgsm_helpers.views.show_events import BUTTONS, ShowEvents
from dgsm_helpers.views.show_story import Story, scenes_of

FRAME_S = 0.4
UNATTENDED_S = 120.0
"""When nobody has watched for so long, the callers hang up: on AWS they cost, and keep instances up."""


class LiveShow:
    """Reads the endpoint, lets the story go on, and draws; `run` does so until it is told to stop.

    ``window_s`` are seconds of the workbook's time that are shown.
    """

    def __init__(self, wb: Workbook, *, window_s: float = 3600.0) -> None:
        self.wb = wb
        self.events = ShowEvents(wb)
        self.story = Story(scenes_of(self.events))
        self.with_buttons = wb.administer is not None
        self._feed = Feed(wb, window_s=window_s)
        self._every_s = max(wb.wall_seconds(10), 2.0)
        self._good: LiveState | None = None
        self._trouble: DgsmError | None = None
        self._read_s = -self._every_s
        self._watched_s = time.monotonic()

    def press(self, button: str) -> bool:
        """Do what a button says; False where there is none of that name."""
        if not self.with_buttons:
            return False
        if button == "play":
            self.story.play()
        elif button == "pause":
            self.story.pause()
        elif button in BUTTONS:
            self.events.press(button)
        else:
            return False
        return True

    def run(self, stop: threading.Event, publish: Callable[[str], object], watched: Callable[[], bool]) -> None:
        """Publish a frame every `FRAME_S` while somebody watches; ends with ``stop``."""
        while not stop.is_set():
            begin_s = time.monotonic()
            if watched():
                self._watched_s = begin_s
            if begin_s - self._watched_s < UNATTENDED_S:
                try:
                    publish(self.frame(begin_s))
                except Exception as error:
                    # Whatever goes wrong with one frame: the next one tells of it.
                    self.events.note = error_sentence(error)
            elif self.events.load is not None and not self.events.load.ended:
                self.story.pause()
                self.events.load.stop()
                self.events.note = "Nobody watched: the callers have hung up."
            stop.wait(max(begin_s + FRAME_S - time.monotonic(), 0.05))

    def frame(self, now_s: float) -> str:
        """The present state as JSON: ``html``, ``sentence``, ``note``, and how the story stands."""
        state = self._read(now_s)
        self.events.step()
        if state is not None:
            self.story.tick(state, now_s)
        return json.dumps(
            {
                "html": "" if state is None else live_html(state),
                "sentence": self.story.sentence,
                "note": self.events.note,
                "scene": self.story.number,
                "scenes": self.story.length,
                "paused": self.story.paused,
            }
        )

    def _read(self, now_s: float) -> LiveState | None:
        """The newest state; what goes wrong is told in it, and tried again."""
        load = self.events.load
        try:
            if self._good is None or now_s - self._read_s >= self._every_s:
                self._read_s = now_s
                *_, self._good = self._feed.states(load)
                self._trouble = None
            else:
                self._good = self._feed.glance(self._good, load)
        except DgsmError as error:
            self._trouble = error
        if self._trouble is None or self._good is None:
            self.events.note = error_sentence(self._trouble) if self._trouble else self.events.note
            return self._good
        return troubled(self._good, self._trouble, now=self.wb.now(), retry_s=self._every_s)
