"""The buttons of ``dgsm show`` below the live view of a notebook: callers, trouble, and the story told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import ipywidgets

from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.live_state import LiveState, error_sentence
from dgsm_helpers.views.show_events import BUTTONS, ShowEvents
from dgsm_helpers.views.show_story import Story, scenes_of

_PLAY, _PAUSE = "▶ tell the story", "❚❚ pause the story"


class ShowButtons:
    """What ``dgsm show`` has above its picture. Its callers are those of ``load()``, where there are any.

    Nothing is asked of AWS before the first click.
    """

    def __init__(self, wb: Workbook, load: Callable[[], Load | None]) -> None:
        self._wb, self._load = wb, load
        self._events: ShowEvents | None = None
        self._story = Story(())
        self._lock = threading.Lock()
        self._text = ipywidgets.HTML()
        self._play = self._button(_PLAY, "all of it, with a sentence at each step", self.play)
        buttons = [self._button(label, tip, partial(self.press, name)) for name, (label, tip) in BUTTONS.items()]
        row = ipywidgets.Box([self._play, *buttons], layout=ipywidgets.Layout(display="flex", flex_flow="row wrap"))
        self.widget = ipywidgets.VBox([row, self._text])

    def press(self, name: str) -> None:
        """Do what a button of `BUTTONS` says; callable from any thread."""
        with self._lock:
            try:
                events = self._known_events()
                events.press(name)
                self._say(events.note)
            except Exception as error:
                # Whatever keeps it from being done is the answer to the click.
                self._say(error_sentence(error))

    def play(self) -> None:
        """Tell the story, or pause it; it goes on with the view's refreshes."""
        with self._lock:
            try:
                self._known_events()
            except Exception as error:
                self._say(error_sentence(error))
                return
            playing = self._story.playing and not self._story.paused
            self._story.pause() if playing else self._story.play()
            self._play.description = _PLAY if playing else _PAUSE

    def tick(self, state: LiveState) -> None:
        """The endpoint looks like this now: a rush goes on, and the story."""
        with self._lock:
            if self._events is None:
                return
            self._events.step()
            sentence = self._story.sentence
            self._story.tick(state, time.monotonic())
            if self._story.sentence != sentence:
                self._say(self._story.sentence)
            if not self._story.playing:
                self._play.description = _PLAY

    def close(self) -> None:
        """The story pauses, and what was sold out can be had again; the callers are the load's."""
        with self._lock:
            if self._events is not None:
                self._story.pause()
                self._events.end_shortage()

    def _known_events(self) -> ShowEvents:
        if self._events is None:
            self._events = ShowEvents(self._wb)
            self._story = Story(scenes_of(self._events))
        self._events.load = self._load() or self._events.load
        return self._events

    def _say(self, text: str) -> None:
        self._text.value = f"<p>{in_html(text)}</p>"

    def _button(self, label: str, tip: str, clicked: Callable[[], None]) -> ipywidgets.Button:
        layout = ipywidgets.Layout(width="auto")
        button = ipywidgets.Button(description=label, tooltip=tip, layout=layout)
        # A click may not keep the kernel waiting for AWS.
        button.on_click(lambda _: threading.Thread(target=clicked, name="dgsm-show-click", daemon=True).start())
        return button
