"""What scaling did for callers, in a sentence and a table: before, at the peak, after; and what no scaling would do.

Pure: from the endpoint's concurrency and instances, and the lag that callers had, if somebody measured it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dgsm_helpers.aws.core.tables import Table, html_table
from dgsm_helpers.aws.watch.observe import counts_at

if TYPE_CHECKING:
    import pandas as pd

_BUSY = 0.75
"""Of the calls at the peak: with fewer it is no longer seen what the instances that came are good for."""
_CALM = 0.9
"""Of the target: below it target tracking scales in."""
_IN_TIME_MS = 500.0
"""The lag that the ladder's strict criteria allow."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """So many ``calls`` at once on ``instances``; their results ``lag_ms`` behind (p95), None where nobody measured."""

    calls: int
    instances: int
    lag_ms: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class ScalingStory(Table):
    """How an endpoint scaled out under load, and back.

    ``peak`` is when each instance had the most to do; ``after`` when the text had caught up with the voice or, where
    nobody measured that, when the instances that came served as many calls; ``end`` how it ended. ``most`` instances
    served at once. It took ``hours``, in which ``instance_hours`` ran. ``usd_per_hour`` is the price of one instance,
    ``knee`` the calls that one sustains; None where that is not known.
    """

    before: Moment
    peak: Moment
    after: Moment
    end: Moment
    most: int
    hours: float
    instance_hours: float
    usd_per_hour: float | None = None
    knee: int | None = None

    _columns: ClassVar[tuple[str, ...]] = ("", "before", "at the peak", "scaled out", "at the end")

    @classmethod
    def of(
        cls,
        concurrency: pd.DataFrame,
        instances: pd.DataFrame,
        *,
        target_value: float | None,
        lag_p95_ms: Iterable[tuple[datetime, float]] = (),
        lag_before_ms: float | None = None,
        usd_per_hour: float | None = None,
        knee: int | None = None,
    ) -> Self | None:
        """The story of the newest time that the endpoint had the most instances; None when it did not scale out.

        Args:
            concurrency: ``concurrency_mean_streams`` by time (``read_metrics(wb).concurrency``).
            instances: ``running_instances`` by time, each count valid until the next (``observe.instances``).
            target_value: calls an instance; None where it is not known.
            lag_p95_ms: lag of callers' results by time (`CallsHeld`).
            lag_before_ms: before the rise; the first of ``lag_p95_ms`` may come when it has begun.
        """
        import pandas as pd

        load = concurrency["concurrency_mean_streams"].dropna()
        if load.empty or instances.empty:
            return None
        begin, close = load.index[0], load.index[-1]
        counts = counts_at(instances, load.index)
        counts = counts[(counts.index >= begin) & (counts.index <= close)]
        most = int(counts.max())
        reached = counts.index[counts == most][0]
        if counts[:reached].min() == most:
            return None
        rising = load[:reached]
        peak_at = rising.idxmax()
        calls = load * counts.reindex(load.index)
        if calls.max() <= 0:
            return None
        calm = rising[:peak_at][rising[:peak_at] < (_CALM * target_value if target_value else rising.max() / 2)]
        before_at = calm.index[-1] if len(calm) else begin
        ended = calls[calls > 0].index[-1]
        lags = list(lag_p95_ms)
        times = pd.DatetimeIndex([at for at, _ in lags]).tz_convert("UTC") if lags else load.index[:0]
        lag = pd.Series([ms for _, ms in lags], index=times, dtype=float).sort_index()[before_at:]
        worst_ms = None if lag.empty else float(lag.max())
        caught_up = lag[lag.idxmax() :][lambda ms: ms <= _IN_TIME_MS].index if worst_ms else times[:0]
        busy = calls[reached:][lambda count: count >= _BUSY * calls[peak_at]]
        # As soon as the text has caught up, callers may leave.
        until = caught_up[0] if len(caught_up) else close
        if busy[:until].empty and not len(caught_up):
            return None
        after_at = busy[:until].index[-1] if not busy[:until].empty else calls[:until].index[-1]

        def moment(at: pd.Timestamp, lag_ms: float | None) -> Moment:
            return Moment(calls=round(float(calls[at])), instances=int(counts[at]), lag_ms=lag_ms)

        hours = [(two - one).total_seconds() / 3600 for one, two in pairwise(counts.index)]
        return cls(
            before=moment(before_at, lag_before_ms),
            peak=moment(peak_at, worst_ms),
            after=moment(after_at, float(lag[caught_up[0]]) if len(caught_up) else _newest(lag[:after_at])),
            end=moment(ended, _newest(lag[:ended])),
            most=most,
            hours=sum(hours),
            instance_hours=sum(h * n for h, n in zip(hours, counts, strict=False)),
            usd_per_hour=usd_per_hour,
            knee=knee,
        )

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        moments = {name: Moment(**told[name]) for name in ("before", "peak", "after", "end")}
        return cls(**{**told, **moments})

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What it comes to, for somebody who pays for it."""
        before, peak, after, end = self.before, self.peak, self.after, self.end
        told = (
            f"When calls rose from {before.calls} to {after.calls} at once, the endpoint grew from "
            f"{_instances(before.instances)} to {self.most} by itself"
        )
        if peak.lag_ms is not None and after.lag_ms is not None:
            told += (
                f": the text fell {_seconds(peak.lag_ms)} behind the voice, and was {_seconds(after.lag_ms)} behind "
                "again once they served"
            )
        if end.instances < self.most:
            told += f"; with the calls the instances went, down to {end.instances}"
        if self.usd_per_hour is not None:
            spent, always = self.instance_hours * self.usd_per_hour, self._always * self.usd_per_hour
            told += f". In this time that cost ${spent:.2f}, where {_instances(self.most)} always on cost ${always:.2f}"
        return f"{told}."

    @property
    def _always(self) -> float:
        """Instance-hours of a fleet that has the most instances all the time."""
        return self.hours * self.most

    def __repr__(self) -> str:
        return str(self)

    def _caption(self) -> str:
        return self.sentence

    def table_html(self) -> str:
        """The table without the sentence, which stands elsewhere."""
        return html_table("", self._columns, self._rows(), notes=self._notes())

    def _rows(self) -> list[tuple[object, ...]]:
        moments = (self.before, self.peak, self.after, self.end)
        few, most = self.before.instances, self.most
        rows: list[tuple[object, ...]] = [
            ("calls at once", *(m.calls for m in moments)),
            ("instances", *(m.instances for m in moments)),
        ]
        if any(m.lag_ms is not None for m in moments):
            rows.append(("text behind the voice", *(_seconds(m.lag_ms) for m in moments)))
        if self.usd_per_hour is not None:
            rows.append(("dollars an hour", *(self._usd(m.instances) for m in moments)))
        if self.knee is not None:
            rows.append((f"always {_instances(few)}: text", *(self._falling_behind(m.calls, few) for m in moments)))
        if self.usd_per_hour is not None:
            rows.append((f"always {_instances(few)}: dollars", *[self._usd(few)] * 4))
            rows.append((f"always {_instances(most)}: dollars", *[self._usd(most)] * 4))
        return rows

    def _notes(self) -> list[str]:
        notes = []
        if self.knee is not None:
            notes.append(
                f"An instance sustains {self.knee} calls; with more the text falls further and further behind."
            )
        if self.usd_per_hour is not None:
            notes.append("At the list price of the instances, without the listing's software fee.")
        return notes

    def _usd(self, instances: int) -> str:
        return f"${(self.usd_per_hour or 0.0) * instances:.2f}"

    def _falling_behind(self, calls: int, instances: int) -> str:
        """What a fleet of fixed size would do with so many calls: a queue grows by what it does not get through."""
        over = calls / ((self.knee or 1) * instances) - 1
        return "keeps up" if over <= 0 else f"{60 * over:.0f} s more a minute"


def _instances(count: int) -> str:
    return f"{count} instance{'s' * (count != 1)}"


def _seconds(lag_ms: float | None) -> str:
    return "-" if lag_ms is None else f"{lag_ms / 1000:.1f} s" if lag_ms >= 950 else f"{lag_ms / 1000:.2f} s"


def _newest(series: pd.Series) -> float | None:
    return None if series.empty else float(series.iloc[-1])
