"""A recording with what was heard in it: captions at the time they came, in a player that needs no script."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from dgsm_helpers.load.transport.heard_recording import HeardRecording, captions_vtt, player_html
from dgsm_helpers.load.transport.trace import Ending, StreamResult, StreamTrace
from dgsm_helpers.rules.sample import bundled_sample


def heard(*results):
    trace = StreamTrace(
        label="stream",
        transport="sdk",
        origin_unix_s=0.0,
        opened_s=0.5,
        scheduled_s=np.array([1.0, 1.1]),
        sent_s=np.array([1.0, 1.1]),
        audio_cursor_s=np.array([0.1, 0.2]),
        results=results,
        close_sent_s=2.0,
        closed_s=3.0,
        ending=Ending.CLEAN,
    )
    return HeardRecording.of(trace, bundled_sample())


def result(at_s, text, *, final=False, ends_turn=False):
    return StreamResult(at_s, 0.0, 1.0, final, text, ends_turn)


def test_captions_tell_what_is_final_and_what_may_change_from_the_beginning_of_the_audio():
    stream = heard(result(1.5, "And"), result(2.0, "And so", final=True), result(2.5, "my fel"))
    assert stream.captions == ((0.5, "", "And"), (1.0, "And so", ""), (1.5, "And so", "my fel"))
    assert (stream.transcript, str(stream), stream.ok) == ("And so", "And so", True)


def test_the_end_of_a_turn_is_final_too():
    assert heard(result(2.0, "Yes.", ends_turn=True)).captions == ((1.0, "Yes.", ""),)


def test_each_caption_lasts_until_the_next_and_what_comes_late_is_shown_before_the_sound_ends():
    text = captions_vtt([(0.5, "", "a <b>"), (1.0, "A b", ""), (99.0, "A b c", "")], duration_s=11.0)
    assert text.startswith("WEBVTT\n")
    assert "00:00.500 --> 00:01.000\n<i>a &lt;b&gt;</i>" in text
    assert "00:01.000 --> 00:10.800\nA b" in text
    assert "00:10.800 --> 01:11.000\nA b c" in text


def test_of_a_long_text_the_end_is_shown():
    (cue,) = re.findall(r"…[^\n]+", captions_vtt([(1.0, "word " * 100 + "end", "")], duration_s=60.0))
    assert cue.endswith("end") and len(cue) < 160


def test_the_player_holds_sound_and_captions_and_no_script():
    html = player_html(bundled_sample(), [(1.0, "And so", "")])
    assert "<script" not in html and "http" not in html
    sound, track = (base64.b64decode(part) for part in re.findall(r"base64,([^\"]+)", html))
    assert track.decode().startswith("WEBVTT") and 10_000 < len(sound) < 100_000


def test_a_notebook_shows_player_and_transcript():
    assert "<video" in heard(result(2.0, "And so <i>", final=True))._repr_html_()
    assert "And so &lt;i&gt;" in heard(result(2.0, "And so <i>", final=True))._repr_html_()


@pytest.mark.parametrize("results", [(), (result(1.5, ""),)])
def test_where_nothing_was_heard_there_are_no_cues(results):
    assert "-->" not in captions_vtt(heard(*results).captions, duration_s=11.0)
