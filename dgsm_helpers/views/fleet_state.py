"""The instances behind an endpoint and the calls on them, as the live view draws them. Pure but for `read_instances`.

The embedded AWS's administration tells of each instance, and which requests it holds. AWS tells only how many
instances there are: there the calls of this process are shown beside the instances, not on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.endpoint.endpoint_state import VariantState
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import NOVA

if TYPE_CHECKING:
    from dgsm_helpers.load.transport.background_load import Load
    from dgsm_helpers.load.transport.call_progress import OngoingCall
    from dgsm_helpers.session import Workbook

REQUESTED, STARTING, SERVING, STOPPING = "requested", "starting", "serving", "stopping"
_PHASES = {"procuring": REQUESTED, "starting": STARTING, "serving": SERVING, "stopping": STOPPING}


@dataclass(frozen=True, kw_only=True)
class ShownInstance:
    """One instance. ``age_s`` is since it was asked for or told to stop, on the endpoint's clock; None: not known.

    ``instance_id`` is "" and ``requests`` is None where nobody says which instance this is and what it holds.
    """

    phase: str
    instance_id: str = ""
    instance_type: str = ""
    version: str = ""
    age_s: float | None = None
    requests: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FleetState:
    """Instances, the calls of this process, and money at list prices.

    ``usd_per_hour`` is what the instances cost now, None where it is not known; ``spent_usd`` and ``always_usd`` what
    they cost in the time shown, and what ``most`` of them would have cost that ran all the time. A call is late beyond
    ``limit_ms``.
    """

    instances: tuple[ShownInstance, ...] = ()
    calls: tuple[OngoingCall, ...] = ()
    limit_ms: float = 500.0
    usd_per_hour: float | None = None
    most: int = 0
    always_usd_per_hour: float | None = None
    spent_usd: float | None = None
    always_usd: float | None = None

    @property
    def placed(self) -> bool:
        """Whether it is known which instance holds what."""
        return any(instance.requests is not None for instance in self.instances)

    def is_late(self, call: OngoingCall) -> bool:
        """Whether its text is too far behind."""
        return call.lag_ms is not None and call.lag_ms > self.limit_ms

    @property
    def late(self) -> int:
        """How many calls are too far behind."""
        return sum(map(self.is_late, self.calls))

    def on(self, instance: ShownInstance) -> list[OngoingCall | None]:
        """What an instance holds: calls of this process, None for each request of somebody else's."""
        own = {call.request_id: call for call in self.calls if call.request_id}
        held = [own.get(request) for request in instance.requests or ()]
        return sorted(held, key=lambda call: (call is None, call.label if call else ""))

    @property
    def elsewhere(self) -> list[OngoingCall]:
        """Calls of this process of which it is not known where they are."""
        placed = {request for instance in self.instances for request in instance.requests or ()}
        return [call for call in self.calls if call.request_id not in placed]


def read_instances(wb: Workbook, variant: VariantState, now: datetime) -> tuple[ShownInstance, ...]:
    """The variant's instances, by the place's administration; where it has none, as many as DescribeEndpoint counts.

    Raises:
        LocalNotRunning: the embedded AWS has ended.
    """
    if wb.administer is None:
        return counted(variant)
    told = wb.administer("GET", "instances", {"region": wb.region, "endpoint": wb.endpoint_name})
    return tuple(_told(one, now) for one in told if one["variant"] == variant.name)


def glance(wb: Workbook, variant: VariantState, last: FleetState, load: Load | None) -> FleetState:
    """The fleet again: with the calls as they are now, and the instances where asking for them costs nothing."""
    instances = last.instances if wb.administer is None else read_instances(wb, variant, wb.now())
    return replace(last, instances=instances, calls=load.ongoing() if load else ())


def limit_ms(wb: Workbook) -> float:
    """How far a call may be behind: as the ladder asks of the model's family, of Nova where that is not known."""
    try:
        family = wb.family
    except InvalidInput:
        family = NOVA
    return 1000 * family.presets["strict"].lag_s


def counted(variant: VariantState) -> tuple[ShownInstance, ...]:
    """As many instances as are running or coming, by type where that is told."""
    types = [name for name, count in variant.instances_by_type.items() for _ in range(count)]
    types += [""] * (variant.running - len(types))
    serving = tuple(ShownInstance(phase=SERVING, instance_type=name) for name in types[: variant.running])
    coming = max(variant.desired - variant.running, 0)
    waits = any("waiting" in text.lower() for text in variant.status)
    return serving + (ShownInstance(phase=REQUESTED if waits else STARTING),) * coming


def money(
    instances: Sequence[tuple[float, ...]], usd_per_hour: float | None, *, end_s: float, window_s: float
) -> Mapping[str, Any]:
    """`FleetState`'s money, from (time, desired, running) at each change and the price of those that run now."""
    rows = [(max(row[0], end_s - window_s), *row[1:]) for row in instances if isfinite(row[2])]
    if not rows:
        return {"usd_per_hour": usd_per_hour}
    most = int(max(row[2] for row in rows))
    each = usd_per_hour / rows[-1][2] if usd_per_hour and rows[-1][2] else None
    if each is None:
        return {"usd_per_hour": usd_per_hour, "most": most}
    stretches = pairwise([*rows, (end_s, 0.0, 0.0)])
    hours = sum((later[0] - row[0]) * row[2] for row, later in stretches) / 3600
    return {
        "usd_per_hour": usd_per_hour,
        "most": most,
        "always_usd_per_hour": each * most,
        "spent_usd": each * hours,
        "always_usd": each * most * (end_s - rows[0][0]) / 3600,
    }


def _told(one: Mapping[str, Any], now: datetime) -> ShownInstance:
    return ShownInstance(
        phase=_PHASES[one["phase"]],
        instance_id=one["id"],
        instance_type=one["type"],
        version=one["model_package_arn"].rpartition("/")[2],
        age_s=max(now.timestamp() - one["since_s"], 0.0),
        requests=tuple(one["requests"]),
    )
