"""When somebody stops speaking, known or found, and how soon the end of a turn is told after it."""

from __future__ import annotations

import numpy as np
import pytest

from dgsm_helpers.load.ladder.stream_outcomes import end_of_turn_latencies_s
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording
from dgsm_helpers.load.transport.speech_ends import SpokenUntil, speech_ends_s
from dgsm_helpers.load.transport.trace import Ending, StreamResult, StreamTrace

PAUSES = ((2.17, 3.27), (4.44, 5.39), (7.73, 8.17))
"""The bundled sample's, from its word times."""


def anonymous(rate=16_000):
    """The sample as a recording of the user's: without its words, at another rate."""
    sample = bundled_recording()
    pcm = np.frombuffer(sample.pcm, "<i2")
    count = int(sample.duration_s * rate)
    resampled = np.interp(np.arange(count) / rate, np.arange(len(pcm)) / sample.sample_rate, pcm).astype("<i2")
    return Recording(resampled.tobytes(), rate, source="call.wav")


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_detector_finds_the_known_ends_of_speech_at_every_rate(rate):
    found = speech_ends_s(anonymous(rate))
    for begins_s, ends_s in PAUSES:
        nearest = found[np.argmin(np.abs(found - begins_s))]
        assert abs(nearest - begins_s) < 0.25, (begins_s, found)
        assert nearest < ends_s


def test_the_last_speech_before_a_place_goes_round_with_the_recording():
    spoken = SpokenUntil(bundled_recording(), offset_s=3.0)
    last_word_s = bundled_recording().words[-1].end
    assert spoken.before(10.0) == pytest.approx(last_word_s + 0.0 - 3.0 + 0.0, abs=3.0)
    # Eight seconds in, the recording begins again: its last word was spoken before that.
    assert spoken.before(8.0 + 0.1) == pytest.approx(last_word_s - 3.0)
    assert SpokenUntil(bundled_recording(), offset_s=8.0).before(11.0 * 3 - 8.0 + 0.1) == pytest.approx(
        last_word_s + 22.0 - 8.0
    )
    assert np.isnan(SpokenUntil(bundled_recording(), offset_s=2.3).before(0.5)), "nothing was spoken yet"
    assert np.isnan(SpokenUntil(Recording(bytes(32_000), 16_000), 0.0).before(0.9)), "nobody speaks"


def test_the_end_of_a_turn_is_timed_from_the_last_word_and_not_from_what_the_model_takes_for_it():
    chunks = np.arange(1, 120) * 0.08
    told = StreamResult(2.17 + 0.61, 0.0, 2.48, is_final=False, ends_turn=True)
    trace = StreamTrace("t", "sdk", 0.0, 0.0, chunks, chunks, chunks, (told,), 10.0, 11.0, Ending.CLEAN)
    spoken = SpokenUntil(bundled_recording(), 0.0)
    (latency_s,) = end_of_turn_latencies_s(trace, spoken, from_s=0.0, to_s=11.0)
    assert latency_s == pytest.approx(0.61, abs=0.08)
    assert not len(end_of_turn_latencies_s(trace, spoken, from_s=5.0, to_s=11.0))
