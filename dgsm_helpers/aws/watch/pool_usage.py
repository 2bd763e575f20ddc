"""How much of a mixed fleet's capacity is in use, type by type."""

from collections.abc import Mapping
from dataclasses import dataclass

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.watch import metrics
from dgsm_helpers.errors import NotReady
from dgsm_helpers.progress.progress_line import ProgressLine
from dgsm_helpers.session import Workbook

_WITHIN_S = 120.0
_POLL_S = 20.0


@dataclass(frozen=True)
class TypeUsage:
    """One instance type: ``instances`` running, ``streams`` on all of them, ``capacity`` of all of them."""

    instance_type: str
    instances: int
    streams: float
    capacity: float


@dataclass(frozen=True)
class PoolUsage(Table):
    """The variant's types in the pool's order."""

    types: tuple[TypeUsage, ...]

    @property
    def share(self) -> float:
        """Streams over capacity, of the whole fleet."""
        capacity = sum(t.capacity for t in self.types)
        return self.streams / capacity if capacity else 0.0

    @property
    def streams(self) -> float:
        """Streams of all types."""
        return sum(t.streams for t in self.types)

    @property
    def instances(self) -> int:
        """Instances of all types."""
        return sum(t.instances for t in self.types)

    _columns = ("instance type", "instances", "streams", "capacity")

    def _caption(self) -> str:
        count = f"{self.instances} instance{'s' * (self.instances != 1)}"
        return f"{count}, {self.share:.0%} of the capacity in use"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(t.instance_type, t.instances, f"{t.streams:.1f}", f"{t.capacity:g}") for t in self.types]


def usage(wb: Workbook, capacity_by_type: Mapping[str, float]) -> PoolUsage:
    """What runs now, and the newest streams per type that CloudWatch holds of the last two minutes.

    Args:
        capacity_by_type: streams that one instance of each type sustains (``weighted.capacities``).
    """
    counts = endpoint_state.status(wb).variant(wb.variant_name).instances_by_type
    recent = metrics.read_metrics(wb, last_s=_WITHIN_S, frames=("concurrency", "by_type"))
    rows = []
    for instance_type, capacity in capacity_by_type.items():
        count = counts.get(instance_type, 0)
        frame, column = recent.by_type, f"concurrency_mean_streams/{instance_type}"
        if len(capacity_by_type) == 1:
            # With one type SageMaker keeps no series of its own for it.
            frame, column = recent.concurrency, "concurrency_mean_streams"
        means = frame[column].dropna().tolist() if column in frame else []
        mean = float(means[-1]) if means else 0.0
        rows.append(TypeUsage(instance_type, count, mean * count, capacity * count))
    return PoolUsage(tuple(rows))


def wait_within(
    wb: Workbook,
    capacity_by_type: Mapping[str, float],
    share: float,
    *,
    streams: float = 0.0,
    timeout_s: float = 3600.0,
) -> PoolUsage:
    """Wait until the endpoint is ``InService`` and at most ``share`` of its capacity is in use.

    Args:
        capacity_by_type: as for `usage`.
        share: of the whole fleet's capacity.
        streams: how many must have been seen by CloudWatch, which is some seconds behind; 0 for any.
        timeout_s: workbook time.

    Raises:
        NotReady: it is not so after ``timeout_s``.
    """
    began = wb.now()
    with ProgressLine() as line:
        while True:
            usage_now = usage(wb, capacity_by_type)
            is_within = usage_now.streams >= streams - 0.5 and usage_now.share <= share
            if is_within and endpoint_state.status(wb).status == "InService":
                return usage_now
            line.show(usage_now)
            if (wb.now() - began).total_seconds() > timeout_s:
                raise NotReady(
                    f"After {timeout_s:g} s: {usage_now}.",
                    hint=f"It was to be at most {share:.0%}. Read the activities: the fleet may be at its maximum, "
                    "or no type has capacity.",
                )
            wb.sleep(_POLL_S)
