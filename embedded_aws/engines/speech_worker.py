"""A speech worker: one process, one Transcriber, the streams pinned to it.

It ends when its standard input does, and with its parent whatever kills that one. ``python -m`` runs it; the engine
starts it. Frames pass on its standard input and output (`worker_frames`).
"""

import json
import time
from typing import Any, BinaryIO

from embedded_aws.engines.moonshine import add_audio, load_transcriber
from embedded_aws.engines.worker_frames import HEAD, OPENING, Ask, Tell, frame, run_worker

_FORCE_UPDATE = 1

_MOST_SHARED = 4
"""Half a second holds no more words."""

HANGOVER_S = 0.3
"""A line ends this long after its last sound (seen on the bundled sample, whose word times are known)."""


class _WorkerStream:
    """One stream. A result is a dictionary: start, end, quiet, lines of (text, start, end), final, finalize.

    Times are in seconds.
    """

    def __init__(self, transcriber: Any, sample_rate: int, interim_every_s: float) -> None:
        self._transcriber = transcriber
        self._rate = sample_rate
        self._interim_every_s = interim_every_s
        self._samples = 0
        self._updated_at = 0
        self._settled_s = self._line_end_s = 0.0
        self._said: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self._stream = self._transcriber.create_stream(update_interval=1e9)
        self._stream.start()
        self._origin_s = self._samples / self._rate
        self._lines_out = 0

    @property
    def _cursor_s(self) -> float:
        return self._samples / self._rate

    def audio(self, pcm: bytes) -> list[dict[str, Any]]:
        self._samples += add_audio(self._transcriber, self._stream, pcm, self._rate)
        if (self._samples - self._updated_at) / self._rate < self._interim_every_s:
            return []
        self._updated_at = self._samples
        return self._read(self._stream.update_transcription(_FORCE_UPDATE).lines)

    def _read(self, lines: list[Any], *, ending: bool = False, finalize: bool = False) -> list[dict[str, Any]]:
        results = []
        while self._lines_out < len(lines) and (ending or lines[self._lines_out].is_complete):
            line = lines[self._lines_out]
            self._lines_out += 1
            rows = self._rows([line])
            self._said, self._line_end_s = line.text.split(), self._origin_s + line.start_time + line.duration
            if rows:
                end_s = min(self._cursor_s, self._line_end_s)
                results.append(self._result(max(end_s, self._settled_s), rows, final=True, finalize=finalize))
        if not ending:
            results.append(self._result(self._cursor_s, self._rows(lines[self._lines_out :]), final=False))
        elif results:
            # What is ended is ended up to where the audio is.
            results[-1]["end"] = self._settled_s = self._cursor_s
        elif finalize or self._cursor_s > self._settled_s:
            results.append(self._result(self._cursor_s, [], final=True, finalize=finalize))
        return results

    def _rows(self, lines: list[Any]) -> list[tuple[str, float, float]]:
        """Lines as they go into a result, without what has been settled.

        A line that the library cuts for its length is followed by one that begins half a second before its end: what
        both say is said once, and the second begins where the first ended.
        """
        rows = []
        for line in lines:
            start_s = self._origin_s + line.start_time
            words = line.text.split()
            if start_s < self._line_end_s:
                words = words[_shared(self._said, words) :]
            start_s = min(max(start_s, self._settled_s), self._cursor_s)
            end_s = min(self._origin_s + line.start_time + line.duration, self._cursor_s)
            if words:
                rows.append((" ".join(words), start_s, max(start_s, end_s)))
        return rows

    def _result(
        self, end_s: float, rows: list[tuple[str, float, float]], *, final: bool, finalize: bool = False
    ) -> dict[str, Any]:
        quiet_s = 0.0 if final or rows else max(0.0, end_s - self._line_end_s + HANGOVER_S)
        result = {
            "start": self._settled_s,
            "end": end_s,
            "quiet": quiet_s,
            "lines": rows,
            "final": final,
            "finalize": finalize,
        }
        if final:
            self._settled_s = end_s
        return result

    def end(self, *, finalize: bool = False) -> list[dict[str, Any]]:
        # Audio that no update has seen when a stream stops is lost in the library.
        if self._samples > self._updated_at:
            self._updated_at = self._samples
            self._stream.update_transcription(_FORCE_UPDATE)
        lines = self._stream.stop().lines
        self._stream.close()
        results = self._read(lines, ending=True, finalize=finalize)
        if finalize:
            # A stopped stream takes no more audio.
            self._begin()
        return results

    def close(self) -> None:
        self._stream.close()


def _shared(before: list[str], after: list[str]) -> int:
    """How many words ``after`` begins with that ``before`` ends with, however they are spelt."""
    plain_before, plain_after = (["".join(filter(str.isalnum, w.lower())) for w in words] for words in (before, after))
    longest = min(len(before), len(after), _MOST_SHARED)
    return next((n for n in range(longest, 0, -1) if plain_before[-n:] == plain_after[:n]), 0)


class Worker:
    """Reads frames from ``source`` until it ends, writes frames to ``sink``."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._transcriber = load_transcriber()
        self._streams: dict[int, _WorkerStream] = {}

    def run(self) -> None:
        """Until the input ends."""
        while head := self._source.read(HEAD.size):
            kind, stream, length = HEAD.unpack(head)
            body = self._source.read(length)
            if len(body) < length:
                return
            try:
                self._handle(Ask(kind), stream, body)
            except Exception as error:
                # Whatever the library raises ends that stream, not the others of this worker.
                self._drop(stream)
                self._tell(Tell.FAILURE, stream, str(error).encode())

    def _handle(self, kind: Ask, stream: int, body: bytes) -> None:
        if kind is Ask.OPEN:
            self._streams[stream] = _WorkerStream(self._transcriber, *OPENING.unpack(body))
        elif kind is Ask.ABORT:
            self._drop(stream)
        elif worker_stream := self._streams.get(stream):
            if kind is Ask.AUDIO:
                self._answer(stream, worker_stream.audio(body))
            elif kind is Ask.FINALIZE:
                self._answer(stream, worker_stream.end(finalize=True))
            elif kind is Ask.FINISH:
                del self._streams[stream]
                self._answer(stream, worker_stream.end())
                self._tell(Tell.END, stream)

    def _drop(self, stream: int) -> None:
        if worker_stream := self._streams.pop(stream, None):
            worker_stream.close()

    def _answer(self, stream: int, results: list[dict[str, Any]]) -> None:
        for result in results:
            self._tell(Tell.RESULT, stream, json.dumps({**result, "cpu_s": time.process_time()}).encode())

    def _tell(self, kind: Tell, stream: int, body: bytes = b"") -> None:
        self._sink.write(frame(kind, stream, body))
        self._sink.flush()


if __name__ == "__main__":
    run_worker(lambda source, sink: Worker(source, sink).run())
