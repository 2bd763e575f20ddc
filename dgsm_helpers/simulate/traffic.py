"""Traffic as sessions: when each begins and how long it lasts.

A session is what a caller wants; the platform cuts it into streams of at most 30 minutes. Made traffic is random but
seeded; its sessions last an exponential time unless durations are given, so that a level of concurrency follows from
arrivals as in an M/M/infinity queue: ``expected arrivals = growth of the level + level / mean duration``.

Times are seconds from the start of the traffic. Only recorded traffic knows a date, in ``begin_s``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np

from dgsm_helpers.errors import InvalidInput

STEP_S = 10.0
"""Resolution of made traffic, the period of the high-resolution metric."""
DAY_S = 86_400.0
LONGEST_S = 92 * DAY_S
"""The longest traffic that is played, a quarter. What seems longer is mostly milliseconds taken for seconds."""
MOST_SESSIONS = 2_000_000
"""More than this would not fit beside itself into the memory of a small notebook instance."""

DATED_FROM_S = 1e9
"""Seconds from here on (2001) are Unix times; smaller ones count from a begin of their own."""

Level = Callable[[np.ndarray], np.ndarray]
"""Wanted concurrency by time (seconds, array in and out)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Traffic:
    """Sessions of one period.

    Args:
        name: what it is, for tables.
        starts_s: begin of each session, ascending, from 0 to below ``horizon_s``.
        durations_s: length of each, above zero; a session may outlast the horizon.
        horizon_s: length of the period, at most `LONGEST_S`.
        begin_s: Unix time of the begin, None where no date is known (made traffic).
        notes: what was left out or assumed when it was read, in sentences.
        in_progress: how many of its first sessions stand for those that had begun before the period.

    Raises:
        InvalidInput: times negative or not ascending, durations not above zero, lengths that differ; too long, or
            more than `MOST_SESSIONS`.
    """

    name: str
    starts_s: np.ndarray
    durations_s: np.ndarray
    horizon_s: float
    begin_s: float | None = None
    notes: tuple[str, ...] = ()
    in_progress: int = 0

    def __post_init__(self) -> None:
        starts, durations = np.asarray(self.starts_s, float), np.asarray(self.durations_s, float)
        object.__setattr__(self, "starts_s", starts)
        object.__setattr__(self, "durations_s", durations)
        if starts.shape != durations.shape or starts.ndim != 1:
            raise InvalidInput(f"Traffic {self.name!r} has {starts.size} starts and {durations.size} durations.")
        refuse_size(self.name, horizon_s=self.horizon_s, sessions=starts.size)
        _refuse_first(starts, ~np.isfinite(starts) | (starts < 0), self.name, "a start that is negative or no number")
        _refuse_first(starts, starts >= self.horizon_s, self.name, f"a start after its end at {self.horizon_s} s")
        _refuse_first(starts, np.diff(starts, prepend=0.0) < 0, self.name, "a start before the one above it")
        _refuse_first(
            durations, ~np.isfinite(durations) | (durations <= 0), self.name, "a duration that is not above zero"
        )

    @property
    def sessions(self) -> int:
        return int(self.starts_s.size)

    @property
    def midnight_utc_s(self) -> float:
        """Seconds from midnight UTC to the begin; 0 without a date, so that a shape's day begins at midnight."""
        return 0.0 if self.begin_s is None else self.begin_s % DAY_S

    def concurrency(self, step_s: float = STEP_S) -> np.ndarray:
        """Sessions in progress just before the end of each step; shape (steps,)."""
        edges = np.arange(1, int(self.horizon_s // step_s) + 1) * step_s
        ends = np.sort(self.starts_s + self.durations_s)
        begun, ended = np.searchsorted(self.starts_s, edges, "left"), np.searchsorted(ends, edges, "left")
        return begun - ended

    @property
    def summary(self) -> str:
        return (
            f"{self.sessions} session{'s' * (self.sessions != 1)} in {self.horizon_s / 3600:.4g} h, at most "
            f"{int(self.concurrency().max(initial=0))} at once, {self._busiest_hour():.3g} on average in the busiest "
            "hour"
        )

    def _busiest_hour(self) -> float:
        """Mean concurrency of the busiest hour, or of all where that is shorter."""
        minutes = self.concurrency(60.0)
        hour = min(60, minutes.size)
        sums = np.concatenate([[0.0], np.cumsum(minutes)])
        return float((sums[hour:] - sums[:-hour]).max(initial=0.0)) / hour if hour else 0.0

    def stream_seconds(self) -> float:
        """Seconds of streaming within the horizon, over all sessions."""
        return float(np.minimum(self.durations_s, self.horizon_s - self.starts_s).sum())


def refuse_size(name: str, *, horizon_s: float, sessions: float) -> None:
    """Refuse traffic that nobody can mean or no machine can play, before it is made.

    Raises:
        InvalidInput: a length of zero or below, or beyond `LONGEST_S`; more than `MOST_SESSIONS` sessions.
    """
    if not horizon_s > 0:
        raise InvalidInput(f"Traffic {name!r} must last longer than {horizon_s} s.")
    if horizon_s > LONGEST_S:
        raise InvalidInput(
            f"Traffic {name!r} lasts {horizon_s / DAY_S:.4g} days; at most {LONGEST_S / DAY_S:g} can be played.",
            hint="Give times in seconds, not milliseconds, or a shorter period.",
        )
    if not sessions <= MOST_SESSIONS:
        raise InvalidInput(
            f"Traffic {name!r} has about {sessions:.3g} sessions; at most {MOST_SESSIONS:,} can be played.",
            hint="Give a lower height or a shorter period.",
        )


def generator(seed: int, *use: int) -> np.random.Generator:
    """Random numbers of a seed of zero or more; numbers after it keep different uses of one seed apart."""
    if seed < 0:
        raise InvalidInput(f"A seed must not be negative, not {seed}.")
    return np.random.default_rng([seed, *use] if use else seed)


def _refuse_first(values: np.ndarray, wrong: np.ndarray, name: str, what: str) -> None:
    if wrong.any():
        index = int(np.argmax(wrong))
        raise InvalidInput(
            f"Traffic {name!r} has {what}: {values[index]} s in row {index + 1}.", hint="Correct or sort the rows."
        )


class Sampling(TypedDict, total=False):
    """How sessions are drawn from a level of concurrency: the last three arguments of `from_level`."""

    horizon_s: float
    mean_s: float
    seed: int


def constant(*, streams: float, **sampling: Unpack[Sampling]) -> Traffic:
    """About ``streams`` sessions at any time, from the first moment on."""
    return from_level("constant", lambda t: np.full_like(t, streams), **sampling)


def step(*, before: float, after: float, at_s: float, **sampling: Unpack[Sampling]) -> Traffic:
    """``before`` sessions, and from ``at_s`` on ``after``; downwards it follows as sessions end."""
    return from_level("step", lambda t: np.where(t >= at_s, after, before), **sampling)


def ramp(*, before: float, after: float, start_s: float, end_s: float, **sampling: Unpack[Sampling]) -> Traffic:
    """From ``before`` sessions at ``start_s`` to ``after`` at the later ``end_s`` in a straight line."""
    return from_level("ramp", lambda t: np.interp(t, (start_s, end_s), (before, after)), **sampling)


def diurnal(*, low: float, high: float, peak_s: float = 14 * 3600.0, **sampling: Unpack[Sampling]) -> Traffic:
    """A day's wave between ``low`` and ``high`` sessions with its peak at ``peak_s`` of every day."""

    def level(t: np.ndarray) -> np.ndarray:
        return low + (high - low) * (1 + np.cos(2 * np.pi * (t - peak_s) / DAY_S)) / 2

    return from_level("diurnal", level, **sampling)


def bursty(*, base: float, burst: float, every_s: float, burst_s: float, **sampling: Unpack[Sampling]) -> Traffic:
    """``base`` sessions, and ``burst`` for ``burst_s`` at random moments that are ``every_s`` apart on average."""
    horizon_s = sampling.get("horizon_s", DAY_S)
    refuse_size("bursty", horizon_s=horizon_s, sessions=0)
    rng = generator(sampling.get("seed", 0), 1)
    moments = np.cumsum(rng.exponential(every_s, size=int(horizon_s / every_s * 2) + 10))

    def level(t: np.ndarray) -> np.ndarray:
        last = np.searchsorted(moments, t, "right")
        since = t - np.where(last > 0, moments[np.maximum(last - 1, 0)], -np.inf)
        return np.where(since < burst_s, burst, base)

    return from_level("bursty", level, **sampling)


PRESETS = ("constant", "step", "ramp", "diurnal", "bursty")
"""Names that `preset` knows."""


def preset(name: str, *, peak: float, **sampling: Unpack[Sampling]) -> Traffic:
    """A shape by name, scaled to ``peak`` sessions at its height; what is low is a tenth of that.

    Step and ramp rise after a third of the horizon; bursts come every two hours and last ten minutes.

    Raises:
        InvalidInput: no such shape.
    """
    low, third_s = peak / 10, sampling.get("horizon_s", DAY_S) / 3
    match name:
        case "constant":
            return constant(streams=peak, **sampling)
        case "step":
            return step(before=low, after=peak, at_s=third_s, **sampling)
        case "ramp":
            return ramp(before=low, after=peak, start_s=third_s, end_s=2 * third_s, **sampling)
        case "diurnal":
            return diurnal(low=low, high=peak, **sampling)
        case "bursty":
            return bursty(base=low, burst=peak, every_s=7200.0, burst_s=600.0, **sampling)
    raise InvalidInput(f"There is no traffic shape {name!r}.", hint=f"Use one of {', '.join(PRESETS)}, or a file.")


def from_level(name: str, level: Level, *, horizon_s: float = DAY_S, mean_s: float = 300.0, seed: int = 0) -> Traffic:
    """Random sessions whose expected concurrency follows ``level``.

    It cannot fall faster than sessions end: downwards it lags by about ``mean_s``.

    Raises:
        InvalidInput: a level that is negative or no number, a mean duration that is not above zero, or traffic that
            is too long or too much (`refuse_size`).
    """
    refuse_mean(mean_s)
    refuse_size(name, horizon_s=horizon_s, sessions=0)
    rng = generator(seed)
    edges = np.arange(0.0, horizon_s, STEP_S)
    levels = np.asarray(level(edges), float)
    if not (np.isfinite(levels) & (levels >= 0)).all():
        raise InvalidInput(f"Traffic {name!r} has a level that is negative or no number (lowest: {levels.min():g}).")
    expected = _arrivals(levels, mean_s)
    refuse_size(name, horizon_s=horizon_s, sessions=expected.sum())
    arrivals = rng.poisson(expected)
    starts = np.sort(np.repeat(edges, arrivals) + rng.uniform(0, STEP_S, arrivals.sum()))
    starts = np.minimum(starts, np.nextafter(horizon_s, 0))
    return Traffic(
        name=name,
        starts_s=starts,
        durations_s=rng.exponential(mean_s, starts.size) + 1e-3,
        horizon_s=horizon_s,
        in_progress=int(arrivals[0]),
    )


def refuse_mean(mean_s: float) -> None:
    """Refuse (InvalidInput) a mean duration that is not above zero, or no number."""
    if not 0 < mean_s < np.inf:
        raise InvalidInput(f"The mean length of a stream must be above zero, not {mean_s} s.")


def _arrivals(levels: np.ndarray, mean_s: float) -> np.ndarray:
    """Expected arrivals of each step; where the level falls faster than sessions end, none until it is met again.

    Arrivals are spread over a step, so some have ended by its end: that share is the mean of what stays over a step.
    """
    steps = STEP_S / mean_s
    staying_share, arrived_share = np.exp(-steps), -np.expm1(-steps) / steps
    arrivals, present = np.empty_like(levels), 0.0
    for index, aim in enumerate(levels.tolist()):
        missing = max(0.0, aim - present * staying_share)
        arrivals[index] = missing / arrived_share
        present = present * staying_share + missing
    return arrivals
