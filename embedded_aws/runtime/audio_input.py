"""Turns what clients send into linear16, piece by piece or whole.

Raw linear16, linear32 (32-bit float), mulaw and alaw, or WAV with 8- to 32-bit PCM, float, mulaw or alaw.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


class AudioUndecodable(ValueError):
    """Not audio, or of a kind this container does not decode."""


def _pcm8(raw: bytes) -> np.ndarray:
    return (np.frombuffer(raw, np.uint8).astype(np.int16) - 128) << 8


def _pcm16(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw, "<i2")


def _pcm24(raw: bytes) -> np.ndarray:
    # The upper two of the three bytes are the 16 bits wanted.
    return np.frombuffer(raw, np.uint8).reshape(-1, 3)[:, 1:].copy().view("<i2").reshape(-1)


def _pcm32(raw: bytes) -> np.ndarray:
    return (np.frombuffer(raw, "<i4") >> 16).astype(np.int16)


def _float32(raw: bytes) -> np.ndarray:
    samples = np.nan_to_num(np.frombuffer(raw, "<f4"))
    return (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16)


def _mulaw_table() -> np.ndarray:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> np.ndarray:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


type _Reader = Callable[[bytes], np.ndarray]


def _by_table(table: np.ndarray) -> _Reader:
    return lambda raw: table[np.frombuffer(raw, np.uint8)]


_mulaw, _alaw = _by_table(_mulaw_table()), _by_table(_alaw_table())

ENCODINGS: dict[str, tuple[int, _Reader]] = {
    "linear16": (2, _pcm16),
    "linear32": (4, _float32),
    "mulaw": (1, _mulaw),
    "alaw": (1, _alaw),
}
"""Deepgram's names of raw encodings: bytes per sample, reader."""

# (format tag, bits per sample) of a WAV header.
_WAV_KINDS: dict[tuple[int, int], _Reader] = {
    (1, 8): _pcm8,
    (1, 16): _pcm16,
    (1, 24): _pcm24,
    (1, 32): _pcm32,
    (3, 32): _float32,
    (6, 8): _alaw,
    (7, 8): _mulaw,
}
_EXTENSIBLE = 0xFFFE


@dataclass(frozen=True)
class Format:
    """How samples lie in bytes."""

    sample_rate: int
    channels: int
    sample_bytes: int
    read: _Reader

    @property
    def frame_bytes(self) -> int:
        """Bytes of one moment of all channels."""
        return self.sample_bytes * self.channels


def parse_wav_head(data: bytes) -> tuple[Format, int] | None:
    """Format and offset of the samples of a WAV file that begins with ``data``; None when more of it is needed.

    Raises:
        AudioUndecodable: not a WAV file, or of a kind not decoded.
    """
    if not b"RIFF".startswith(data[:4]) and data[:4] != b"RIFF":
        raise AudioUndecodable("no WAV header")
    if len(data) < 12:
        return None
    if data[8:12] != b"WAVE":
        raise AudioUndecodable("a RIFF file, but not WAVE")
    at, wav_format = 12, None
    while len(data) >= at + 8:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            if wav_format is None:
                raise AudioUndecodable("a WAV file without a fmt chunk")
            return wav_format, at + 8
        if name == b"fmt ":
            if len(data) < at + 8 + size:
                return None
            wav_format = _wav_format(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
        if at > 1 << 20:
            raise AudioUndecodable("a WAV file without a data chunk")
    return None


def _wav_format(chunk: bytes) -> Format:
    if len(chunk) < 16:
        raise AudioUndecodable("a WAV file with a short fmt chunk")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    read = _WAV_KINDS.get((tag, bits))
    if read is None or not channels or not 8000 <= rate <= 96000:
        raise AudioUndecodable(f"a WAV file of format {tag}, {bits} bits, {channels} channels, {rate} Hz")
    return Format(rate, channels, bits // 8, read)


class Splitter:
    """Pieces of a stream in, whole samples per channel out.

    ``format`` None waits for a WAV header; with a format a header at the very beginning is skipped, as clients that
    stream a file often leave it on. ``separate`` keeps channels apart; otherwise they are mixed to one.
    """

    def __init__(self, audio_format: Format | None, *, separate: bool) -> None:
        self.format = audio_format
        self._separate = separate
        self._rest = b""
        self._at_start = True

    @property
    def sample_rate(self) -> int:
        """In Hz; 0 while the format is not known."""
        return self.format.sample_rate if self.format else 0

    def feed(self, data: bytes) -> list[bytes]:
        """Linear16 of each channel (one when mixed); empty while nothing is whole yet.

        Raises:
            AudioUndecodable: a header was needed, and this is none that can be read.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        if self._at_start:
            data = self._skip_header(data)
        if self.format is None or not data:
            return []
        if spare := len(data) % self.format.frame_bytes:
            self._rest = data[-spare:]
            data = data[:-spare]
        return _channels(self.format, data, separate=self._separate) if data else []

    def _skip_header(self, data: bytes) -> bytes:
        if self.format and (data[:4] != b"RIFF" or (len(data) >= 12 and data[8:12] != b"WAVE")):
            self._at_start = False
            return data
        head = parse_wav_head(data)
        if head is None:
            self._rest = data
            return b""
        self.format, start = head
        self._at_start = False
        return data[start:]


def _channels(audio_format: Format, data: bytes, *, separate: bool) -> list[bytes]:
    """Linear16 of each channel of whole frames, or their mean."""
    if audio_format.channels == 1 and audio_format.read is _pcm16:
        return [data]
    samples = audio_format.read(data).reshape(-1, audio_format.channels)
    if separate:
        return [np.ascontiguousarray(samples[:, c], "<i2").tobytes() for c in range(audio_format.channels)]
    mono = samples[:, 0] if audio_format.channels == 1 else samples.mean(axis=1, dtype=np.float32)
    return [mono.astype("<i2").tobytes()]
