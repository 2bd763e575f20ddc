"""A single stream held by itself, before the ladder: what the streams of a rung are compared with."""

from __future__ import annotations

from dgsm_helpers.errors import MeasurementInvalid
from dgsm_helpers.load.ladder.criteria import Alone
from dgsm_helpers.load.ladder.rung import Hold
from dgsm_helpers.load.ladder.search import MAX_VOID, Measure
from dgsm_helpers.load.transport.workloads import Workload


def hold_alone(measure: Measure, hold_s: float) -> tuple[Hold, ...]:
    """A single stream held until a hold is not void; all that was held, the good one last.

    Raises:
        MeasurementInvalid: the client could not keep one stream.
    """
    holds: list[Hold] = []
    for _ in range(MAX_VOID):
        holds.append(measure(1, hold_s))
        if holds[-1].void is None:
            return tuple(holds)
    raise MeasurementInvalid(
        f"A single stream could not be measured: {holds[-1].void}",
        hint="Keep others off the endpoint; use a larger or quieter client machine.",
    )


def alone_of(hold: Hold, workload: Workload) -> Alone | None:
    """What a single stream showed; None when it broke, which the ladder will say again.

    Turns are counted only where every stream hears the same recording: others have other turns.
    """
    (stream,) = hold.streams
    if stream.error is not None:
        return None
    return Alone(
        ending_s=stream.ending_s,
        turns_per_s=stream.turns / hold.hold_s if workload.heard_by_all_alike else None,
        characters_per_s=stream.characters / stream.spoken_s if stream.spoken_s else None,
    )
