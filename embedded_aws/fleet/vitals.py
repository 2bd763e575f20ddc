"""Turns what happened on the fleet into the metrics SageMaker publishes.

Names, units, dimensions and resolutions are those of AWS's and Deepgram's pages (reference aws.md section 4). What they
leave open is a named assumption here:

- ConcurrentRequestsPerModel is one sample per serving instance and ten seconds: the most requests it held in that time.
- A serving instance without requests publishes zero.
- A type of the pool without a serving instance publishes nothing.
- GPUUtilization and CPUUtilization are the share of its time in which an instance's engine was busy; no GPU is here.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.fleet.instances import Instance, Interval
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.fleet.variants import Endpoint, LiveVariant

SAGEMAKER = "AWS/SageMaker"
HARDWARE = "/aws/sagemaker/Endpoints"
TICK_S = 10
MINUTE_S = 60


def _first_chunk_us(counts: Interval) -> list[float]:
    return [latency_ms * 1000 for latency_ms in counts.first_chunk_ms]


def _failures(counts: Interval, kind: str) -> list[float]:
    """One sample per request, 1 for each that failed, so that Average is the share and Sum the count."""
    failed = counts.errors[kind]
    return [1.0] * failed + [0.0] * max(0, counts.invocations - failed)


_REQUEST_METRICS: Mapping[str, tuple[str, Callable[[Interval], list[float]]]] = {
    "Invocations": ("None", lambda counts: [1.0] * counts.invocations),
    "FirstChunkLatency": ("Microseconds", _first_chunk_us),
    "FirstChunkModelLatency": ("Microseconds", _first_chunk_us),
    "ModelLatency": ("Microseconds", lambda counts: [latency_ms * 1000 for latency_ms in counts.model_ms]),
    "Invocation4XXErrors": ("None", lambda counts: _failures(counts, "4xx")),
    "Invocation5XXErrors": ("None", lambda counts: _failures(counts, "5xx")),
    "InvocationModelErrors": ("None", lambda counts: _failures(counts, "model")),
    "MidStreamErrors": ("Count", lambda counts: [1.0] * counts.errors["midstream"]),
}
"""Unit of each metric of a minute's requests, and one instance's samples."""


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One metric of a variant over one interval: samples and the instances they are of."""

    name: str
    unit: str
    samples: list[tuple[Instance, float]]
    namespace: str = SAGEMAKER
    resolution_s: int = MINUTE_S


class Vitals:
    """Publishes each interval of the fleet.

    Args:
        fleet: whose instances are read.
        store_for: metric store of a region.
        delay_s: how late points become visible now (the ``slow-metrics`` fault); their timestamps stay true.
        model: whether an instance without streams publishes 0, and a stream its first chunk.
    """

    def __init__(
        self,
        fleet: Fleet,
        store_for: Callable[[str], MetricStore],
        delay_s: Callable[[], float],
        *,
        model: ScalingModel | None = None,
    ) -> None:
        self._model = model or ScalingModel()
        self._fleet = fleet
        self._store_for = store_for
        self._delay_s = delay_s
        self._waiting: deque[tuple[float, Callable[[], None]]] = deque()

    def publish(self, now_s: float) -> None:
        """Publish the ten seconds that end at ``now_s`` (a multiple of ten), and the minute when one ends there."""
        with self._fleet.lock:
            for endpoint in self._fleet.endpoints():
                store = self._store_for(endpoint.region)
                self._waiting.extend((now_s, put) for put in _points(endpoint, now_s, store, self._model))
        # Held against the delay of now: when the fault ends, all that it held back is there at once.
        latest_s = now_s - self._delay_s()
        while self._waiting and self._waiting[0][0] <= latest_s:
            _, put = self._waiting.popleft()
            put()


def _points(endpoint: Endpoint, now_s: float, store: MetricStore, model: ScalingModel) -> Iterator[Callable[[], None]]:
    """The calls that put the interval's points into the store."""
    for variant in endpoint.variants.values():
        if variant.serving:
            names = {"EndpointName": endpoint.name, "VariantName": variant.spec.name}
            for reading in (_peaks(variant, model), *(_minute(variant, model) if now_s % MINUTE_S == 0 else ())):
                for dimensions, values in _series(variant, reading):
                    yield partial(
                        store.put,
                        reading.namespace,
                        reading.name,
                        {**names, **dimensions},
                        timestamp_s=now_s - reading.resolution_s,
                        values=values,
                        unit=reading.unit,
                        resolution_s=reading.resolution_s,
                    )


def _peaks(variant: LiveVariant, model: ScalingModel) -> _Reading:
    peaks = [(i, float(i.take_peak())) for i in variant.serving]
    published = [(i, peak) for i, peak in peaks if peak or model.idle_instance_emits_zero]
    return _Reading(name="ConcurrentRequestsPerModel", unit="None", samples=published, resolution_s=TICK_S)


def _minute(variant: LiveVariant, model: ScalingModel) -> Iterator[_Reading]:
    intervals = [(i, i.take_minute()) for i in variant.serving]
    for name, (unit, read) in _REQUEST_METRICS.items():
        if read is _first_chunk_us and not model.first_chunk_per_stream:
            continue
        yield _Reading(name=name, unit=unit, samples=[(i, value) for i, counts in intervals for value in read(counts)])
    shares = [(i, 1.0 / len(intervals)) for i, counts in intervals for _ in range(counts.invocations)]
    yield _Reading(name="InvocationsPerInstance", unit="None", samples=shares)
    busy = [(i, 100 * i.engine.busy_share()) for i in variant.serving if i.engine]
    for name in ("GPUUtilization", "CPUUtilization"):
        yield _Reading(name=name, unit="Percent", samples=busy, namespace=HARDWARE)


def _series(variant: LiveVariant, reading: _Reading) -> Iterator[tuple[Mapping[str, str], list[float]]]:
    """What a reading's samples are published as: dimensions besides the names, and values.

    The variant's series; for instance pools one for each type that has an instance; with enhanced metrics one for each
    instance's hardware.
    """
    samples = reading.samples
    if samples:
        yield {}, [value for _, value in samples]
    if len(variant.spec.instance_types) > 1:
        for instance_type in dict.fromkeys(i.instance_type for i, _ in samples):
            yield {"InstanceType": instance_type}, [value for i, value in samples if i.instance_type == instance_type]
    if variant.spec.enhanced_metrics and reading.namespace == HARDWARE:
        for instance, value in samples:
            yield {"InstanceId": instance.instance_id}, [value]
