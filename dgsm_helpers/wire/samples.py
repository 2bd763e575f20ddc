"""Samples in bytes, turned into linear16: PCM of every width, float, A-law and mu-law, decoded by libsndfile."""

import io
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np  # loaded with the first samples that are decoded: a server that hears none needs 11 MB less

LOWEST_HZ, HIGHEST_HZ = 8_000, 96_000
"""Sample rates that are streamed."""
MOST_CHANNELS = 20
"""Deepgram's limit."""

RAW_ENCODINGS = {"linear16": "PCM_16", "linear32": "FLOAT", "mulaw": "ULAW", "alaw": "ALAW"}
"""Deepgram's names of raw encodings, and libsndfile's."""

_BYTES = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1}


class AudioUndecodable(ValueError):
    """Not audio, or of a kind that is not decoded here."""


@dataclass(frozen=True)
class Format:
    """How samples lie in bytes; ``subtype`` is libsndfile's name of their encoding."""

    sample_rate: int
    channels: int
    subtype: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one moment of all channels."""
        return _BYTES[self.subtype] * self.channels

    def linear16(self, data: bytes, *, separate: bool) -> list[bytes]:
        """Linear16 of each channel of whole frames, or, not ``separate``, of their mean."""
        if self.subtype == "PCM_16":
            if self.channels == 1:
                return [data]
            import numpy as np

            samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768
        else:
            raw = soundfile().SoundFile(
                io.BytesIO(data), "r", self.sample_rate, self.channels, self.subtype, "LITTLE", "RAW"
            )
            samples = raw.read(dtype="float32")
        return to_linear16(samples.reshape(-1, self.channels), separate=separate)


def to_linear16(samples: "np.ndarray", *, separate: bool) -> list[bytes]:
    """Linear16 of each channel, or of their mean, of samples within ±1; shape (moments, channels).

    What is louder is clipped; what is no number is silence.
    """
    import numpy as np

    clean = np.clip(np.nan_to_num(samples), -1.0, 1.0)
    channels = clean.T if separate else [clean.mean(axis=1)]
    return [np.clip(np.rint(one * 32768), -32768, 32767).astype("<i2").tobytes() for one in channels]


def soundfile() -> ModuleType:
    """libsndfile, loaded when the first audio needs it; AudioUndecodable where it is not installed."""
    try:
        return import_module("soundfile")
    except (ImportError, OSError) as error:
        raise AudioUndecodable(f"decoding it takes the package soundfile, which is missing here: {error}") from error
