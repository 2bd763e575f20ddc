"""One instance of the fleet, the requests it holds, and what happened on it since the last look.

An instance counts, it does not judge: the fleet decides when it lives, ``vitals`` turns its counts into metrics.
Everything here is guarded by the fleet's lock, which each lease shares: requests end on the runtime's thread, life
cycles move on the heartbeat's.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from embedded_aws.engines.base import EngineInstance
from embedded_aws.listings import Listing


class Phase(Enum):
    """Where an instance is in its life."""

    PROCURING = "procuring"  # waiting for capacity of a type
    STARTING = "starting"  # has a machine; image, model and container are on their way
    SERVING = "serving"
    STOPPING = "stopping"  # its container has had SIGTERM, and has its SIGKILL to come
    FAILED = "failed"


@dataclass
class Interval:
    """Counts of one minute; latencies in milliseconds, one value per request."""

    invocations: int = 0
    first_chunk_ms: list[float] = field(default_factory=list)
    model_ms: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)


@dataclass
class Instance:
    """An instance behind a variant; all times are local Unix seconds.

    ``peak`` is the most requests it held since ``take_peak``, ``most`` at any time, ``minute`` what it did since
    ``take_minute``.
    """

    instance_id: str
    since_s: float
    phase: Phase = Phase.PROCURING
    pool: int = 0
    instance_type: str = ""
    ready_at_s: float = 0.0
    listing: Listing | None = None
    engine: EngineInstance | None = None
    leases: set[Lease] = field(default_factory=set)
    peak: int = 0
    most: int = 0
    minute: Interval = field(default_factory=Interval)
    failure: str = ""

    @classmethod
    def requested(cls, now_s: float) -> Instance:
        """A new instance that waits for capacity."""
        return cls(instance_id=f"i-{uuid.uuid4().hex[:17]}", since_s=now_s)

    @property
    def outstanding(self) -> int:
        """Requests in flight."""
        return len(self.leases)

    def sigterm(self, now_s: float) -> None:
        """Its container is told to stop; one that does not serve yet just ends."""
        if self.phase is Phase.SERVING:
            self.phase, self.since_s = Phase.STOPPING, now_s
        elif self.phase is not Phase.STOPPING:
            self.end("it is no longer wanted")

    def fail(self, failure: str) -> None:
        """It does not come up; ``failure`` is a key of ``lifecycle.FAILURE_REASONS``."""
        self.phase, self.failure = Phase.FAILED, failure

    def end(self, reason: str) -> None:
        """Cut what it still holds and free its engine; ``reason`` reaches the holders."""
        for lease in list(self.leases):
            if lease.on_kill:
                lease.on_kill(reason)
        self.leases.clear()
        if self.engine:
            self.engine.close()
            self.engine = None

    def take_peak(self) -> int:
        """The peak so far, started anew: what is in flight now is already in the next one."""
        peak, self.peak = self.peak, self.outstanding
        return peak

    def take_minute(self) -> Interval:
        """The minute's counts so far, started anew."""
        minute, self.minute = self.minute, Interval()
        return minute


@dataclass(eq=False)
class Lease:
    """One request's hold on one instance; ``release`` it exactly once (more is harmless).

    ``request_id`` is what the container calls it. ``log`` writes a line to the container's log as long as there is a
    container, which is what ``alive`` says. ``on_kill`` may be set
    by the holder: it is called, from another thread, when the instance goes away under the request.
    """

    instance: Instance
    variant_name: str
    _lock: threading.RLock
    log: Callable[[str], None]
    on_kill: Callable[[str], object] | None = None
    request_id: str = ""

    def __post_init__(self) -> None:
        with self._lock:
            self.instance.leases.add(self)
            self.instance.minute.invocations += 1
            self.instance.peak = max(self.instance.peak, self.instance.outstanding)
            self.instance.most = max(self.instance.most, self.instance.peak)

    @property
    def alive(self) -> bool:
        """Whether the container still runs; the request may have ended long before it."""
        return self.instance.engine is not None

    def first_chunk(self, latency_ms: float) -> None:
        """The first part of a stream's answer went out ``latency_ms`` after its first audio came in."""
        with self._lock:
            self.instance.minute.first_chunk_ms.append(latency_ms)

    def model_latency(self, latency_ms: float) -> None:
        """A file was answered in ``latency_ms``."""
        with self._lock:
            self.instance.minute.model_ms.append(latency_ms)

    def error(self, kind: str) -> None:
        """The request failed: ``4xx``, ``5xx``, ``model`` or ``midstream``."""
        with self._lock:
            self.instance.minute.errors[kind] += 1

    def release(self) -> None:
        """The request is over."""
        with self._lock:
            self.instance.leases.discard(self)
