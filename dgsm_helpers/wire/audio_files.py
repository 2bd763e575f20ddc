"""A whole audio file, whatever a telephone system or a phone recorded it as, turned into linear16.

Everything but plain WAV is libsndfile's: FLAC, Ogg (Opus, Vorbis), MP3, AIFF, AU, CAF, Sphere, and the compressed kinds
of WAV. Both sides read with it: the load what it streams, the embedded container what it is sent.
"""

import os
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from dgsm_helpers.wire.samples import HIGHEST_HZ, LOWEST_HZ, MOST_CHANNELS, AudioUndecodable, soundfile, to_linear16
from dgsm_helpers.wire.wav_head import WavHead, may_begin_wav, read_wav_head

MOST_BYTES = 1 << 28
"""Linear16 of one file: two and a third hours at 16 kHz. Every client process holds it in its memory."""

_BLOCK = 1 << 12
"""Moments decoded at a time. Where a compressed file was cut off, libsndfile loses the block that it is in."""
_MP3_BLOCK = 1 << 23
"""Between two blocks soundfile seeks, and then MP3's decoder complains on the error output. It loses no block."""
_HEAD_BYTES = (1 << 20) + 64
_RIFFS = frozenset(("WAV", "WAVEX", "RF64"))
_FORMATS = _RIFFS | {"W64", "AIFF", "AU", "FLAC", "OGG", "MP3", "CAF", "NIST", "VOC"}
"""Of what libsndfile knows, that which holds speech; its guesses at rarer kinds take noise for audio."""

_FOREIGN = {
    b"#!AMR": "AMR audio",
    b"\x1aE\xdf\xa3": "a WebM or Matroska file",
    b"0&\xb2u": "Windows Media audio",
    b"ADIF": "AAC audio",
    b"\xff\xf1": "AAC audio",
    b"\xff\xf9": "AAC audio",
    b"OggS": "an Ogg file that is damaged, or of another kind than Opus and Vorbis",
    b"fLaC": "a damaged FLAC file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF document",
    b"SQLi": "a database",
    b"<": "a web page or XML, such as a refused download leaves",
    b"version https://git-lfs": "a pointer of Git LFS (git lfs pull fetches what it stands for)",
}


def read_audio(file: BinaryIO, *, separate: bool = False) -> tuple[int, list[bytes]]:
    """The sample rate of a file in Hz, and the linear16 of its channels, one of their mean unless ``separate``.

    What was cut off in the middle is read as far as it goes, in whole samples.

    Raises:
        AudioUndecodable: it is no audio, of a kind not decoded, without a sample, or longer than `MOST_BYTES`.
        OSError: the file cannot be read.
    """
    head = file.read(_HEAD_BYTES)
    plain = _plain_wav(head)
    if isinstance(plain, WavHead):
        rate = plain.format.sample_rate
        blocks: Iterator[list[bytes]] = _wav_blocks(file, plain, separate=separate)
    else:
        rate, blocks = _decoded(file, head, problem=plain, separate=separate)
    channels: list[bytearray] = []
    for block in blocks:
        channels = channels or [bytearray() for _ in block]
        for channel, piece in zip(channels, block, strict=True):
            channel += piece
        if sum(map(len, channels)) > MOST_BYTES:
            raise AudioUndecodable(f"it is longer than {MOST_BYTES / 2 / rate / 3600:.1f} h at its {rate} Hz")
    if not channels:
        raise AudioUndecodable("it holds no audio")
    return rate, [bytes(channel) for channel in channels]


def _plain_wav(head: bytes) -> WavHead | str:
    """The head of a WAV file whose samples are not compressed, or what is wrong with it."""
    if len(head) < 4 or not may_begin_wav(head):
        return ""
    try:
        return read_wav_head(head) or "a WAV file that ends in its header"
    except AudioUndecodable as error:
        return str(error)


def _wav_blocks(file: BinaryIO, head: WavHead, *, separate: bool) -> Iterator[list[bytes]]:
    file.seek(0, os.SEEK_END)
    left = file.tell() - head.start
    if head.size is not None:
        left = min(left, head.size)
    file.seek(head.start)
    size = head.format.frame_bytes
    left -= left % size
    while left > 0 and (data := file.read(min(left, _BLOCK * size))):
        left -= len(data)
        yield head.format.linear16(data[: len(data) - len(data) % size], separate=separate)


def _decoded(file: BinaryIO, head: bytes, *, problem: str, separate: bool) -> tuple[int, Iterator[list[bytes]]]:
    """What libsndfile makes of it."""
    library = soundfile()
    file.seek(0)
    try:
        sound = library.SoundFile(file)
        # Behind another file's head (an ID3 tag) libsndfile finds a WAV file, and begins it in the wrong place.
        if sound.format not in _FORMATS or (sound.format in _RIFFS and head[:4] not in (b"RIFF", b"RIFX", b"RF64")):
            raise AudioUndecodable(problem or _kind_of(head))
    except (library.SoundFileError, TypeError) as error:
        raise AudioUndecodable(problem or _kind_of(head)) from error
    if not LOWEST_HZ <= sound.samplerate <= HIGHEST_HZ:
        raise AudioUndecodable(f"its rate is {sound.samplerate} Hz, not within {LOWEST_HZ}-{HIGHEST_HZ}")
    if sound.channels > MOST_CHANNELS:
        raise AudioUndecodable(f"it has {sound.channels} channels, {MOST_CHANNELS} at most are taken")

    size = _MP3_BLOCK if sound.format == "MP3" else _BLOCK

    def blocks() -> Iterator[list[bytes]]:
        with sound:
            while len(samples := sound.read(size, dtype="float32", always_2d=True)):
                yield to_linear16(samples, separate=separate)

    # The first block now: a file that is damaged from its first sample on is not decodable.
    decoding = _until(blocks(), library.SoundFileError)
    first = next(decoding, None)
    if first is None:
        raise AudioUndecodable(f"a damaged {sound.format} file, of which nothing can be decoded")
    return sound.samplerate, chain([first], decoding)


def _until(blocks: Iterator[list[bytes]], error: type[Exception]) -> Iterator[list[bytes]]:
    """The blocks up to where a file was cut off."""
    try:
        yield from blocks
    except error:
        return


def _kind_of(head: bytes) -> str:
    """What a file is that cannot be read, in words."""
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return "an MPEG-4 file (M4A, MP4, 3GP)"
    return next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), "no audio that is known here")
