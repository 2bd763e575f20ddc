"""Turns what clients stream into linear16, piece by piece.

Raw linear16, linear32 (32-bit float), mulaw and alaw, or WAV with PCM, float, mulaw or alaw.
"""

from dgsm_helpers.wire.samples import Format
from dgsm_helpers.wire.wav_head import may_begin_wav, read_wav_head


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
        return self.format.linear16(data, separate=self._separate) if data else []

    def _skip_header(self, data: bytes) -> bytes:
        if self.format and not may_begin_wav(data):
            self._at_start = False
            return data
        head = read_wav_head(data)
        if head is None:
            self._rest = data
            return b""
        self.format = head.format
        self._at_start = False
        return data[head.start :]
