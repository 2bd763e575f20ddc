"""What the runtime server needs from the rest of the embedded AWS, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from embedded_aws.engines.base import EngineInstance


class Host(Protocol):
    """The instance behind a lease."""

    instance_id: str
    engine: EngineInstance | None


class Lease(Protocol):
    """One request's hold on one instance; every method may be called on the event loop's thread.

    ``on_kill`` is set by the server and called, from any thread, when the instance goes away under the request.
    """

    instance: Host
    variant_name: str
    on_kill: Callable[[str], None] | None

    def first_chunk(self, latency_ms: float) -> None:
        """A stream's first answer left ``latency_ms`` after its first audio came."""

    def model_latency(self, latency_ms: float) -> None:
        """A file was answered in ``latency_ms``."""

    def error(self, kind: str) -> None:
        """It failed: ``4xx``, ``5xx``, ``model`` or ``midstream``."""

    def log(self, message: str) -> None:
        """The container writes a line to its log."""

    def release(self) -> None:
        """It is over."""


class Placement(Protocol):
    """Finds an instance for a request."""

    def acquire(self, region: str, endpoint_name: str, *, variant: str | None = None, kind: str = "stream") -> Lease:
        """Hold an instance; ``kind`` is ``stream`` or ``file``.

        Raises:
            EndpointNotFound: no such endpoint.
            VariantNotFound: it has no such variant.
            EndpointNotInService: it, or that variant of it, takes no requests now.
        """


class Faults(Protocol):
    """Faults on demand."""

    def api(self, service: str, operation: str) -> str | None:
        """How a call fails now: ``expired-credentials``, ``denied``, ``throttling`` or None."""

    def take(self, kind: str, endpoint: str) -> bool:
        """Whether ``mid-stream-error`` or ``dropped-connection`` strikes the endpoint now; uses the fault up."""
