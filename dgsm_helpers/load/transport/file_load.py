"""The other kind of request: whole files through ``InvokeEndpoint``, alone or mixed with streams.

``ConcurrentRequestsPerModel`` counts a file that is being transcribed as it counts an open stream, so a target value
that was measured with streams alone may not hold for an endpoint that takes both.
"""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.kernel import end_when_run_again
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording
from dgsm_helpers.load.transport.stream_target import ListenOptions
from dgsm_helpers.load.transport.trace import StreamError, StreamTrace

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

MAX_FILE_BYTES = 25_000_000
"""InvokeEndpoint's limit."""

PAUSE_AFTER_ERROR_S = 1.0


@dataclass(frozen=True)
class FileTrace:
    """One file: sent at ``sent_unix_s``, answered (or refused) ``took_s`` seconds later, ``audio_s`` long."""

    label: str
    sent_unix_s: float
    took_s: float
    audio_s: float
    error: StreamError | None = None

    @property
    def ok(self) -> bool:
        """Whether it was transcribed."""
        return self.error is None

    @property
    def speed(self) -> float:
        """Seconds of audio per second of waiting."""
        return self.audio_s / self.took_s if self.took_s > 0 else float("inf")


class FileLoad:
    """Callers that send one file after the other, each waiting for its answer: ``n`` callers are ``n`` in flight.

    Args:
        wb: the workbook whose endpoint is loaded.
        recording: what is sent; the bundled sample by default.
        file_s: length of a file in seconds; the recording is looped or cut to it. None: as it is.

    Raises:
        InvalidInput: the file would be larger than the 25 MB that InvokeEndpoint takes.
    """

    def __init__(
        self,
        wb: Workbook,
        *,
        recording: Recording | None = None,
        options: ListenOptions | None = None,
        file_s: float | None = None,
    ) -> None:
        recording = recording or bundled_recording()
        options = options or ListenOptions(sample_rate=recording.sample_rate)
        self._body = recording.to_wav(file_s)
        self._audio_s = file_s or recording.duration_s
        if len(self._body) > MAX_FILE_BYTES:
            raise InvalidInput(
                f"A file of {self._audio_s:.0f} s has {len(self._body) / 1e6:.1f} MB; InvokeEndpoint takes 25 MB.",
                hint="Send shorter files.",
            )
        query = {"model": options.model, "language": options.language, "punctuate": str(options.punctuate).lower()}
        self._request = {
            "EndpointName": wb.endpoint_name,
            "TargetVariant": wb.variant_name,
            "ContentType": "audio/wav",
            "CustomAttributes": f"{options.path}?{urlencode([*query.items(), *options.extra])}",
            "Body": self._body,
        }
        # No retries: a refusal is a fact to record, and a silent second try would be a second request in flight.
        once = {"total_max_attempts": 1}
        config = Config(read_timeout=90, connect_timeout=10, retries=once, max_pool_connections=200)
        self._client = wb.session.client("sagemaker-runtime", region_name=wb.region, config=config)
        self._traces: list[FileTrace] = []
        self._callers: list[tuple[threading.Event, threading.Thread]] = []
        # The callers know nothing of this load: one that nobody refers to any more, or whose cell is run again, ends.
        end_when_run_again(weakref.finalize(self, _end, self._callers))
        self._leaving: list[threading.Thread] = []
        self._made = 0

    @property
    def wanted(self) -> int:
        """How many callers there are."""
        return len(self._callers)

    @property
    def traces(self) -> tuple[FileTrace, ...]:
        """The files answered so far."""
        return tuple(self._traces)

    def set(self, n: int) -> None:
        """Have ``n`` callers from now on; one that leaves waits for its last answer first."""
        if n < 0:
            raise InvalidInput(f"{n} callers cannot be had.", hint="Give zero or more.")
        while len(self._callers) > n:
            stop, thread = self._callers.pop()
            stop.set()
            self._leaving.append(thread)
        while len(self._callers) < n:
            self._made += 1
            stop = threading.Event()
            label = f"file-caller-{self._made}"
            send = partial(
                _call, self._client, self._request, self._audio_s, traces=self._traces, label=label, stop=stop
            )
            thread = threading.Thread(target=send, name=label, daemon=True)
            self._callers.append((stop, thread))
            thread.start()

    def stop(self, *, timeout_s: float = 100.0) -> tuple[FileTrace, ...]:
        """Let all callers finish their last file; the traces of all."""
        self.set(0)
        until = time.monotonic() + timeout_s
        for thread in self._leaving:
            thread.join(max(until - time.monotonic(), 0.1))
        return self.traces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _call(
    client: Any,
    request: dict[str, Any],
    audio_s: float,
    *,
    traces: list[FileTrace],
    label: str,
    stop: threading.Event,
) -> None:
    """One caller: file after file until told to stop."""
    while not stop.is_set():
        sent, began, error = time.time(), time.monotonic(), None
        try:
            client.invoke_endpoint(**request)["Body"].read()
        except ClientError as refusal:
            details = refusal.response.get("Error", {})
            error = StreamError(details.get("Code", "ClientError"), details.get("Message", str(refusal)))
        except (BotoCoreError, OSError) as failure:
            error = StreamError(type(failure).__name__, str(failure))
        traces.append(FileTrace(label, sent, time.monotonic() - began, audio_s, error))
        if error is not None:
            stop.wait(PAUSE_AFTER_ERROR_S)


def _end(callers: list[tuple[threading.Event, threading.Thread]]) -> None:
    for stop, _ in callers:
        stop.set()


class MixedLoad:
    """Streams and files together, as an endpoint that serves both sees them."""

    def __init__(self, wb: Workbook, *, recording: Recording | None = None, file_s: float | None = None) -> None:
        self.streams = Load(wb, recording=recording)
        self.files = FileLoad(wb, recording=recording, file_s=file_s)

    def set(self, *, streams: int, files: int) -> None:
        """Hold ``streams`` streams and keep ``files`` files in flight from now on."""
        self.streams.set(streams)
        self.files.set(files)

    def stop(self) -> tuple[tuple[StreamTrace, ...], tuple[FileTrace, ...]]:
        """End both; the traces of both."""
        self.files.set(0)
        return self.streams.stop(), self.files.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
