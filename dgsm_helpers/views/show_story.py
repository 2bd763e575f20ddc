"""The story that ``dgsm show`` tells on the embedded AWS: scene by scene, a sentence at each, as things happen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dgsm_helpers.views.fleet_state import SERVING
from dgsm_helpers.views.live_state import LiveState
from dgsm_helpers.views.show_events import QUIET_CALLS

if TYPE_CHECKING:
    from dgsm_helpers.views.show_events import ShowEvents


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sentence, what happens with it, and when it has been seen: not before ``least_s``, nor after ``most_s``.

    Both are wall-clock seconds. ``seen`` is asked with the state now and that at the scene's beginning.
    """

    sentence: Callable[[LiveState], str]
    begin: Callable[[], object] = lambda: None
    seen: Callable[[LiveState, LiveState], bool] = lambda state, first: True
    least_s: float = 6.0
    most_s: float = 60.0


class Story:
    """Goes through its scenes while it plays; told of each new state by `tick`."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self.sentence = ""
        self.number = 0
        """Of the present scene, from 1; 0 before the first and after the last."""
        self.paused = False
        self._in_scene_s = 0.0
        self._told_s = 0.0
        self._first: LiveState | None = None

    @property
    def length(self) -> int:
        """How many scenes it has."""
        return len(self._scenes)

    @property
    def playing(self) -> bool:
        """Whether it has begun and not ended, be it paused."""
        return self.number > 0

    def play(self) -> None:
        """From the beginning; where it is paused, on from there."""
        if not self.playing:
            self.number, self._first = 1, None
        self.paused = False

    def pause(self) -> None:
        """Stay at the present scene. The endpoint goes on meanwhile."""
        self.paused = self.playing

    def tick(self, state: LiveState, now_s: float) -> None:
        """What is on the screen now, at a reading of a wall clock."""
        since_s, self._told_s = now_s - self._told_s, now_s
        if not self.playing or self.paused:
            return
        scene = self._scenes[self.number - 1]
        if self._first is not None:
            self._in_scene_s += since_s
            over = self._in_scene_s >= scene.least_s and scene.seen(state, self._first)
            if not over and self._in_scene_s < scene.most_s:
                return
            self.number, self._first = (self.number + 1) % (self.length + 1), None
            if not self.playing:
                return
            scene = self._scenes[self.number - 1]
        self._first, self._in_scene_s = state, 0.0
        self.sentence = scene.sentence(state)
        scene.begin()


def scenes_of(events: ShowEvents) -> list[Scene]:
    """A rush that scales the endpoint out, an instance that dies meanwhile, and the way back."""
    peak = min(events.most_instances, 3)
    return [
        Scene(
            sentence=lambda s: (
                "Each box is an instance, each dot a call: green while its text keeps up with the voice. "
                f"{QUIET_CALLS} calls fit on one instance easily."
            ),
            begin=lambda: events.press("quiet"),
            seen=lambda s, _: len(s.fleet.calls) >= QUIET_CALLS and not s.fleet.late,
        ),
        Scene(
            sentence=lambda s: f"The morning rush: {events.rush_calls} people call. There is still one instance.",
            begin=lambda: events.press("rush"),
            seen=lambda s, _: s.fleet.late > 0,
            most_s=20,
        ),
        Scene(
            sentence=lambda s: (
                "Too many for one: dots turn red, the text falls behind. Calls per instance are above the target of "
                f"{events.target_value:g}; the high alarm counts."
            ),
            seen=lambda s, _: desired(s) > running(s) or running(s) >= peak,
            most_s=40,
        ),
        Scene(
            sentence=lambda s: f"The alarm has gone off: {desired(s)} instances are wanted. New ones are starting.",
            seen=lambda s, _: running(s) >= peak,
            most_s=60,
        ),
        Scene(
            sentence=lambda s: (
                f"{running(s)} instances serve. Calls that were behind move over, new ones are shared: dots turn green."
            ),
            seen=lambda s, _: not s.fleet.late,
            most_s=30,
        ),
        Scene(
            sentence=lambda s: "Now an instance dies. No call ends: each goes on elsewhere, and no word is lost.",
            begin=lambda: events.press("crash"),
            seen=lambda s, first: running(s) < running(first),
            most_s=20,
        ),
        Scene(
            sentence=lambda s: "SageMaker replaces it by itself; nobody has to do anything.",
            seen=lambda s, _: running(s) >= peak and not s.fleet.late,
            most_s=40,
        ),
        Scene(
            sentence=lambda s: (
                "The rush is over. Scaling in is slower on purpose: the low alarm wants 15 minutes of quiet "
                "before an instance goes."
            ),
            begin=lambda: events.press("quiet"),
            seen=lambda s, first: desired(s) < desired(first),
            most_s=60,
        ),
        Scene(
            sentence=lambda s: "The calls that are left go on; instances without need of them go, and stop billing.",
            seen=lambda s, _: running(s) <= 1,
            most_s=40,
        ),
        Scene(sentence=the_end, least_s=1),
    ]


def running(state: LiveState) -> int:
    """Instances that serve."""
    return sum(instance.phase == SERVING for instance in state.fleet.instances)


def desired(state: LiveState) -> int:
    """Instances that are wanted."""
    return int(state.instances[-1][1]) if state.instances else running(state)


def the_end(state: LiveState) -> str:
    """What it came to."""
    spent, always = state.fleet.spent_usd, state.fleet.always_usd
    saved = "" if spent is None or always is None else f" for ${spent:.2f} instead of ${always:.2f}"
    now = f"{running(state)} instance{'s' * (running(state) != 1)}"
    return f"From one instance to {state.fleet.most} and back to {now}, by itself{saved}. That is all."
