"""Instances from what an operator knows: calls an hour, how long they last, how many may find a full instance.

What the fleet shares depends on the routing (`simulate.fixed_fleet.pools_of`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.applying import bounds_for
from dgsm_helpers.planning.calibrating import model_for
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.rules.fleet import LEAST_OUTSTANDING_REQUESTS, RANDOM
from dgsm_helpers.session import Workbook
from dgsm_helpers.simulate.fixed_fleet import (
    crowded_share,
    erlang_b,
    erlang_c,
    full_share_of,
    least_instances,
    mean_wait_s,
    pools_of,
    simulated_full_share,
)
from dgsm_helpers.simulate.traffic import DAY_S, Traffic

_HOUR_S = 3600.0
MOST_ERLANGS = 10_000.0
"""More streams at once than this are no endpoint's."""
_SIMULATED_CALLS = 200_000


@dataclass(frozen=True, kw_only=True)
class SizedFleet:
    """A fleet of fixed size under one routing; shares are of all calls, from 0 to 1.

    Args:
        routing: RANDOM or LEAST_OUTSTANDING_REQUESTS.
        instances: as many as are needed, and no more.
        pools: how many pools of places the fleet falls into: 1, or one for each instance.
        full_share: calls that find no place, if such a call is refused (Erlang B).
        simulated_share: the same, of simulated calls routed one by one.
        waiting_share: calls that wait, if they wait for a place (Erlang C).
        wait_s: mean wait over all calls.
        crowded_share: calls that come to a fleet without a place, if none is refused: they go beyond the knee.
    """

    routing: str
    instances: int
    pools: int
    full_share: float
    simulated_share: float
    waiting_share: float
    wait_s: float
    crowded_share: float


@dataclass(frozen=True, kw_only=True, repr=False)
class Sizing(Table):
    """How many instances carry so many calls. ``fleets`` are those of the endpoint's routing and of the other one.

    ``most`` is the most instances that the endpoint may have, None when that is not known.
    """

    calls_per_hour: float
    call_s: float
    full_share: float
    instance: Measured
    fleets: tuple[SizedFleet, SizedFleet]
    most: int | None = None

    _columns: ClassVar[tuple[str, ...]] = (
        "routing",
        "instances",
        "pooled",
        "find it full (Erlang B)",
        "simulated",
        "or wait (Erlang C)",
        "mean wait",
        "or none refused",
        "cost",
    )

    @property
    def erlangs(self) -> float:
        """Streams at once, on average."""
        return self.calls_per_hour * self.call_s / _HOUR_S

    @property
    def instances(self) -> int:
        """Instances that are needed with the endpoint's routing."""
        return self.fleets[0].instances

    @property
    def fits(self) -> bool:
        """Whether the endpoint may have that many."""
        return self.most is None or self.instances <= self.most

    def to_dict(self) -> dict[str, Any]:
        """For JSON; an infinite wait is null."""
        return {
            "instances": self.instances,
            "fits": self.fits,
            "max_capacity": self.most,
            "calls_per_hour": self.calls_per_hour,
            "call_s": self.call_s,
            "full_percent": 100 * self.full_share,
            "erlangs": self.erlangs,
            "knee_streams": self.instance.knee,
            "instance_type": self.instance.instance_type,
            "fleets": [
                {
                    "routing": fleet.routing,
                    "instances": fleet.instances,
                    "pools": fleet.pools,
                    "places": fleet.instances * self.instance.knee,
                    "full_percent_erlang_b": 100 * fleet.full_share,
                    "full_percent_simulated": 100 * fleet.simulated_share,
                    "waiting_percent_erlang_c": 100 * fleet.waiting_share,
                    "mean_wait_s": fleet.wait_s if math.isfinite(fleet.wait_s) else None,
                    "crowded_percent": 100 * fleet.crowded_share,
                    "usd_per_hour": self._usd(fleet),
                }
                for fleet in self.fleets
            ],
        }

    def _usd(self, fleet: SizedFleet) -> float | None:
        amount = self.instance.price.amount_usd
        return None if amount is None else amount * fleet.instances

    def __repr__(self) -> str:
        return f"<Sizing: {self.instances} instances for {self.erlangs:.4g} erlangs>"

    def _caption(self) -> str:
        return (
            f"{self.calls_per_hour:g} calls an hour of {self.call_s:g} s are {self.erlangs:.4g} streams at once on "
            f"average. For at most {self.full_share:.3%} to find a full instance: {self.instances} "
            f"{self.instance.instance_type}, of {self.instance.knee} streams each."
        )

    def _rows(self) -> Sequence[Sequence[object]]:
        knee = self.instance.knee
        return [
            (
                f.routing,
                f.instances,
                f"{f.instances * knee} places" if f.pools == 1 else f"{f.pools} times {knee} places",
                f"{f.full_share:.3%}",
                f"{f.simulated_share:.3%}",
                f"{f.waiting_share:.2%}",
                f"{f.wait_s:.2f} s" if math.isfinite(f.wait_s) else "without end",
                f"{f.crowded_share:.2%}",
                "?" if (usd := self._usd(f)) is None else f"${usd:.2f}/h",
            )
            for f in self.fleets
        ]

    def _notes(self) -> Sequence[str]:
        notes = [
            "What is pooled: a new stream, by its routing. LEAST_OUTSTANDING_REQUESTS finds a full instance only when "
            "all are full; RANDOM may choose a full one beside an empty one. A stream that has begun stays where it is "
            "until it ends: an instance that is added takes new calls only.",
            "Erlang B is for callers who are refused and go away, Erlang C for those who wait. Where nothing refuses "
            "them, the calls of `or none refused` go beyond the knee and all of that instance lags.",
            "Calls are taken to begin at random, at this rate throughout: give the busiest hour. A fleet that scales "
            "needs so many as its maximum, and as a minimum before that hour (dgsm plan, dgsm forecast).",
        ]
        if not self.fits:
            notes.append(
                f"The endpoint may have {self.most} instances: raise its maximum, or {self._share_at_most():.2%} of "
                "calls find a full instance."
            )
        return notes

    def _share_at_most(self) -> float:
        return full_share_of(self.fleets[0].routing, self.most or 0, self.instance.knee, self.erlangs)


def size(
    instance: Measured,
    *,
    calls_per_hour: float,
    call_s: float,
    full_share: float,
    routing: str,
    most: int | None = None,
    seed: int = 0,
) -> Sizing:
    """The least instances on which at most ``full_share`` of the calls find a full one.

    Args:
        instance: what one carries; it is full at its knee.
        calls_per_hour: that begin in the busiest hour.
        call_s: their mean length in seconds.
        full_share: share of calls that may find a full instance, above 0 and below 1.
        routing: the endpoint's; the other one is worked out beside it.
        most: instances that the endpoint may have, if that is known.
        seed: of the simulated calls.

    Raises:
        InvalidInput: a number that is not above zero, a share outside its range, or more calls than an endpoint takes.
    """
    if not 0 < calls_per_hour < math.inf:
        raise InvalidInput(f"The calls of an hour must be above zero, not {calls_per_hour}.")
    if not 0 < call_s <= DAY_S:
        raise InvalidInput(
            f"A call must last longer than zero and at most a day, not {call_s} s.", hint="Give seconds."
        )
    if not 0 < full_share < 1:
        raise InvalidInput(
            f"A share of {full_share:.4g} of the calls cannot be asked for.",
            hint="Give more than 0 and less than 100 %.",
        )
    erlangs = calls_per_hour * call_s / _HOUR_S
    if erlangs > MOST_ERLANGS:
        raise InvalidInput(
            f"{calls_per_hour:g} calls an hour of {call_s:g} s are {erlangs:.4g} streams at once; at most "
            f"{MOST_ERLANGS:g} can be sized.",
            hint="Give the length in seconds, not milliseconds.",
        )
    other = RANDOM if routing == LEAST_OUTSTANDING_REQUESTS else LEAST_OUTSTANDING_REQUESTS
    sized = partial(_sized, knee=instance.knee, erlangs=erlangs, call_s=call_s, full_share=full_share, seed=seed)
    return Sizing(
        calls_per_hour=calls_per_hour,
        call_s=call_s,
        full_share=full_share,
        instance=instance,
        fleets=(sized(routing), sized(other)),
        most=most,
    )


def size_for(
    wb: Workbook, instance: Measured, *, calls_per_hour: float, call_s: float, full_share: float, seed: int = 0
) -> Sizing:
    """`size` with the routing and the maximum of the workbook's endpoint, or as it would be deployed."""
    return size(
        instance,
        calls_per_hour=calls_per_hour,
        call_s=call_s,
        full_share=full_share,
        routing=model_for(wb).model.routing,
        most=bounds_for(wb)["max_capacity"],
        seed=seed,
    )


def busiest_hour(traffic: Traffic) -> tuple[float, float]:
    """Most calls that begin within an hour of a clock that starts with the traffic, and their mean length in seconds.

    Traffic of less than an hour counts at its rate. Calls in progress when it begins are not among those of its first
    hour; where no other begins, they are all that is known.

    Raises:
        InvalidInput: the traffic has no calls.
    """
    if not traffic.sessions:
        raise InvalidInput(f"Traffic {traffic.name!r} has no streams.", hint="Choose a busier period, or a shape.")
    first = traffic.in_progress if traffic.in_progress < traffic.sessions else 0
    hours, durations_s = traffic.starts_s[first:] // _HOUR_S, traffic.durations_s[first:]
    begun = np.bincount(hours.astype(int))
    lengths = durations_s[hours == begun.argmax()]
    return float(begun.max()) / min(1.0, traffic.horizon_s / _HOUR_S), float(lengths.mean())


def _sized(routing: str, *, knee: int, erlangs: float, call_s: float, full_share: float, seed: int) -> SizedFleet:
    instances = least_instances(routing, knee, erlangs, full_share)
    pools, places, share = pools_of(routing, instances, knee, erlangs)
    return SizedFleet(
        routing=routing,
        instances=instances,
        pools=pools,
        full_share=erlang_b(places, share),
        simulated_share=simulated_full_share(
            instances=instances,
            places=knee,
            routing=routing,
            erlangs=erlangs,
            call_s=call_s,
            seed=seed,
            # Routing looks at every instance, so that a large fleet takes longer for each call.
            calls=min(_SIMULATED_CALLS, max(20_000, 20_000_000 // instances)),
        ),
        waiting_share=erlang_c(places, share),
        wait_s=mean_wait_s(places, share, mean_s=call_s),
        crowded_share=crowded_share(places, share),
    )
