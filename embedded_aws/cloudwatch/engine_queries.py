"""PromQL on what Deepgram's engines publish of themselves: instant queries that select one metric by its labels.

AWS documents the path, its parameters, that a metric must be named, and Prometheus's form of the answer; Deepgram
documents the two metrics. That nothing is found until the account's enrichment runs is an assumption. Every other
expression is refused, never answered with a wrong value.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dgsm_helpers.rules.deepgram_protocols import NOVA_LISTEN
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.fleet.instances import Instance
from embedded_aws.fleet.live_fleet import Fleet

PATH = "/api/v1/query"
ACTION = "QueryMetrics"
"""What IAM calls it; no model of botocore's has it."""
_SELECTOR = re.compile(
    r'\s*\{\s*(?:__name__\s*=\s*)?"(?P<name>[\w.:]+)"\s*(?P<labels>(?:,\s*"?[\w.]+"?\s*=\s*"[^"]*"\s*)*)\}\s*'
)
_LABEL = re.compile(r',\s*"?([\w.]+)"?\s*=\s*"([^"]*)"')
_MOST_SERIES = 500


class EngineQueries:
    """Answers `PATH` by the fleet's engines; a region's CloudWatch (``watch_of``) knows whether enrichment runs."""

    def __init__(self, fleet: Fleet, watch_of: Callable[[str], RegionWatch]) -> None:
        self._fleet, self._watch_of = fleet, watch_of

    def __call__(self, region: str, params: Mapping[str, str]) -> tuple[int, object]:
        """An HTTP status, and Prometheus's form of an answer."""
        query = params.get("query")
        if not query:
            return _refused("the parameter query is required")
        selector = _SELECTOR.fullmatch(query)
        if selector is None:
            return _refused(f"the embedded AWS answers one metric selected by its labels, not {query}")
        wanted = dict(_LABEL.findall(selector["labels"]))
        watch = self._watch_of(region)
        result = [
            {"metric": labels, "value": [watch.now_s(), f"{value:g}"]}
            for labels, value in self._series(region, selector["name"])
            if watch.enrichment is not None and wanted.items() <= labels.items()
        ]
        return 200, {"status": "success", "data": {"resultType": "vector", "result": result[:_MOST_SERIES]}}

    def _series(self, region: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
        with self._fleet.lock:
            for endpoint in self._fleet.endpoints():
                for variant in endpoint.variants.values():
                    for instance in variant.serving:
                        value = _value(instance, name)
                        if value is not None and endpoint.region == region:
                            labels = {
                                "__name__": name,
                                "aws.sagemaker.endpoint.name": endpoint.name,
                                "instance": instance.instance_id,
                            }
                            kind = {"kind": "stream"} if name == "engine_active_requests" else {}
                            yield {**labels, **kind}, value


def _value(instance: Instance, name: str) -> float | None:
    """What an engine says of itself; its estimate, for streams that listen, grows with the load up to its limit."""
    knee = instance.engine.knee if instance.engine else None
    if name == "engine_active_requests":
        return float(instance.outstanding)
    if (
        name == "engine_estimated_stream_capacity"
        and knee
        and instance.listing
        and instance.listing.protocol is NOVA_LISTEN
    ):
        return float(min(knee, 1 + instance.most + instance.most // 2))
    return None


def _refused(why: str) -> tuple[int, dict[str, Any]]:
    return 400, {"status": "error", "errorType": "bad_data", "error": why}
