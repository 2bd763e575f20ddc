"""Turns what happened on the fleet into the metrics SageMaker publishes.

Names, units, dimensions and resolutions are those of AWS's and Deepgram's pages (reference aws.md section 4). What they
leave open is a named assumption here:

- ConcurrentRequestsPerModel is one sample per serving instance and ten seconds: the most requests it held in that time.
- A serving instance without requests publishes zero.
- A type of the pool without a serving instance publishes nothing.
- GPUUtilization and CPUUtilization are the share of its time in which the instance's engine was busy; there is no GPU
here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from embedded_aws.fleet.instances import Instance, Interval
from embedded_aws.fleet.lifecycle import Endpoint, Variant
from embedded_aws.fleet.live_fleet import Fleet

SAGEMAKER = "AWS/SageMaker"
HARDWARE = "/aws/sagemaker/Endpoints"
TICK_S = 10
ERROR_METRICS = {"4xx": "Invocation4XXErrors", "5xx": "Invocation5XXErrors", "model": "InvocationModelErrors"}


class Store(Protocol):
    """The part of a CloudWatch metric store that publishing needs."""

    def put(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        timestamp_s: float,
        values: list[float],
        unit: str,
        resolution_s: int,
    ) -> None: ...


@dataclass(frozen=True)
class _Point:
    region: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    timestamp_s: float
    values: list[float]
    unit: str
    resolution_s: int


class Vitals:
    """Publishes each interval of the fleet.

    Args:
        fleet: whose instances are read.
        store_for: metric store of a region.
        delay_s: how late points become visible now (the ``slow-metrics`` fault); their timestamps stay true.
    """

    def __init__(self, fleet: Fleet, store_for: Callable[[str], Store], delay_s: Callable[[], float]) -> None:
        self._fleet = fleet
        self._store_for = store_for
        self._delay_s = delay_s
        self._waiting: deque[tuple[float, _Point]] = deque()

    def publish(self, now_s: float) -> None:
        """Publish the ten seconds that end at ``now_s`` (a multiple of ten), and the minute when one ends there."""
        with self._fleet.lock:
            points = [p for e in self._fleet.endpoints() for p in _endpoint_points(e, now_s)]
        self._waiting.extend((now_s, p) for p in points)
        # Held against the delay of now: when the fault ends, what it held back is there at once, and nothing waits
        # behind.
        latest_s = now_s - self._delay_s()
        while self._waiting and self._waiting[0][0] <= latest_s:
            point = self._waiting.popleft()[1]
            self._store_for(point.region).put(
                point.namespace,
                point.name,
                point.dimensions,
                timestamp_s=point.timestamp_s,
                values=point.values,
                unit=point.unit,
                resolution_s=point.resolution_s,
            )


def _endpoint_points(endpoint: Endpoint, now_s: float) -> list[_Point]:
    points: list[_Point] = []
    for variant in endpoint.variants.values():
        serving = variant.serving
        if not serving:
            continue
        where = {"EndpointName": endpoint.name, "VariantName": variant.spec.name}
        peaks = [(i.instance_type, float(i.take_seconds().peak)) for i in serving]
        for dimensions, values in _by_type(where, variant, peaks):
            points.append(
                _Point(
                    endpoint.region,
                    SAGEMAKER,
                    "ConcurrentRequestsPerModel",
                    dimensions,
                    now_s - TICK_S,
                    values,
                    "None",
                    TICK_S,
                )
            )
        if now_s % 60 == 0:
            points += _minute_points(endpoint.region, where, variant, serving, now_s - 60)
    return points


def _by_type(where: Mapping[str, str], variant: Variant, samples: list[tuple[str, float]]):
    """The variant's series and, for instance pools, one series per type that has an instance."""
    yield where, [value for _, value in samples]
    if len(variant.spec.pools) > 1:
        for instance_type in dict.fromkeys(t for t, _ in samples):
            yield {**where, "InstanceType": instance_type}, [v for t, v in samples if t == instance_type]


def _minute_points(
    region: str, where: Mapping[str, str], variant: Variant, serving: list[Instance], start_s: float
) -> list[_Point]:
    taken = [(i, i.take_minute()) for i in serving]
    points: list[_Point] = []

    def add(namespace: str, name: str, unit: str, samples: list[tuple[str, float]]) -> None:
        if samples:
            for dimensions, values in _by_type(where, variant, samples):
                points.append(_Point(region, namespace, name, dimensions, start_s, values, unit, 60))

    def per_request(read: Callable[[Interval], list[float]]) -> list[tuple[str, float]]:
        return [(i.instance_type, value) for i, counts in taken for value in read(counts)]

    requests = per_request(lambda c: [1.0] * c.invocations)
    add(SAGEMAKER, "Invocations", "None", requests)
    add(SAGEMAKER, "InvocationsPerInstance", "None", [(t, v / len(serving)) for t, v in requests])
    add(SAGEMAKER, "FirstChunkLatency", "Microseconds", per_request(lambda c: [ms * 1000 for ms in c.first_chunk_ms]))
    add(
        SAGEMAKER,
        "FirstChunkModelLatency",
        "Microseconds",
        per_request(lambda c: [ms * 1000 for ms in c.first_chunk_ms]),
    )
    add(SAGEMAKER, "ModelLatency", "Microseconds", per_request(lambda c: [ms * 1000 for ms in c.model_ms]))
    for kind, name in ERROR_METRICS.items():
        add(SAGEMAKER, name, "None", per_request(lambda c, k=kind: _zeros_and_ones(c.invocations, c.errors.get(k, 0))))
    add(SAGEMAKER, "MidStreamErrors", "Count", per_request(lambda c: [1.0] * c.errors.get("midstream", 0)))
    busy = [(i.instance_type, 100 * i.engine.busy_share()) for i, _ in taken if i.engine]
    for name in ("GPUUtilization", "CPUUtilization"):
        add(HARDWARE, name, "Percent", busy)
        if variant.spec.enhanced_metrics:
            for (instance, _), (_, value) in zip(taken, busy, strict=False):
                dimensions = {**where, "InstanceId": instance.instance_id}
                points.append(_Point(region, HARDWARE, name, dimensions, start_s, [value], "Percent", 60))
    return points


def _zeros_and_ones(requests: int, errors: int) -> list[float]:
    """One sample per request, 1 for each that failed, so that Average is the share and Sum the count."""
    return [1.0] * errors + [0.0] * max(0, requests - errors)
