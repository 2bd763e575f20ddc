"""When somebody stops speaking in a recording: what the end of a turn is measured from.

The bundled sample's word times are known. In other recordings a voice-activity detector finds them (WebRTC's, frames of
30 ms), to about two tenths of a second where there is noise.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dgsm_helpers.rules.sample import Recording, Sample

FRAME_S = 0.03
RATE = 48_000
"""At which the detector looks: there it finds the pauses of noisy recordings, whatever their own rate."""
LOUDNESS_SHARE = 0.3
"""Speech is louder than this share of the way from a recording's quiet to its loud parts: the detector takes some noise
for speech."""
AGGRESSIVENESS = 2
"""Of WebRTC's detector, 0-3: the higher, the less it takes for speech."""
QUIET_FRAMES = 6
"""A pause is at least that many frames without speech; shorter gaps lie within words."""
TOLERANCE_S = 0.05
"""A model's times of words and turns are not exact."""


@dataclass(frozen=True)
class SpokenUntil:
    """The ends of speech in a recording that a stream sends round and round from ``offset_s`` on."""

    recording: Recording
    offset_s: float

    def before(self, cursor_s: float) -> float:
        """The last moment of speech in the first ``cursor_s`` seconds of the stream's audio; NaN without any."""
        ends, whole_s = self._ends_s, self.recording.duration_s
        if not ends:
            return float("nan")
        rounds, at_s = divmod(self.offset_s + cursor_s + TOLERANCE_S, whole_s)
        index = bisect_right(ends, at_s) - 1
        end_s = ends[index] + whole_s * (rounds if index >= 0 else rounds - 1) - self.offset_s
        return min(end_s, cursor_s) if end_s > 0 else float("nan")

    @cached_property
    def _ends_s(self) -> list[float]:
        """Found once a stream: to look a recording up costs as much as all else here, for each chunk."""
        ends_s: list[float] = speech_ends_s(self.recording).tolist()
        return ends_s


@lru_cache(maxsize=256)
def speech_ends_s(recording: Recording) -> np.ndarray:
    """Ends of words or of stretches of speech, in seconds, ascending."""
    if isinstance(recording, Sample):
        return np.array([word.end for word in recording.words])
    spoken = _spoken_frames(recording)
    # A frame ends speech when it is the last spoken one before a pause, or before the recording's end.
    quiet = np.lib.stride_tricks.sliding_window_view(np.append(spoken[1:], np.zeros(QUIET_FRAMES, bool)), QUIET_FRAMES)
    ends = spoken & ~quiet[: len(spoken)].any(axis=1)
    return (np.flatnonzero(ends) + 1) * FRAME_S


def _spoken_frames(recording: Recording) -> np.ndarray:
    import webrtcvad  # only recordings of one's own need it

    samples, rate = np.frombuffer(recording.pcm, "<i2"), recording.sample_rate
    at = np.arange(int(recording.duration_s * RATE)) / RATE
    size = int(RATE * FRAME_S)
    frames = np.interp(at, np.arange(len(samples)) / rate, samples)
    frames = frames[: len(frames) // size * size].reshape(-1, size)
    loudness_db = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1)
    quiet_db, loud_db = np.quantile(loudness_db, (0.1, 0.95))
    detector = webrtcvad.Vad(AGGRESSIVENESS)
    spoken = np.array([detector.is_speech(frame.astype("<i2").tobytes(), RATE) for frame in frames], bool)
    return spoken & (loudness_db > quiet_db + LOUDNESS_SHARE * (loud_db - quiet_db))
