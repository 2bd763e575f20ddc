"""The head of a WAV file: how its samples lie in bytes, and where they begin.

Read here rather than by a library, because a stream's head comes before its samples, and because recorders leave heads
unfinished: sizes of 0 or 0xFFFFFFFF (Microsoft's RIFF, EBU Tech 3306 for RF64), chunks of odd length without their pad
byte, samples cut off in the middle.
"""

import struct
from dataclasses import dataclass

from dgsm_helpers.wire.samples import HIGHEST_HZ, LOWEST_HZ, MOST_CHANNELS, AudioUndecodable, Format

_MAGICS = (b"RIFF", b"RF64", b"BW64")
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_LONGEST_HEAD = 1 << 20
_USUAL_CHUNKS = frozenset(
    name.ljust(4).encode()
    for name in """
    data fmt fact LIST bext cue smpl inst plst JUNK junk PAD FLLR id3 ID3 iXML _PMX PEAK afsp DISP minf elm1 regn umid
    levl ds64
    """.split()  # noqa: SIM905
)
"""Chunk names in use. One of them where an odd chunk ends tells that its pad byte is missing."""


@dataclass(frozen=True)
class WavHead:
    """What a WAV head says. ``size`` is that of the samples in bytes; None: they go on to the end."""

    format: Format
    start: int
    size: int | None


def may_begin_wav(data: bytes) -> bool:
    """Whether these bytes begin a WAV file, as far as they go."""
    return any(magic.startswith(data[:4]) for magic in _MAGICS) and b"WAVE".startswith(data[8:12])


def read_wav_head(data: bytes) -> WavHead | None:
    """The head of a WAV file that begins with ``data``; None when more of it is needed.

    Raises:
        AudioUndecodable: not a WAV file, or one whose samples are not PCM, float, A-law or mu-law.
    """
    if not may_begin_wav(data):
        raise AudioUndecodable("no WAV header")
    at, wav_format, wide_size = 12, None, None
    while len(data) >= at + 8:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            if wav_format is None:
                raise AudioUndecodable("a WAV file without a fmt chunk")
            return WavHead(wav_format, at + 8, _known_size(data, at + 8, size, wide_size))
        if at + 8 + size > _LONGEST_HEAD:
            raise AudioUndecodable("a WAV file without a data chunk")
        if name in (b"fmt ", b"ds64"):
            if len(data) < at + 8 + size:
                return None
            chunk = data[at + 8 : at + 8 + size]
            if name == b"fmt ":
                wav_format = _format(chunk)
            elif len(chunk) >= 16:
                (wide_size,) = struct.unpack_from("<Q", chunk, 8)
        if size % 2 and len(data) < at + 8 + size + 5:
            return None
        at = _next_chunk(data, at + 8 + size, is_odd=size % 2 == 1)
    return None


def _next_chunk(data: bytes, end: int, *, is_odd: bool) -> int:
    """Where the chunk begins that follows one that ends at ``end``."""
    if not is_odd:
        return end
    unpadded, padded = data[end : end + 4], data[end + 1 : end + 5]
    return end if unpadded in _USUAL_CHUNKS and padded not in _USUAL_CHUNKS else end + 1


def _known_size(data: bytes, start: int, size: int, wide_size: int | None) -> int | None:
    if size == 0xFFFFFFFF and wide_size not in (None, *_UNKNOWN_SIZES):
        return wide_size
    if size == 0 and data[start : start + 4] in _USUAL_CHUNKS:
        # Really empty: another chunk follows at once.
        return 0
    return None if size in _UNKNOWN_SIZES else size


def _format(chunk: bytes) -> Format:
    if len(chunk) < 16:
        raise AudioUndecodable("a WAV file with a short fmt chunk")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    # 24 bits may lie in four bytes, at their end. Of other widths recorders often get the frame's size wrong.
    size = 4 if (bits + 7) // 8 == 3 and frame_bytes == 4 * channels else (bits + 7) // 8
    subtype = {
        **{(_PCM, width): name for width, name in ((1, "PCM_U8"), (2, "PCM_16"), (3, "PCM_24"), (4, "PCM_32"))},
        **{(_FLOAT, 4): "FLOAT", (_FLOAT, 8): "DOUBLE", (_ALAW, 1): "ALAW", (_MULAW, 1): "ULAW"},
    }.get((tag, size))
    if subtype is None or not 1 <= channels <= MOST_CHANNELS or not LOWEST_HZ <= rate <= HIGHEST_HZ:
        raise AudioUndecodable(f"a WAV file of format {tag}, {bits} bits, {channels} channels, {rate} Hz")
    return Format(rate, channels, subtype)
