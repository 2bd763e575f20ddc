"""Linear16 as the bytes a client asked for: pieces of a stream, or one file. libsndfile encodes."""

import io

from dgsm_helpers.wire.samples import RAW_ENCODINGS, soundfile
from embedded_aws.runtime.speak_query import SpeakQuery

_MP3_RANGE = (160_000, 8_000)
_OPUS_RANGE = (256_000, 6_000)
"""Bits per second that libsndfile's compression levels 0 and 1 stand for, at 22.05 kHz and one channel."""


def encoded_piece(pcm: bytes, asked: SpeakQuery) -> bytes:
    """A piece of a stream, without any header."""
    return pcm if asked.encoding == "linear16" else _written(pcm, asked, "RAW", RAW_ENCODINGS[asked.encoding])


def encoded_file(pcm: bytes, asked: SpeakQuery) -> tuple[str, bytes]:
    """Content type and bytes of a whole answer."""
    match asked.encoding:
        case "mp3":
            level = _level(asked.bit_rate or 0, _MP3_RANGE)
            return "audio/mpeg", _written(pcm, asked, "MP3", "MPEG_LAYER_III", level, mode="CONSTANT")
        case "opus":
            return "audio/ogg", _written(pcm, asked, "OGG", "OPUS", _level(asked.bit_rate or 0, _OPUS_RANGE))
        case "flac":
            return "audio/flac", _written(pcm, asked, "FLAC", "PCM_16")
    if asked.container == "none":
        kinds = {
            "linear16": f"audio/l16;rate={asked.sample_rate};channels=1",
            "mulaw": "audio/mulaw",
            "alaw": "audio/alaw",
        }
        return kinds[asked.encoding], encoded_piece(pcm, asked)
    return "audio/wav", _written(pcm, asked, "WAV", RAW_ENCODINGS[asked.encoding])


def _level(bit_rate: int, rates: tuple[int, int]) -> float:
    high, low = rates
    return min(1.0, max(0.0, (high - bit_rate) / (high - low)))


def _written(
    pcm: bytes, asked: SpeakQuery, kind: str, subtype: str, level: float | None = None, *, mode: str | None = None
) -> bytes:
    import numpy as np  # with the first text that is spoken in another encoding

    out = io.BytesIO()
    soundfile().write(
        out,
        np.frombuffer(pcm, "<i2"),
        asked.sample_rate,
        subtype,
        "LITTLE" if kind == "RAW" else None,
        kind,
        compression_level=level,
        bitrate_mode=mode,
    )
    return out.getvalue()
