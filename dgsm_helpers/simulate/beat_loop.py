"""The planner's loop over beats: streams begin and end, peaks are published, alarms are judged.

numba compiles these functions and keeps the machine code, so the module is imported only where something is simulated.
Nothing is decided in here: `run` stops after the beat in which an alarm changes its state, and `rules.target_tracking`
decides. What is kept knows only arrays in plain tuples: numba cannot even look at what an earlier release has kept if
that names a class which is gone. All that the machine code depends on stands in this file, by whose date numba sees
that it is out of date.

What the functions work on are arrays, most of them of records (`beat_records`): one a slot, a feed or an alarm.

A slot holds one instance at a time. One that takes no new streams (draining, or free for the next instance) has `AWAY`
added to its count and knee: routing passes over it, and the accounting of its streams goes on unchanged.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from dgsm_helpers.rules.alarms import AlarmStateName

AWAY = 1 << 40

STATES: tuple[AlarmStateName, ...] = ("INSUFFICIENT_DATA", "OK", "ALARM")
COMPARISONS = (">", ">=", "<", "<=")
TREAT_MISSING = ("missing", "notBreaching", "breaching", "ignore")
STATISTICS = ("Average", "Maximum", "Sum")
OVER_POOL = len(STATISTICS)
"""The statistic of a feed whose datapoints are metric math over the pool, which `rules.weighted_metrics` computes."""

_INSUFFICIENT_DATA, _OK, _ALARM, _AS_IT_WAS = 0, 1, 2, -1
_NOT_BREACHING, _BREACHING, _IGNORE = 1, 2, 3


class FleetArrays(NamedTuple):
    """What streams are played on.

    ``bounds`` to ``tick_s`` are the traffic's (`events.Events`); ``at_random`` routing, or to the least outstanding;
    ``zeros``: an instance without streams publishes a sample, too; ``hand_over``: callers are looked at after a beat
    of overload; ``slots`` (`SLOT`), the serving ones in ``order`` of age, the slot of every stream in ``slot_of`` (-1:
    none), ``totals``; and of every beat a row of ``beats`` and the most streams of every slot (-1: not serving).
    """

    bounds: np.ndarray
    codes: np.ndarray
    times_s: np.ndarray
    draws: np.ndarray
    tick_s: float
    at_random: bool
    zeros: bool
    hand_over: bool
    slots: np.ndarray
    order: np.ndarray
    slot_of: np.ndarray
    totals: np.ndarray
    beats: np.ndarray
    peaks: np.ndarray


class AlarmArrays(NamedTuple):
    """``feeds`` with their ``points`` (a row a feed, NaN: missing), ``alarms``, ``pool`` by type (may be empty)."""

    feeds: np.ndarray
    points: np.ndarray
    alarms: np.ndarray
    pool: np.ndarray


compiled = numba.njit(nogil=True)


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, kept for the next process where a place to keep it can be written to."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: no locator available
        return compiled(function)


@compiled
def _settle(totals, now_s):
    totals.over_s += totals.over * (now_s - totals.settled_s)
    totals.affected_s += totals.affected * (now_s - totals.settled_s)
    totals.settled_s = now_s


@compiled
def _least_outstanding(slots, order, totals):
    """The first of the serving slots with the fewest streams, as `rules.fleet.choose_instance`."""
    slot = order[0]
    count = slots[slot].count
    for place in range(1, totals.serving):
        if count <= totals.least:
            break
        other = order[place]
        if slots[other].count < count:
            slot, count = other, slots[other].count
    totals.least = count
    return slot


@compiled
def _play(first, last, fleet):
    slots, order, slot_of, totals = fleet.slots, fleet.order, fleet.slot_of, fleet.totals[0]
    for index in range(first, last):
        code = fleet.codes[index]
        if code >= 0:
            if fleet.at_random:
                slot = order[int(fleet.draws[code] * totals.serving)]
            else:
                slot = _least_outstanding(slots, order, totals)
            slot_of[code] = slot
            here = slots[slot]
            here.count += 1
            here.peak = max(here.peak, here.count)
            totals.streams += 1
            totals.opened += 1
            beyond = here.count - here.knee
            if beyond > 0:
                _settle(totals, fleet.times_s[index])
                totals.opened_above += 1
                totals.over += 1
                totals.affected += here.count if beyond == 1 else 1
        elif slot_of[~code] >= 0:
            here = slots[slot_of[~code]]
            beyond = here.count - here.knee
            if beyond > 0:
                _settle(totals, fleet.times_s[index])
                totals.over -= 1
                totals.affected -= here.count % AWAY if beyond == 1 else 1
            here.count -= 1
            totals.least = min(totals.least, here.count)
            totals.streams -= 1


@compiled
def _breaches(value, alarm):
    if alarm.comparison == 0:
        return value > alarm.threshold
    if alarm.comparison == 1:
        return value >= alarm.threshold
    if alarm.comparison == 2:
        return value < alarm.threshold
    return value <= alarm.threshold


@compiled
def _with_missing(points, length, alarm):
    """The state by the documented table for missing datapoints, as `rules.alarms.evaluate`."""
    real, breaching, oldest = 0, 0, 0
    for back in range(1, min(alarm.range, length) + 1):
        value = points[length - back]
        if np.isnan(value):
            continue
        oldest = back
        if real < alarm.periods:
            real += 1
            breaching += _breaches(value, alarm)
    lacking = alarm.periods - real
    met = breaching + (lacking if alarm.treat_missing == _BREACHING else 0)
    if met >= alarm.needed:
        return _ALARM
    if lacking == 0 or alarm.treat_missing in (_NOT_BREACHING, _BREACHING) or breaching < real:
        return _OK
    if alarm.treat_missing == _IGNORE:
        return _AS_IT_WAS
    return _ALARM if oldest >= alarm.needed else _INSUFFICIENT_DATA


@compiled
def _judge(points, length, alarm, now_s):
    """Let an alarm see the newest datapoint; whether its state changes. Without missing ones a count is enough."""
    value, gone, out = points[length - 1], length - 1 - alarm.periods, length - 1 - alarm.range
    alarm.missing += np.isnan(value)
    alarm.missing -= out < 0 or np.isnan(points[out])
    alarm.breaching += _breaches(value, alarm)
    if gone >= 0:
        alarm.breaching -= _breaches(points[gone], alarm)
    if alarm.missing == 0:
        state = _ALARM if alarm.breaching >= alarm.needed else _OK
    else:
        state = _with_missing(points, length, alarm)
    if state in (_AS_IT_WAS, alarm.state):
        return False
    alarm.state, alarm.since_s = state, now_s
    return True


@compiled
def _push(watch, number, value, now_s):
    feed, points, changed = watch.feeds[number], watch.points[number], False
    points[feed.length] = value
    feed.length += 1
    for index in range(len(watch.alarms)):
        alarm = watch.alarms[index]
        if alarm.feed == number and _judge(points, feed.length, alarm, now_s):
            changed = True
    return changed


@compiled
def _take(feed):
    """The datapoint of the period that ends, NaN without a sample; starts the next period."""
    value = np.nan
    if feed.publishing > 0:
        if feed.statistic == 0:
            value = feed.total / feed.publishing
        else:
            value = float(feed.top if feed.statistic == 1 else feed.total)
    feed.total = feed.publishing = feed.top = 0
    return value


@compiled
def _publish(tick, fleet, pool):
    """Write down the beat and the most streams of every slot in it, and start anew."""
    totals, beat, peaks = fleet.totals[0], fleet.beats[tick], fleet.peaks[tick]
    total, top, publishing = 0, -1, 0
    least = 0 if fleet.zeros else 1
    peaks[totals.slots :] = -1
    for slot in range(totals.slots):
        here = fleet.slots[slot]
        peaks[slot] = here.peak
        top = max(top, here.peak)
        if here.peak >= least:
            total += here.peak
            publishing += 1
            if len(pool):
                pool[here.rank].total += here.peak
                pool[here.rank].publishing += 1
        here.peak = -1 if here.count >= AWAY else here.count
    beat.total, beat.top, beat.publishing = total, top, publishing
    beat.streams, beat.serving, beat.slots, beat.over = totals.streams, totals.serving, totals.slots, totals.over
    return beat


@compiled
def _run(tick, stop, played, fleet, watch):
    changed = False
    while tick < stop and not changed:
        if not played:
            _play(fleet.bounds[tick], fleet.bounds[tick + 1], fleet)
        played = False
        beat = _publish(tick, fleet, watch.pool)
        tick += 1
        for number in range(len(watch.feeds)):
            feed = watch.feeds[number]
            feed.total += beat.total
            feed.publishing += beat.publishing
            feed.top = max(feed.top, beat.top)
            if tick % feed.ticks == 0 and feed.statistic != OVER_POOL:
                changed |= _push(watch, number, _take(feed), tick * fleet.tick_s)
        if fleet.hand_over and beat.over > 0:
            break
    return tick, changed


@_kept
def _kept_run(tick, stop, played, fleet, watch):
    return _run(tick, stop, played, FleetArrays(*fleet), AlarmArrays(*watch))


@_kept
def _kept_play(first, last, fleet):
    _play(first, last, FleetArrays(*fleet))


@_kept
def _kept_push(watch, number, value, now_s):
    return _push(AlarmArrays(*watch), number, value, now_s)


@_kept
def _kept_settle(totals, now_s):
    _settle(totals[0], now_s)


def run(tick: int, stop: int, played: bool, fleet: FleetArrays, watch: AlarmArrays) -> tuple[int, bool]:
    """Play whole beats from ``tick`` on, to before ``stop`` or until after one in which an alarm changes its state.

    ``played``: the events of the first beat have been played. Gives the next beat, and whether an alarm has changed.
    """
    return _kept_run(tick, stop, played, tuple(fleet), tuple(watch))


def play(first: int, last: int, fleet: FleetArrays) -> None:
    """Begin and end the streams of the events from ``first`` to before ``last``."""
    _kept_play(first, last, tuple(fleet))


def push(watch: AlarmArrays, number: int, value: float, now_s: float) -> bool:
    """Give a feed its next datapoint (NaN: missing) and judge its alarms; whether any changes its state."""
    return _kept_push(tuple(watch), number, value, now_s)


def settle(fleet: FleetArrays, now_s: float) -> None:
    """Sum up the seconds beyond the knees until now."""
    _kept_settle(fleet.totals, now_s)
