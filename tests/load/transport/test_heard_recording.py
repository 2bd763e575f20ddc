"""A recording with what was heard in it: captions at the time they came, in a player that needs no script."""

from __future__ import annotations

import base64
import re

import numpy as np
from kit.browser import browser_page

from dgsm_helpers.load.transport.heard_recording import HeardRecording, player_html, shown_captions
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


def test_what_comes_after_the_sound_is_shown_before_it_ends():
    shown = shown_captions([(0.5, "", "a"), (99.0, "A b c", "")], duration_s=11.0)
    assert shown == [(0.5, "", "a"), (10.8, "A b c", "")]


def test_of_a_long_text_the_end_is_shown():
    ((_, said, _),) = shown_captions([(1.0, "word " * 100 + "end", "")], duration_s=60.0)
    assert said.startswith("… ") and said.endswith("end") and len(said) < 160


def test_the_player_holds_sound_and_captions_and_nothing_from_elsewhere():
    html = player_html(bundled_sample(), [(1.0, "And </script><b>so", "")])
    assert "http" not in html and html.count("</script>") == 1
    (sound,) = (base64.b64decode(part) for part in re.findall(r"base64,([^\"]+)", html))
    assert 10_000 < len(sound) < 100_000


def test_a_browser_shows_each_caption_from_when_it_came():
    player = player_html(bundled_sample(), [(1.0, "And so", "my"), (3.0, "And so, my fellow", "")])
    move = """at => {
      const sound = document.querySelector("audio");
      Object.defineProperty(sound, "currentTime", {value: at, configurable: true});
      sound.dispatchEvent(new Event("timeupdate"));
      return document.querySelector("p").innerText.trim();
    }"""
    with browser_page() as page:
        page.set_content(player)
        assert [page.evaluate(move, at) for at in (0.5, 1.5, 3.2)] == ["", "And so my", "And so, my fellow"]


def test_a_notebook_shows_player_and_transcript():
    assert "<audio" in heard(result(2.0, "And so <i>", final=True))._repr_html_()
    assert "And so &lt;i&gt;" in heard(result(2.0, "And so <i>", final=True))._repr_html_()
