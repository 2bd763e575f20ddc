"""The planner's loop over beats: streams begin and end, peaks are published, alarms are judged.

Nothing is decided in here: `run` stops after the beat in which an alarm changes its state, and `rules.target_tracking`
decides. What the functions work on are arrays, most of them of records (`beat_records`): one a slot, a feed or an
alarm. They are handed over in plain tuples (`machine_code`).

A slot holds one instance at a time. One that takes no new streams (draining, or free for the next instance) has `AWAY`
added to its count and knee: routing passes over it, and the accounting of its streams goes on unchanged.
"""

from typing import NamedTuple

import numpy as np

from dgsm_helpers.simulate.machine_code import compiled, kept

AWAY = 1 << 40

_INSUFFICIENT_DATA, _OK, _ALARM, _AS_IT_WAS = 0, 1, 2, -1  # places of the words in `beat_records`
_NOT_BREACHING, _BREACHING, _IGNORE = 1, 2, 3
_AVERAGE, _MAXIMUM, _OVER_POOL = 0, 1, 3


class FleetArrays(NamedTuple):
    """What streams are played on.

    ``bounds`` to ``tick_s`` are the traffic's (`events.Events`); ``at_random`` routing, or to the least outstanding;
    ``zeros``: an idle instance publishes a sample, too; ``reopen``: callers whose stream is cut open it again;
    ``hand_over``: callers are looked at after a beat of overload; ``slots``, the serving ones in ``order`` of age, the
    slot of every stream in ``slot_of`` (-1: none), ``totals``; and of every beat a row of ``beats`` and the most
    streams of every slot (-1: not serving).
    """

    bounds: np.ndarray
    starts_s: np.ndarray
    ends_s: np.ndarray
    ending: np.ndarray
    draws: np.ndarray
    tick_s: float
    at_random: bool
    zeros: bool
    reopen: bool
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


@compiled
def _settle(totals, now_s):
    totals.over_s += totals.over * (now_s - totals.settled_s)
    totals.affected_s += totals.affected * (now_s - totals.settled_s)
    totals.settled_s = now_s


@compiled
def _routed(stream, fleet):
    """The slot that a stream begins on: any, or the first with the fewest streams, as `rules.fleet.choose_instance`."""
    slots, order, totals = fleet.slots, fleet.order, fleet.totals[0]
    if fleet.at_random:
        return order[int(fleet.draws[stream] * totals.serving)]
    slot, count = order[0], slots[order[0]].count
    for place in range(1, totals.serving):
        if count <= totals.least:
            break
        other = order[place]
        if slots[other].count < count:
            slot, count = other, slots[other].count
    totals.least = count
    return slot


@compiled
def _begin(stream, slot, now_s, fleet):
    totals, here = fleet.totals[0], fleet.slots[slot]
    fleet.slot_of[stream] = slot
    here.count += 1
    here.peak = max(here.peak, here.count)
    totals.streams += 1
    totals.opened += 1
    beyond = here.count - here.knee
    if beyond > 0:
        _settle(totals, now_s)
        totals.opened_above += 1
        totals.over += 1
        totals.affected += here.count if beyond == 1 else 1


@compiled
def _finish(stream, now_s, fleet):
    """End a stream, unless it was cut."""
    slot = fleet.slot_of[stream]
    if slot < 0:
        return
    totals, here = fleet.totals[0], fleet.slots[slot]
    beyond = here.count - here.knee
    if beyond > 0:
        _settle(totals, now_s)
        totals.over -= 1
        totals.affected -= here.count % AWAY if beyond == 1 else 1
    here.count -= 1
    totals.least = min(totals.least, here.count)
    totals.streams -= 1


@compiled
def _play(tick, fleet):
    """Begin and end the streams of a beat; ends come first at the same moment."""
    begun, ended = fleet.bounds[tick]
    to_begin, to_end = fleet.bounds[tick + 1]
    while begun < to_begin or ended < to_end:
        end_s = fleet.ends_s[fleet.ending[ended]] if ended < to_end else np.inf
        if begun == to_begin or end_s <= fleet.starts_s[begun]:
            _finish(fleet.ending[ended], end_s, fleet)
            ended += 1
        else:
            _begin(begun, _routed(begun, fleet), fleet.starts_s[begun], fleet)
            begun += 1


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
    if breaching + (lacking if alarm.treat_missing == _BREACHING else 0) >= alarm.needed:
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
    value = float(feed.top if feed.statistic == _MAXIMUM else feed.total)
    if feed.publishing == 0:
        value = np.nan
    elif feed.statistic == _AVERAGE:
        value = feed.total / feed.publishing
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


@kept
def run(tick, stop, played, fleet_arrays, alarm_arrays):
    """Play whole beats from ``tick`` on, to before ``stop`` or until after one in which an alarm changes its state.

    ``played``: the events of the first beat have been played. Gives the next beat, and whether an alarm has changed.
    """
    fleet, watch, changed = FleetArrays(*fleet_arrays), AlarmArrays(*alarm_arrays), False
    while tick < stop and not changed:
        if not played:
            _play(tick, fleet)
        played = False
        beat = _publish(tick, fleet, watch.pool)
        tick += 1
        for number in range(len(watch.feeds)):
            feed = watch.feeds[number]
            feed.total += beat.total
            feed.publishing += beat.publishing
            feed.top = max(feed.top, beat.top)
            if tick % feed.ticks == 0 and feed.statistic != _OVER_POOL:
                changed |= _push(watch, number, _take(feed), tick * fleet.tick_s)
        if fleet.hand_over and beat.over > 0:
            break
    return tick, changed


@kept
def play(tick, fleet_arrays):
    """Begin and end the streams of a beat."""
    _play(tick, FleetArrays(*fleet_arrays))


@kept
def empty(slot, first, last, now_s, fleet_arrays):
    """Cut the streams on a withdrawn slot, all of them from ``first`` to before ``last``; how many had not ended."""
    fleet, lost = FleetArrays(*fleet_arrays), 0
    totals, here = fleet.totals[0], fleet.slots[slot]
    _settle(totals, now_s)
    if here.count > here.knee:
        totals.over -= here.count - here.knee
        totals.affected -= here.count % AWAY
    here.count = AWAY
    for stream in range(first, last):
        # Those that end at this very moment are still on it: their ends have not been played.
        if fleet.slot_of[stream] == slot and fleet.ends_s[stream] >= now_s:
            fleet.slot_of[stream] = -1
            totals.streams -= 1
            if fleet.ends_s[stream] > now_s:
                lost += 1
                if fleet.reopen:
                    _begin(stream, _routed(stream, fleet), now_s, fleet)
    return lost


@kept
def move(stream, slot, now_s, fleet_arrays):
    """Put a stream on another slot."""
    fleet = FleetArrays(*fleet_arrays)
    _finish(stream, now_s, fleet)
    _begin(stream, slot, now_s, fleet)
    fleet.totals[0].opened -= 1  # it is no new call


@kept
def push(alarm_arrays, number, value, now_s):
    """Give a feed its next datapoint (NaN: missing) and judge its alarms; whether any changes its state."""
    return _push(AlarmArrays(*alarm_arrays), number, value, now_s)
