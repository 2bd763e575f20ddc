"""From measured capacity to the policy's TargetValue.

Two rules side by side. The guide: 70-80 % of what one instance sustains. Time: while new streams keep coming, scaling
takes effect only after detection and provisioning; until then the running instances have to take them, so with ``n``
instances, knee ``K`` and ``growth`` streams per second over ``lag`` seconds, ``n * (K - target) >= growth * lag``.
"""

from dataclasses import dataclass

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.guide import DETECTION_S, GUIDE_HIGH, GUIDE_LOW, PROVISIONING_S


@dataclass(frozen=True)
class TargetValue:
    """A TargetValue with its derivation; all in concurrent requests per instance.

    ``value`` is in the alarm's units (``client_value`` times the measured ratio of the server's count to the client's).
    ``guide_low`` and ``guide_high`` are 70 and 80 % of the knee, ``time_based`` what the growth leaves room for (may be
    negative: then no target is safe at this growth). ``binds`` is the rule that decided; ``feasible`` is False when the
    time rule cannot be met even with a target of one.
    """

    value: float
    client_value: float
    knee: int
    guide_low: float
    guide_high: float
    time_based: float
    binds: str
    feasible: bool
    headroom: float
    instances: int
    growth_per_min: float
    lag_s: float
    server_per_client: float
    unit: str = "streams"

    @property
    def explanation(self) -> str:
        """The derivation in words."""
        text = f"{self.headroom:.0%} of {self.knee} {self.unit} is {self.headroom * self.knee:.1f}. "
        return text + self._time_rule() + self._alarm_units()

    def _time_rule(self) -> str:
        if self.growth_per_min == 0:
            return "No growth was given, so the guide's rule decides."
        arriving = self.growth_per_min / 60 * self.lag_s
        text = (
            f"{self.growth_per_min:g} new {self.unit} a minute over {self.lag_s:.0f} s of detection and provisioning "
            f"are {arriving:.1f} {self.unit} on {self.instances} instance{'s' * (self.instances > 1)}, which leaves "
            f"{self.time_based:.1f}. "
        )
        if not self.feasible:
            return text + "No target is low enough for that: run more instances from the start (MinCapacity, schedule)."
        return text + ("Time decides." if self.binds == "time" else "The guide's rule decides.")

    def _alarm_units(self) -> str:
        if self.server_per_client == 1.0:
            return ""
        return (
            f" The endpoint counted {self.server_per_client:g} requests per {self.unit.removesuffix('s')} held: "
            f"{self.value:g} in its units."
        )


def derive_target(
    knee: int,
    *,
    instances: int = 1,
    growth_per_min: float = 0.0,
    headroom: float = GUIDE_HIGH,
    server_per_client: float = 1.0,
    unit: str = "streams",
) -> TargetValue:
    """The largest target that both rules allow.

    Args:
        knee: streams that one instance sustains (``feasible_max``).
        instances: how many run when growth sets in.
        growth_per_min: new streams per minute, net of those that end, over the time that scaling takes.
        headroom: share of the knee that the guide's rule allows; the guide says 0.7-0.8.
        server_per_client: ConcurrentRequestsPerModel per stream held (measured: the ladder's gauge).
        unit: what was counted, for the words.

    Raises:
        InvalidInput: a knee or instance count below 1, or a negative growth or ratio, or headroom outside 0-1.
    """
    for name, count in (("knee", knee), ("instances", instances)):
        if count < 1:
            raise InvalidInput(f"{name}={count} has to be at least 1.")
    if growth_per_min < 0 or server_per_client <= 0 or not 0 < headroom <= 1:
        raise InvalidInput("Growth may not be negative, the ratio not zero, and headroom lies in 0-1.")
    lag_s = DETECTION_S + PROVISIONING_S
    time_based = knee - growth_per_min / 60 * lag_s / instances
    guide = headroom * knee
    client_value = min(guide, time_based)
    binds = "time" if time_based < guide else "guide"
    feasible = time_based >= 1
    client_value = max(client_value, 1.0)
    value = _rounded(client_value * server_per_client)
    return TargetValue(
        value=value,
        client_value=client_value,
        knee=knee,
        guide_low=GUIDE_LOW * knee,
        guide_high=GUIDE_HIGH * knee,
        time_based=time_based,
        binds=binds,
        feasible=feasible,
        headroom=headroom,
        instances=instances,
        growth_per_min=growth_per_min,
        lag_s=lag_s,
        server_per_client=server_per_client,
        unit=unit,
    )


def _rounded(value: float) -> float:
    """Down to one decimal: never above what was derived."""
    return max(int(value * 10 + 1e-9) / 10, 0.1)
