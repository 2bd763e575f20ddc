"""A voice worker: one process, one synthesiser, the texts given to it.

It makes one sentence of each text in turn, so that a long text does not keep the others waiting. Frames pass on its
standard input and output (`worker_frames`): OPEN's body is JSON (text, sample_rate, speed), RESULT's is the processor
time used so far (`CPU_S`) and then mono linear16.
"""

import json
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from math import gcd
from typing import BinaryIO

import numpy as np
from scipy.signal import resample_poly

from embedded_aws.engines.synthesisers import installed, load_synthesiser
from embedded_aws.engines.worker_frames import CPU_S, HEAD, Ask, Tell, frame, run_worker

PIECE_S = 0.2
"""Audio in one RESULT."""


class VoiceWorker:
    """Reads frames from ``source`` until it ends, writes frames to ``sink``."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._asked: queue.Queue[tuple[Ask, int, bytes] | None] = queue.Queue()
        self._texts: deque[tuple[int, int, Iterator[tuple[np.ndarray, int]]]] = deque()

    def run(self) -> None:
        """Until the input ends."""
        threading.Thread(target=self._read, daemon=True).start()
        self._speak = load_synthesiser(installed())
        while self._take_asked():
            if self._texts:
                self._make_next_sentence()

    def _read(self) -> None:
        """In a thread of its own: a text that is no longer wanted is known after the sentence in work."""
        while head := self._source.read(HEAD.size):
            kind, stream, length = HEAD.unpack(head)
            self._asked.put((Ask(kind), stream, self._source.read(length)))
        self._asked.put(None)

    def _take_asked(self) -> bool:
        """Take in what has been asked, waiting when there is nothing to do; False at the end."""
        while not self._texts or not self._asked.empty():
            asked = self._asked.get()
            if asked is None:
                return False
            kind, stream, body = asked
            if kind is Ask.OPEN:
                wanted = json.loads(body)
                sentences = self._speak(wanted["text"], wanted["speed"])
                self._texts.append((stream, wanted["sample_rate"], sentences))
            elif kind is Ask.ABORT:
                self._texts = deque(text for text in self._texts if text[0] != stream)
        return True

    def _make_next_sentence(self) -> None:
        stream, rate, sentences = self._texts.popleft()
        try:
            made = next(sentences, None)
        except Exception as error:
            # Whatever a library raises ends that text, not the others of this worker.
            self._tell(Tell.FAILURE, stream, str(error).encode())
            return
        if made is None:
            self._tell(Tell.END, stream)
            return
        self._texts.append((stream, rate, sentences))
        pcm = at_rate(*made, rate)
        piece_bytes = 2 * round(PIECE_S * rate)
        for at in range(0, len(pcm), piece_bytes):
            self._tell(Tell.RESULT, stream, CPU_S.pack(time.process_time()) + pcm[at : at + piece_bytes])

    def _tell(self, kind: Tell, stream: int, body: bytes = b"") -> None:
        self._sink.write(frame(kind, stream, body))
        self._sink.flush()


def at_rate(samples: np.ndarray, made_at: int, rate: int) -> bytes:
    """Linear16 at another rate in Hz."""
    if rate != made_at and len(samples):
        shared = gcd(rate, made_at)
        samples = resample_poly(samples.astype(np.float32), rate // shared, made_at // shared)
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


if __name__ == "__main__":
    run_worker(lambda source, sink: VoiceWorker(source, sink).run())
