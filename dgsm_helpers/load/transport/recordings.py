"""Audio for load: recordings, cut into the chunks a live microphone would deliver.

Everything is linear16 (16-bit little-endian PCM, mono) at the recording's own rate, which is what the streams of this
package announce.
"""

import glob
import io
import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.sample import BYTES_PER_SAMPLE, Recording, bundled_sample
from dgsm_helpers.wire.audio_files import MOST_BYTES, read_audio
from dgsm_helpers.wire.samples import AudioUndecodable

MIN_CHUNK_MS, MAX_CHUNK_MS = 20, 100
"""Deepgram's advice for chunks of live audio (measuring-streaming-latency)."""

SHORTEST_S = 0.1
SILENCE = 8
"""No sample of silence is louder, A-law's (which has no zero) included."""
MOST_CLIPPED = 0.25
"""The share of audible samples at full scale beyond which nothing is speech. Loud recordings have a few such peaks."""

RAW_SUFFIXES = {
    **dict.fromkeys((".ulaw", ".ul", ".mulaw", ".pcmu"), "-f mulaw -ar 8000 -ac 1"),
    **dict.fromkeys((".alaw", ".al", ".pcma"), "-f alaw -ar 8000 -ac 1"),
    **dict.fromkeys((".raw", ".pcm", ".sln", ".s16"), "-f s16le -ar 8000 -ac 1"),
    **dict.fromkeys((".sln16",), "-f s16le -ar 16000 -ac 1"),
    **dict.fromkeys((".gsm",), "-f gsm -ar 8000"),
    **dict.fromkeys((".g722",), "-f g722"),
    **dict.fromkeys((".g729",), "-f g729"),
}
"""Files without a header, by what they are usually called, and ffmpeg's words for what they hold."""

AUDIO_SUFFIXES = frozenset(
    """
    .wav .wave .wav49 .flac .mp3 .mpga .mp2 .ogg .oga .opus .aif .aiff .aifc .au .snd .caf .w64 .rf64 .bwf .sph .nist
    .voc .m4a .mp4 .3gp .aac .amr .awb .webm .weba .mka .wma .spx .vox .dss .ds2 .nmf .qcp
    """.split()  # noqa: SIM905
).union(RAW_SUFFIXES)
"""What is taken of a folder. Kinds that are not decoded are among them: they are refused by name, not passed over."""


def bundled_recording() -> Recording:
    """The bundled eleven seconds of public-domain speech with their exact transcript."""
    return bundled_sample()


def read_recording(source: str | Path | bytes, *, transcript: str | None = None) -> Recording:
    """A recording of the user's: the path or the bytes of an audio file (`wire.audio_files`), mixed to one channel.

    Raises:
        InvalidInput: it cannot be read or decoded, its rate is outside 8-96 kHz, it is shorter than 0.1 s, too long,
            silent throughout, or clipped throughout; says the line that converts it.
    """
    name = "The audio" if isinstance(source, bytes) else str(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            rate, (pcm,) = read_audio(file)
            channels = [pcm]
            if not _audible(pcm).size:
                file.seek(0)
                _, channels = read_audio(file, separate=True)
    except OSError as error:
        raise InvalidInput(f"{name} cannot be read: {error.strerror or error}.") from error
    except AudioUndecodable as error:
        raise InvalidInput(f"{name} cannot be streamed: {error}.", hint=_conversion(name)) from error
    recording = Recording(pcm=pcm, sample_rate=rate, transcript=transcript, source=name)
    if recording.duration_s < SHORTEST_S:
        raise InvalidInput(f"{name} cannot be streamed: it is shorter than {SHORTEST_S:g} s.", hint="Record more.")
    if not (audible := _audible(pcm)).size:
        if any(_audible(channel).size for channel in channels):
            raise InvalidInput(
                f"{name} is silent when its {len(channels)} channels are mixed to one: they cancel each other.",
                hint="Give one of them: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT.wav",
            )
        raise InvalidInput(
            f"{name} is silent throughout: a capacity measured on it would be too high.",
            hint="Give a recording in which somebody speaks.",
        )
    clipped = float(((audible == 32767) | (audible == -32768)).mean())
    if clipped > MOST_CLIPPED:
        raise InvalidInput(
            f"{name} is noise: {clipped:.0%} of what is audible in it is at full scale.",
            hint="Where its samples are floats beyond ±1, divide them by 32768 and write it again.",
        )
    return recording


def _audible(pcm: bytes) -> np.ndarray:
    samples = np.frombuffer(pcm, "<i2")
    return samples[(samples > SILENCE) | (samples < -SILENCE)]


def _conversion(name: str) -> str:
    """The line that turns a file into one that is streamed, in a sentence."""
    path = Path(name)
    source, target = shlex.quote(name), shlex.quote(f"{path.with_suffix('')}-16k.wav")
    raw = RAW_SUFFIXES.get(path.suffix.lower())
    if raw:
        return f"If it has no header, say what it holds: ffmpeg {raw} -i {source} {target}"
    return f"Convert it: ffmpeg -i {source} -ac 1 -ar 16000 -c:a pcm_s16le {target}"


def read_recordings(pattern: str) -> tuple[Recording, ...]:
    """The user's recordings: an audio file, a folder of them, or a pattern such as ``calls/**/*.wav``, by name.

    What exists is taken as it is called, whatever its name holds; ``~`` is the home folder. Of a folder, the audio
    files that lie in it are taken, not those of folders within; in a pattern ``**`` stands for folders at any depth.

    Raises:
        InvalidInput: nothing is there, one cannot be streamed (`read_recording`), their rates differ, or they are too
            much for the memory of a client process.
    """
    given = pattern if os.path.exists(pattern) else os.path.expanduser(pattern)
    try:
        if os.path.isfile(given):
            paths = [given]
        elif os.path.isdir(given):
            paths = [os.path.join(given, name) for name in os.listdir(given) if _is_audio(name)]
        else:
            paths = glob.glob(given, recursive=True)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{pattern!r} cannot be read: {error}.") from error
    paths = [path for path in paths if os.path.isfile(path)]
    if not paths:
        raise InvalidInput(
            f"There is no audio file at {pattern!r}.", hint="Give a file, a folder of recordings, or calls/*.wav."
        )
    recordings: list[Recording] = []
    for path in sorted(paths):
        recordings.append(read_recording(path))
        if sum(len(recording.pcm) for recording in recordings) > MOST_BYTES:
            raise InvalidInput(
                f"The recordings at {pattern!r} are too long: {len(recordings)} of {len(paths)} are more than "
                f"{MOST_BYTES >> 20} MB, which every client process would hold in its memory.",
                hint="Give fewer, or cut them: ffmpeg -i IN -t 600 OUT.wav",
            )
    common_rate(recordings)
    return tuple(recordings)


def _is_audio(name: str) -> bool:
    return Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".")


def common_rate(recordings: Sequence[Recording]) -> int:
    """The sample rate of all of them, in Hz; InvalidInput when they differ, as the streams are asked for alike."""
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
        InvalidInput: ``chunk_ms`` outside 20-100, a negative offset or a duration that is not positive; with the first
            chunk, that a recording which starts again has no sample.
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
    rate = recording.sample_rate
    begin = round(offset_s * rate)
    end = None if duration_s is None else begin + round(duration_s * rate)
    if not loop:
        whole = len(recording.pcm) // BYTES_PER_SAMPLE
        end = whole if end is None else min(end, whole)
    for number in count():
        # Counted from the beginning: at 11,025 Hz a chunk's length in samples is not whole, and must not drift.
        first = begin + rate * chunk_ms * number // 1000
        after = begin + rate * chunk_ms * (number + 1) // 1000
        after = after if end is None else min(after, end)
        if after <= first:
            return
        yield recording.part(first * BYTES_PER_SAMPLE, (after - first) * BYTES_PER_SAMPLE)
