"""The recogniser's library, with what its Python side does not offer: audio by pointer.

``add_audio`` of moonshine_voice takes a Python list, one object for each sample. The C function underneath takes a
pointer, so the reach past it stands here. Seen with moonshine-voice 0.1.0; a test of its own (``test_moonshine.py``)
fails when a release keeps its handles otherwise.
"""

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np

LONGEST_LINE_S = 6.5
"""Given to the library, which looks for a gap from two thirds of it on: without a pause a line ends after 4.4 s."""


def load_transcriber() -> Any:
    """The recogniser with the model of its package (Moonshine tiny-en)."""
    # Two threads per update cost twice the CPU and gain nothing; it must be set before the library is loaded.
    os.environ["MOONSHINE_ORT_SINGLE_THREAD"] = "1"
    import moonshine_voice
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber

    assets = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    # The engine decides when to update; the library's own interval is set out of the way.
    options = {
        "return_audio_data": "false",
        "transcription_interval": "0.05",
        "vad_max_segment_duration": str(LONGEST_LINE_S),
    }
    return Transcriber(assets, ModelArch.TINY, options=options)


def add_audio(transcriber: Any, stream: Any, pcm: bytes, sample_rate: int) -> int:
    """Give mono linear16 to one of the transcriber's streams; returns how many samples those were.

    Raises:
        RuntimeError: the library refuses; its own words.
    """
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    samples *= 1 / 32768
    pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    library = transcriber._lib
    code = library.moonshine_transcribe_add_audio_to_stream(
        transcriber._handle, stream._handle, pointer, len(samples), sample_rate, 0
    )
    if code < 0:
        raise RuntimeError(library.moonshine_error_to_string(code).decode())
    return len(samples)
