"""The bundled sample as telephony, phones and careless recorders would have stored it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import soundfile

from dgsm_helpers.rules.sample import bundled_sample

SAMPLES = np.frombuffer(bundled_sample().pcm, "<i2")
RATE = bundled_sample().sample_rate


def chunk(name: bytes, body: bytes, *, size: int | None = None, pad: bool = True) -> bytes:
    """One RIFF chunk; ``size`` and ``pad`` tell what a careless writer would."""
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (pad and len(body) % 2)


def fmt(tag: int = 1, *, channels: int = 1, rate: int = RATE, bits: int = 16, held_in: int = 0) -> bytes:
    """A ``fmt`` chunk; samples may be ``held_in`` more bits than they have."""
    width = (held_in or bits) // 8 * channels
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits))


def riff(*chunks: bytes, size: int | None = None, magic: bytes = b"RIFF") -> bytes:
    """A WAV file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def pcm(samples: np.ndarray = SAMPLES, *, bits: int = 16) -> bytes:
    """Samples as PCM of a width; nothing of the 16 bits is lost where there is room."""
    wide = samples.astype("<i4") << 16
    match bits:
        case 8:
            return ((samples >> 8) + 128).astype(np.uint8).tobytes()
        case 16:
            return samples.astype("<i2").tobytes()
        case 24:
            return np.ascontiguousarray(wide.view(np.uint8).reshape(-1, 4)[:, 1:]).tobytes()
    return wide.tobytes()


def stored(kind: str, subtype: str, samples: np.ndarray = SAMPLES, rate: int = RATE) -> bytes:
    """Samples as libsndfile writes them."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=kind, subtype=subtype)
    return target.getvalue()


def at_8k() -> np.ndarray:
    """The sample as the telephone network carries it: every second moment, crudely filtered."""
    return ((SAMPLES[:-1:2].astype(np.int32) + SAMPLES[1::2]) // 2).astype(np.int16)


LIST = b"INFOISFT\x0d\0\0\0Recorder 1.0\0"
"""Thirteen bytes of text: an odd chunk."""

EXACT: dict[str, Callable[[], bytes]] = {
    "wav": lambda: riff(fmt(), chunk(b"data", pcm())),
    "wav of 24 bits": lambda: riff(fmt(bits=24), chunk(b"data", pcm(bits=24))),
    "wav of 32 bits": lambda: riff(fmt(bits=32), chunk(b"data", pcm(bits=32))),
    "wav of 24 bits in four bytes": lambda: riff(fmt(bits=24, held_in=32), chunk(b"data", pcm(bits=32))),
    "stereo wav of 20 bits in four bytes": lambda: riff(
        fmt(bits=20, held_in=32, channels=2), chunk(b"data", pcm(np.repeat(SAMPLES, 2), bits=32))
    ),
    "wav of 16 bits that says a frame has four bytes": lambda: riff(fmt(held_in=32), chunk(b"data", pcm())),
    "wav of floats": lambda: riff(fmt(3, bits=32), chunk(b"data", (SAMPLES / 32768).astype("<f4").tobytes())),
    "wav of doubles": lambda: riff(fmt(3, bits=64), chunk(b"data", (SAMPLES / 32768).astype("<f8").tobytes())),
    "extensible wav": lambda: stored("WAVEX", "PCM_24"),
    "stereo wav": lambda: riff(fmt(channels=2), chunk(b"data", pcm(np.repeat(SAMPLES, 2)))),
    "odd chunk without its pad byte": lambda: riff(fmt(), chunk(b"LIST", LIST, pad=False), chunk(b"data", pcm())),
    "odd chunk before the format": lambda: riff(chunk(b"LIST", LIST, pad=False), fmt(), chunk(b"data", pcm())),
    "odd chunk with its pad byte": lambda: riff(fmt(), chunk(b"LIST", LIST), chunk(b"data", pcm())),
    "two odd chunks, one padded": lambda: riff(
        chunk(b"JUNK", b"x" * 5), fmt(), chunk(b"bext", b"y" * 603, pad=False), chunk(b"data", pcm())
    ),
    "chunk after the samples": lambda: riff(fmt(), chunk(b"data", pcm()), chunk(b"LIST", LIST)),
    "data size 0": lambda: riff(fmt(), chunk(b"data", pcm(), size=0)),
    "all sizes 0": lambda: riff(fmt(), chunk(b"data", pcm(), size=0), size=0),
    "all sizes unknown": lambda: riff(fmt(), chunk(b"data", pcm(), size=0xFFFFFFFF), size=0xFFFFFFFF),
    "data size beyond the end": lambda: riff(fmt(), chunk(b"data", pcm(), size=0x7FFFF000)),
    "RF64": lambda: stored("RF64", "PCM_16"),
    "RF64 with a chunk after": lambda: riff(
        chunk(b"ds64", struct.pack("<QQQI", 0, len(pcm()), 0, 0)),
        fmt(),
        chunk(b"data", pcm(), size=0xFFFFFFFF),
        chunk(b"LIST", LIST),
        magic=b"RF64",
        size=0xFFFFFFFF,
    ),
    "BW64": lambda: riff(fmt(), chunk(b"data", pcm()), magic=b"BW64"),
    "W64": lambda: stored("W64", "PCM_16"),
    "AIFF": lambda: stored("AIFF", "PCM_16"),
    "AU": lambda: stored("AU", "PCM_24"),
    "CAF": lambda: stored("CAF", "PCM_16"),
    "Sphere": lambda: stored("NIST", "PCM_16"),
    "FLAC": lambda: stored("FLAC", "PCM_16"),
    "FLAC of 24 bits": lambda: stored("FLAC", "PCM_24"),
}
"""What gives back every sample: `metered` finds the words in it by its bytes."""

LOSSY: dict[str, Callable[[], bytes]] = {
    "mu-law at 8 kHz": lambda: stored("WAV", "ULAW", at_8k(), 8000),
    "A-law at 8 kHz": lambda: stored("WAV", "ALAW", at_8k(), 8000),
    "8 bits": lambda: riff(fmt(bits=8), chunk(b"data", pcm(bits=8))),
    "GSM in WAV": lambda: stored("WAV", "GSM610", at_8k(), 8000),
    "IMA ADPCM": lambda: stored("WAV", "IMA_ADPCM"),
    "MS ADPCM": lambda: stored("WAV", "MS_ADPCM"),
    "AU of mu-law": lambda: stored("AU", "ULAW", at_8k(), 8000),
    "MP3": lambda: stored("MP3", "MPEG_LAYER_III"),
    "Ogg Opus": lambda: stored("OGG", "OPUS"),
    "Ogg Vorbis": lambda: stored("OGG", "VORBIS"),
}
"""What sounds the same, but has other samples."""
