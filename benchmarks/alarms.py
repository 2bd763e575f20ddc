"""What one evaluation of ten alarms over a quarter of an hour costs; one is due every ten local seconds.

    python benchmarks/alarms.py [--json FILE]

The claim is at most 5 ms, so that a heartbeat at 120 times real time (every 83 ms) is not felt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from dgsm_helpers.rules.alarms import AlarmSpec
from embedded_aws.cloudwatch.metric_alarm import MetricAlarm
from embedded_aws.cloudwatch.queries import MetricStat
from embedded_aws.cloudwatch.region_watch import RegionWatch

ALARMS = 10
BEATS = 95
RUNS = 50
CLAIM_MS = 5.0
DIMENSIONS = {"EndpointName": "e", "VariantName": "v"}
METRIC = MetricStat("AWS/SageMaker", "ConcurrentRequestsPerModel", tuple(DIMENSIONS.items()), "Average", 10)


@dataclass
class SteppedClock:
    """Local time that moves when told to."""

    time_s: float = 1_800_000_000.0

    def now_s(self) -> float:
        """Its time."""
        return self.time_s


def evaluations_ms() -> list[float]:
    """Milliseconds of each of ``RUNS`` evaluations."""
    clock = SteppedClock()
    here = RegionWatch("us-east-1", clock.now_s)
    for number in range(ALARMS):
        spec = AlarmSpec(threshold=4.5, comparison="<", period_s=10, evaluation_periods=90, datapoints_to_alarm=90)
        here.alarms.put(MetricAlarm(name=f"low{number}", spec=spec, metric=METRIC))
    spent = []
    for beat in range(BEATS + RUNS):
        given = {"timestamp_s": clock.time_s, "values": [4 + beat % 2], "resolution_s": 10}
        here.store.put("AWS/SageMaker", METRIC.name, DIMENSIONS, **given)
        clock.time_s += 10
        began = time.perf_counter()
        here.alarms.evaluate(clock.time_s)
        spent.append(1000 * (time.perf_counter() - began))
    return spent[BEATS:]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    spent = evaluations_ms()
    result = {"median_ms": round(statistics.median(spent), 3), "least_ms": round(min(spent), 3), "claim_ms": CLAIM_MS}
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
