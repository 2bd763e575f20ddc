"""Audio for load: one recording, cut into the chunks a live microphone would deliver.

Everything is linear16 (16-bit little-endian PCM, mono), which is what the streams of this package announce.
"""

import glob
import io
import wave
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.sample import BYTES_PER_SAMPLE, Recording, bundled_sample

MIN_CHUNK_MS, MAX_CHUNK_MS = 20, 100
"""Deepgram's advice for chunks of live audio (measuring-streaming-latency)."""


def bundled_recording() -> Recording:
    """The bundled eleven seconds of public-domain speech with their exact transcript."""
    return bundled_sample()


def read_wav(wav: str | Path | bytes, *, transcript: str | None = None) -> Recording:
    """A recording of the user's: a path or the bytes of a WAV file.

    Raises:
        InvalidInput: not a WAV file, not mono, not 16-bit PCM, a rate outside 8-48 kHz, or shorter than 0.1 s.
    """
    name = "WAV bytes" if isinstance(wav, bytes) else str(wav)
    try:
        with wave.open(io.BytesIO(wav) if isinstance(wav, bytes) else str(wav), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            pcm = file.readframes(file.getnframes())
    except (OSError, wave.Error, EOFError) as error:
        raise InvalidInput(
            f"{name} could not be read as a WAV file: {error}.", hint="Give an uncompressed WAV."
        ) from error
    problems = []
    if channels != 1:
        problems.append(f"it has {channels} channels, not 1")
    if width != BYTES_PER_SAMPLE:
        problems.append(f"its samples have {width * 8} bits, not 16")
    if not 8000 <= rate <= 48000:
        problems.append(f"its rate is {rate} Hz, not within 8000-48000")
    if len(pcm) < BYTES_PER_SAMPLE * channels * rate // 10:
        problems.append("it is shorter than 0.1 s")
    if problems:
        raise InvalidInput(
            f"{name} cannot be streamed: {'; '.join(problems)}.",
            hint="Convert it: ffmpeg -i IN -ac 1 -ar 16000 -sample_fmt s16 OUT.wav",
        )
    return Recording(pcm=pcm, sample_rate=rate, transcript=transcript, source=name)


def read_wavs(pattern: str) -> tuple[Recording, ...]:
    """The user's recordings: a WAV file, a folder of them, or a pattern such as ``calls/*.wav``; in order of names.

    Raises:
        InvalidInput: nothing is there, one cannot be streamed (`read_wav`), or their rates differ.
    """
    folder = Path(pattern).is_dir()
    paths = sorted(glob.glob(f"{glob.escape(pattern)}/*.[wW][aA][vV]" if folder else pattern))
    if not paths:
        raise InvalidInput(f"There is no WAV file at {pattern!r}.", hint="Give a file, a folder, or calls/*.wav.")
    recordings = tuple(read_wav(path) for path in paths)
    common_rate(recordings)
    return recordings


def common_rate(recordings: Sequence[Recording]) -> int:
    """The sample rate of all of them, in Hz.

    Raises:
        InvalidInput: they differ: the streams of one measurement are asked for alike.
    """
    rates = {r.sample_rate: r.source for r in recordings}
    if len(rates) > 1:
        differ = ", ".join(f"{source} has {rate} Hz" for rate, source in sorted(rates.items()))
        raise InvalidInput(f"The recordings' rates differ: {differ}.", hint="Convert them: ffmpeg -i IN -ar 16000 OUT.")
    return next(iter(rates))


def chunks(
    recording: Recording,
    *,
    chunk_ms: int = 100,
    offset_s: float = 0.0,
    duration_s: float | None = None,
    loop: bool = True,
) -> Iterator[bytes]:
    """The recording in chunks of ``chunk_ms``, beginning ``offset_s`` seconds in.

    With ``loop`` the recording starts again at its end, for ``duration_s`` seconds (None: for ever). Without, it
    ends once (or after ``duration_s``, whichever is sooner). The last chunk may be shorter.

    Raises:
        InvalidInput: ``chunk_ms`` outside 20-100, a negative offset or a duration that is not positive.
    """
    if not MIN_CHUNK_MS <= chunk_ms <= MAX_CHUNK_MS:
        raise InvalidInput(
            f"chunk_ms={chunk_ms} is outside {MIN_CHUNK_MS}-{MAX_CHUNK_MS}.", hint="Deepgram advises 20-100 ms."
        )
    if offset_s < 0 or (duration_s is not None and duration_s <= 0):
        raise InvalidInput(
            f"offset_s={offset_s}, duration_s={duration_s}: the offset may not be negative, nor the duration zero."
        )
    return _cut(recording, chunk_ms, offset_s, duration_s, loop)


def _cut(recording: Recording, chunk_ms: int, offset_s: float, duration_s: float | None, loop: bool) -> Iterator[bytes]:
    rate, size = recording.sample_rate, len(recording.pcm)
    step = rate * chunk_ms // 1000 * BYTES_PER_SAMPLE
    begin = round(offset_s * rate) * BYTES_PER_SAMPLE
    end = None if duration_s is None else begin + round(duration_s * rate) * BYTES_PER_SAMPLE
    if not loop:
        end = size if end is None else min(end, size)
    for position in count(begin, step) if end is None else range(begin, end, step):
        yield recording.part(position % size, step if end is None else min(step, end - position))
