"""The reach past moonshine_voice's Python side, in the release that is installed."""

from importlib.metadata import version

import pytest

from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines import moonshine

pytest.importorskip("moonshine_voice")


def test_audio_given_by_pointer_is_heard():
    sample = bundled_sample()
    changed = f"moonshine-voice {version('moonshine-voice')} has other handles than 0.1.0: adapt engines/moonshine.py"
    transcriber = moonshine.load_transcriber()
    stream = transcriber.create_stream(update_interval=1e9)
    stream.start()
    try:
        count = moonshine.add_audio(transcriber, stream, sample.pcm, sample.sample_rate)
    except AttributeError as error:
        pytest.fail(f"{changed} ({error})")
    assert count == len(sample.pcm) // 2
    stream.update_transcription(1)
    text = " ".join(line.text for line in stream.stop().lines)
    stream.close()
    assert "what your country can do for you" in text.lower(), changed
