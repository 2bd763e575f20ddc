"""What one instance carries: from the newest measurement, or as the user says. Never a default."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgsm_helpers import state as evidence
from dgsm_helpers.aws.core.money import price_per_hour
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.conditions import Capacity, Conditions


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An instance's capacity and price; ``source`` says where the capacity comes from, ``notes`` what to doubt.

    ``unit`` is what it counts. Calls speak for the share ``duty`` of their time, ``characters_per_s`` in all at the
    knee.
    """

    capacity: Capacity
    instance_type: str
    source: str
    price: Price
    notes: tuple[str, ...] = ()
    unit: str = "streams"
    duty: float = 0.0
    characters_per_s: float = 0.0

    @property
    def knee(self) -> int:
        return self.capacity.knee

    @property
    def usd_per_hour(self) -> dict[str, float] | None:
        """Price by instance type as the simulator takes it; None when it is not known."""
        return None if self.price.amount_usd is None else {self.instance_type: self.price.amount_usd}

    def conditions(self, model: ScalingModel, *, seed: int = 0) -> Conditions:
        return Conditions(capacity=self.capacity, model=model, usd_per_hour=self.usd_per_hour, seed=seed)

    def _of_calls(self) -> list[str]:
        if not self.duty:
            return []
        return [
            f"It holds for calls that speak {self.duty:.0%} of their time: {self.characters_per_s * 3600:,.0f} "
            "characters an hour at the knee. Of calls that speak more, fewer are sustained: measure those.",
        ]

    def __str__(self) -> str:
        lines = [
            f"One {self.instance_type} sustains {self.knee} {self.unit} ({self.source}).",
            *self._of_calls(),
            f"Price: {self.price}, without the Marketplace software fee.",
            *self.notes,
        ]
        return "\n".join(lines)


def measured(wb: Workbook, *, knee: int | None = None, instance_type: str | None = None) -> Measured:
    """The capacity of one instance: ``knee`` when given, else the newest measurement of the workbook's endpoint.

    Args:
        knee: streams that one instance sustains, when it is known from elsewhere.
        instance_type: that it holds for; default: the type that was measured, the endpoint's preferred one, or
            the first of the listing's default pool.

    Raises:
        NotReady: nothing was measured and no ``knee`` is given; nothing is assumed in its place.
        InvalidInput: a knee below one, or a type other than the one that was measured.
    """
    if knee is not None:
        chosen = instance_type or _preferred_type(wb)
        price, source = price_per_hour(wb, chosen), "as given, not measured here"
        unit = wb.family.unit
        return Measured(capacity=Capacity(knee=knee), instance_type=chosen, source=source, price=price, unit=unit)
    taken = evidence.newest(wb)
    if taken is None:
        raise NotReady(
            f"How many {wb.family.unit} one instance of {wb.endpoint_name!r} sustains has not been measured.",
            hint=f"Measure it (03_tune, or dgsm tune {wb.endpoint_name}), or give a knee (--knee N).",
        )
    chosen = taken["fingerprint"]["instance_type"] or _preferred_type(wb)
    if instance_type not in (None, chosen):
        raise InvalidInput(
            f"Capacity was measured on {chosen}, not on {instance_type}.",
            hint="Measure that type, or give its knee.",
        )
    bound = f"{taken['infeasible_min']} fail" if taken["infeasible_min"] else "its end was not reached"
    return Measured(
        capacity=_capacity(taken),
        instance_type=chosen,
        source=f"measured {taken['measured_at'][:10]}, effort {taken['effort']}, {bound}",
        price=price_per_hour(wb, chosen),
        notes=_doubts(wb, taken["fingerprint"]),
        unit=taken["unit"],
        **_speech_at_the_knee(taken),
    )


def _speech_at_the_knee(taken: Mapping[str, Any]) -> dict[str, float]:
    """Duty and characters a second, where calls were measured: means over the valid holds at the knee."""
    holds = [h for r in taken["rungs"] if r["n"] == taken["feasible_max"] for h in r.get("holds", ()) if not h["void"]]
    if not holds or not all("duty" in hold for hold in holds):
        return {}
    return {name: sum(hold[name] for hold in holds) / len(holds) for name in ("duty", "characters_per_s")}


def _capacity(taken: Mapping[str, Any]) -> Capacity:
    """Knee and ladder; rungs whose results never came have no lag to show and are left out."""
    rungs = {r["n"]: r["lag_ms"]["p95"] for r in taken["rungs"] if r["verdict"] != "VOID"}
    usable = ((n, ms) for n, ms in sorted(rungs.items()) if isinstance(ms, int | float) and math.isfinite(ms))
    return Capacity(knee=taken["feasible_max"], rungs=tuple(usable))


def _doubts(wb: Workbook, fingerprint: Mapping[str, Any]) -> tuple[str, ...]:
    region, arn = fingerprint["region"], fingerprint["model_package_arn"]
    if region != wb.region:
        return (f"It was measured in {region}, this is {wb.region}: it may not hold here.",)
    if wb.model_package_arn and arn != wb.model_package_arn:
        return (f"It was measured with {arn}: it may not hold for {wb.model_package_arn}.",)
    return ()


def _preferred_type(wb: Workbook) -> str:
    types = EndpointReading(wb).instance_types if endpoint_state.find(wb) else ()
    return (types or wb.family.default_pool)[0]
