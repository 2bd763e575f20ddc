"""The story: scene by scene as things happen, never too fast to be read, never stuck, paused and continued."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from dgsm_helpers.load.transport.call_progress import OngoingCall
from dgsm_helpers.views.fleet_state import FleetState, ShownInstance
from dgsm_helpers.views.live_state import LiveState
from dgsm_helpers.views.show_story import Scene, Story, scenes_of

STATE = LiveState(
    endpoint_name="dg",
    status="InService",
    now=datetime(2026, 11, 24, tzinfo=UTC),
    window_s=3600,
    origin="a made-up endpoint",
    target_value=5.0,
    concurrency=[],
    instances=[(0.0, 1.0, 1.0)],
)


def state(*, running=1, desired=None, calls=0, late=0, **fleet):
    """So many instances that serve, and so many calls, some of them late."""
    instances = tuple(ShownInstance(phase="serving") for _ in range(running))
    dots = tuple(OngoingCall(label=f"s-{n}", lag_ms=900.0 if n < late else 100.0) for n in range(calls))
    counts = [(0.0, float(desired or running), float(running))]
    return replace(STATE, fleet=FleetState(instances=instances, calls=dots, **fleet), instances=counts)


def scene(text, **given):
    return Scene(sentence=lambda s: text, **given)


def test_a_scene_stays_until_it_was_seen_and_could_be_read():
    seen = []
    story = Story([scene("one", seen=lambda s, _: bool(seen), least_s=6, most_s=60), scene("two")])
    story.play()
    for now_s in (0, 10, 20):
        story.tick(STATE, now_s)
        assert story.sentence == "one"
    seen.append(True)
    story.tick(STATE, 22)
    assert (story.sentence, story.number) == ("two", 2), "number and sentence change at once"
    story.tick(STATE, 23)
    assert story.sentence == "two", "it was on the screen for a second only"


def test_a_scene_whose_event_never_comes_does_not_hold_the_story_up():
    story = Story([scene("one", seen=lambda s, _: False, most_s=30), scene("two")])
    story.play()
    for now_s in range(0, 40, 5):
        story.tick(STATE, now_s)
    assert story.sentence == "two"


def test_while_it_is_paused_nothing_begins_and_no_time_passes():
    begun = []
    story = Story([scene("one", least_s=6), scene("two", begin=lambda: begun.append("two"))])
    story.play()
    story.tick(STATE, 0)
    story.pause()
    story.tick(STATE, 1000)
    assert (story.number, begun, story.paused) == (1, [], True)
    story.play()
    story.tick(STATE, 1001)
    assert story.number == 1
    story.tick(STATE, 1007)
    assert (story.number, begun) == (2, ["two"])


def test_it_can_be_told_again_and_a_pause_before_it_begins_means_nothing():
    begun = []
    story = Story([scene("one", begin=lambda: begun.append(1), least_s=0)])
    story.pause()
    assert not story.paused and not story.playing
    for _ in range(2):
        story.play()
        story.tick(STATE, 0)
        story.tick(STATE, 1)
        assert not story.playing
    assert begun == [1, 1]


@pytest.fixture
def events():
    pressed = []
    return SimpleNamespace(
        pressed=pressed, press=pressed.append, most_instances=4, target_value=5.0, rush_calls=15, campaign_calls=20
    )


def told(story, states):
    """The sentences that are on the screen as the states come, one every ten seconds."""
    sentences = []
    for number, one in enumerate(states):
        story.tick(one, 10.0 * number)
        if story.sentence not in sentences:
            sentences.append(story.sentence)
    return sentences


def test_the_story_goes_out_loses_an_instance_and_comes_back(events):
    story = Story(scenes_of(events))
    story.play()
    steps = [
        state(calls=0),
        state(calls=3),
        state(calls=3),
        state(calls=15, late=9),
        state(calls=15, late=15),
        state(calls=15, late=15, desired=3),
        state(calls=15, late=15, desired=3),
        state(calls=15, late=15, running=3),
        state(calls=15, late=5, running=3),
        state(calls=15, running=3),
        state(calls=15, running=3),
        state(calls=15, running=2, desired=3),
        state(calls=15, running=2, desired=3),
        state(calls=15, running=3),
        state(calls=3, running=3),
        state(calls=3, running=3, desired=1),
        state(calls=3, running=2, desired=1),
        state(calls=3, running=1, most=3, spent_usd=1.5, always_usd=2.5),
        state(calls=3),
    ]
    sentences = told(story, steps)
    assert len(sentences) == story.length
    assert events.pressed == ["quiet", "rush", "crash", "quiet"]
    assert "15 people call" in sentences[1]
    assert "3 instances are wanted" in sentences[3]
    assert "From one instance to 3 and back to 1 instance, by itself for $1.50 instead of $2.50" in sentences[-1]
    assert not story.playing


def test_an_instance_counts_as_lost_whatever_the_number_was_before(events):
    story = Story(scenes_of(events))
    story.number = 6
    story.tick(state(running=4), 0)
    story.tick(state(running=4), 10)
    assert story.number == 6
    story.tick(state(running=3), 11)
    assert story.number == 7 and "replaces it" in story.sentence


def test_an_endpoint_of_one_instance_has_a_story_without_a_peak_to_wait_for(events):
    events.most_instances = 1
    story = Story(scenes_of(events))
    story.play()
    for number in range(300):
        story.tick(state(calls=3), 2.0 * number)
    assert not story.playing
