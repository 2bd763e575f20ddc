"""Target tracking over a pool of several instance types: policies whose metric is math over one series per type.

The forms are the two that AWS publishes and three that survive an empty pool or unequal counts; what each makes of a
fleet can be tried beforehand in ``rules.weighted_metrics``. All react by the minute, the predefined metric every 10 s.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dgsm_helpers import state
from dgsm_helpers.aws.core.calls import pages
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.rules.weighted_metrics import form_named
from dgsm_helpers.session import Workbook

TARGET_SHARE = 0.7
"""Share of measured capacity to aim for, of the AWS blog that publishes the mean of ratios."""

_PERIOD_S = 60
"""Of metric math, in alarms of target tracking."""

_STATISTICS = {"a": "Average", "s": "Sum", "n": "SampleCount"}
"""By the first letter of a query's id. One sample per instance every ten seconds: n counts instances, s is streams."""


@dataclass(frozen=True, kw_only=True)
class WeightedPolicy(ScalingPolicy):
    """A target-tracking policy on metric math over the pool's types; made by `weighted_policy`.

    ``capacities`` are streams that one instance of each type sustains, in the pool's order; ``weights`` are for the
    form ``weighted-streams`` only. ``target_value`` is a share of capacity, for ``weighted-streams`` it is streams.
    """

    form: str
    endpoint_name: str
    variant_name: str
    capacities: tuple[tuple[str, float], ...]
    weights: tuple[float, ...] = ()

    @property
    def expression(self) -> str:
        """The metric math, over a1, a2… (streams per instance by type), s1… (their sums) and n1… (sample counts)."""
        return form_named(self.form).expression([capacity for _, capacity in self.capacities], self.weights)

    def metric(self) -> dict[str, Any]:
        """The CustomizedMetricSpecification: one MetricStat per type and statistic, one expression that is returned."""
        expression = self.expression
        queries = [
            self._query(f"{letter}{number}", statistic, instance_type)
            for letter, statistic in _STATISTICS.items()
            for number, (instance_type, _) in enumerate(self.capacities, 1)
            if f"{letter}{number}" in expression
        ]
        returned = {"Id": "utilization", "Expression": expression, "Label": self.form, "ReturnData": True}
        return {"CustomizedMetricSpecification": {"Metrics": [*queries, returned]}}

    def _query(self, query_id: str, statistic: str, instance_type: str) -> dict[str, Any]:
        of_variant = {"EndpointName": self.endpoint_name, "VariantName": self.variant_name}
        dimensions = {**of_variant, "InstanceType": instance_type}
        metric = {
            "Namespace": "AWS/SageMaker",
            "MetricName": "ConcurrentRequestsPerModel",
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        }
        return {"Id": query_id, "MetricStat": {"Metric": metric, "Stat": statistic}, "ReturnData": False}

    def _rows(self) -> list[tuple[object, ...]]:
        unit = "streams, weighted" if self.form == "weighted-streams" else "of the measured capacity"
        capacities = ", ".join(f"{instance_type}: {capacity:g}" for instance_type, capacity in self.capacities)
        return [
            ("form", self.form),
            ("metric", self.expression),
            ("target value", f"{self.target_value:g} {unit}"),
            ("streams per instance", capacities),
            *super()._rows()[1:4],
        ]


def capacities(wb: Workbook, given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Streams that one instance of each of the pool's types sustains, in the pool's order: given, else measured.

    Raises:
        NotReady: a type's capacity is neither given nor measured.
        InvalidInput: a type is given that the pool does not have, or a capacity that is not above zero.
        NotFound: there is no such endpoint.
    """
    types = EndpointReading(wb).instance_types
    if not types:
        raise NotFound(f"Variant {wb.variant_name!r} of {wb.endpoint_name!r} names no instance type.")
    given = given or {}
    if unknown_types := [t for t in given if t not in types]:
        raise InvalidInput(
            f"Capacity was given for {', '.join(unknown_types)}, and the pool of {wb.endpoint_name!r} has "
            f"{', '.join(types)}.",
            hint="Give the pool's own types.",
        )
    if wrong := [f"{t}: {c}" for t, c in given.items() if not 0 < c < math.inf]:
        raise InvalidInput(f"A capacity must be above zero, not {', '.join(wrong)}.", hint="Give streams per instance.")
    by_type = {t: float(given.get(t) or (state.newest(wb, t) or {}).get("feasible_max", 0)) for t in types}
    if missing := [t for t, capacity in by_type.items() if not capacity]:
        raise NotReady(
            f"The capacity of {', '.join(missing)} is neither given nor measured.",
            hint="Measure each type (03_tune or dgsm tune), give it, or take the type out of the pool.",
        )
    return by_type


def weighted_policy(
    wb: Workbook,
    form: str,
    *,
    capacity_by_type: Mapping[str, float] | None = None,
    target_share: float = TARGET_SHARE,
) -> WeightedPolicy:
    """A policy for the workbook's variant, to be put on it with ``register.apply``.

    Its cooldowns and its name are the guide's; ``dataclasses.replace`` makes it with others.

    Args:
        form: one of ``rules.weighted_metrics.FORMS``.
        capacity_by_type: see `capacities`.
        target_share: of the capacity, above 0 and at most 1; for ``weighted-streams`` it becomes weighted streams.

    Raises:
        InvalidInput: no such form, or no such share.
        NotReady, NotFound: see `capacities`.
    """
    by_type = capacities(wb, capacity_by_type)
    weights = (1 / len(by_type),) * len(by_type) if form_named(form).in_streams else ()
    if not 0 < target_share <= 1:
        raise InvalidInput(f"target_share is {target_share}.", hint="Give a share of the capacity, such as 0.7.")
    whole = sum(by_type.values()) / len(by_type) if weights else 1.0
    return WeightedPolicy(
        form=form,
        endpoint_name=wb.endpoint_name,
        variant_name=wb.variant_name,
        capacities=tuple(by_type.items()),
        weights=weights,
        target_value=round(target_share * whole, 3),
    )


def parse_capacities(text: str) -> dict[str, float]:
    """Capacities written as ``ml.g6.2xlarge: 20, ml.g5.2xlarge: 8``; empty text gives none.

    Raises:
        InvalidInput: it is not of that form.
    """
    capacities: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        instance_type, _, streams = (side.strip() for side in part.partition(":"))
        try:
            capacities[instance_type] = float(streams)
        except ValueError as error:
            raise InvalidInput(
                f"{part!r} is not a capacity.",
                hint='Write "ml.g6.2xlarge: 20, ml.g5.2xlarge: 8", streams per instance.',
            ) from error
    return capacities


def reading(wb: Workbook, policy: WeightedPolicy) -> float | None:
    """What CloudWatch makes of the policy's expression now: its newest one-minute value, None when there is none."""
    queries = [
        {**query, "MetricStat": {**query["MetricStat"], "Period": _PERIOD_S}} if "MetricStat" in query else query
        for query in policy.metric()["CustomizedMetricSpecification"]["Metrics"]
    ]
    end = wb.now()
    # The running minute is left out: its instances have not all published yet.
    results = pages(
        wb,
        "cloudwatch",
        "GetMetricData",
        "MetricDataResults",
        MetricDataQueries=queries,
        StartTime=end - timedelta(minutes=10),
        EndTime=end - timedelta(seconds=_PERIOD_S),
        ScanBy="TimestampDescending",
    )
    return next((value for result in results for value in result["Values"]), None)
