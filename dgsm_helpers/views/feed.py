"""What the live view shows, asked of AWS again and again at little cost.

No refresh makes more than three calls. An ordinary one asks for the endpoint, the newest metrics, and either the alarms
or the activities, in turn. Of the metrics only what is new is asked for (with some minutes' overlap, as late points and
percentiles still change); the rest of the window is kept. What hardly changes is asked for once: the endpoint config
and the price of each instance type. The first picture is therefore made by two refreshes, one after the other: one
has the endpoint, its metrics and its alarms, the other the rest (a third, where several instance types run).
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd  # in the cell's thread: in another it takes a notebook for a terminal, and cuts frames to its width

from dgsm_helpers.aws.core.money import cost_so_far, fleet_usd_per_hour, price_per_hour
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_config import EndpointConfig, config_in_use
from dgsm_helpers.aws.endpoint.endpoint_kind import kind_of
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState, VariantState
from dgsm_helpers.aws.scaling.scalable_target import AlarmState
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import (
    CONCURRENCY,
    ERROR_METRICS,
    MINUTE_S,
    SeriesQuery,
    read,
    variant_query,
)
from dgsm_helpers.aws.watch.retention import finest_period_s, looked_back
from dgsm_helpers.errors import CredentialsProblem, DgsmError, UnsupportedFeature
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.prices import Price
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.fleet_state import FleetState, glance, limit_ms, money, read_instances
from dgsm_helpers.views.live_state import (
    LiveState,
    Mark,
    Rows,
    activity_mark,
    changes_since,
    drawn_alarm,
    error_sentence,
    load_sentence,
    points,
)

CALLS_A_REFRESH = 3

OVERLAP = timedelta(minutes=5)
"""How far back every refresh asks again: metrics arrive late, and the newest periods are still being filled."""

NEWEST_ACTIVITIES = 50
"""One page of them."""

_FINE_RETENTION = timedelta(hours=3) - timedelta(minutes=1)
_ALARMS, _ACTIVITIES = "alarms", "activities"


@dataclass(frozen=True)
class _Look:
    """The endpoint at one moment; ``changed`` says that its counts are not those of the look before."""

    endpoint: EndpointState
    variant: VariantState
    now: datetime
    changed: bool


class Feed:
    """The states of one endpoint's live view, one per refresh. Not for several threads at once.

    Args:
        window_s: seconds of the workbook's time that are shown.

    Raises:
        InvalidInput: the window is nothing, or longer than CloudWatch keeps anything.
    """

    def __init__(self, wb: Workbook, *, window_s: float = 1800.0) -> None:
        self.wb, self.window = wb, looked_back(window_s)
        self.period_s = 10 if self.window <= timedelta(hours=3) else finest_period_s(self.window)
        self._queries = _queries(wb, self.period_s)
        self._series: list[dict[float, float]] = [{} for _ in self._queries]
        self._look: _Look | None = None
        self._alarms: tuple[AlarmState, ...] | None = None
        self._activities: pd.DataFrame | None = None
        self._config: EndpointConfig | None = None
        self._prices: dict[str, Price] = {}
        self._refreshes = 0
        self._asked: dict[str, int] = {}
        self._troubles: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """Whether the next refresh asks for what is new; until then it asks for what the first picture still lacks."""
        return self._look is not None and not self._missing(self._look)

    def state(self, load: Load | None = None) -> LiveState:
        """The endpoint as it is now, with ``load``, if there is one, beside it.

        Where only the alarms, the activities or the config cannot be had, the state says so in ``trouble`` and has the
        rest.

        Raises:
            NotFound: there is no endpoint or variant. Others as AWS answers; the next call goes on where this one
                stopped.
        """
        self._refreshes += 1
        calls, look = CALLS_A_REFRESH, self._look
        try:
            if look is None or self.complete:
                look = self._look = self._read_look(look)
                calls -= 2
        except CredentialsProblem:
            self.wb.renew_credentials()
            raise
        asks = self._asks(look)
        for ask in self._missing(look)[:calls] or self._in_turn(look)[:calls]:
            self._ask(ask, asks[ask])
        return self._picture(look, load)

    def states(self, load: Load | None = None) -> Iterator[LiveState]:
        """One refresh, and others right after it while the picture is not complete; errors as :meth:`state`."""
        yield self.state(load)
        while not self.complete:
            yield self.state(load)

    def glance(self, last: LiveState, load: Load | None) -> LiveState:
        """The last state with its instances and calls as they are now; asks AWS for nothing."""
        assert self._look is not None
        fleet = glance(self.wb, self._look.variant, last.fleet, load)
        return replace(last, streams=load_sentence(load), fleet=fleet)

    def _read_look(self, before: _Look | None) -> _Look:
        """The endpoint and its metrics, or neither: a later failure leaves what is shown as it was."""
        endpoint, now = endpoint_state.status(self.wb), self.wb.now()
        kind_of(endpoint, self.wb.variant_name, self._config).require_supported()
        variant = endpoint.variant(self.wb.variant_name)
        start = now - self.window
        if self.period_s < 60:
            start = max(start, now - _FINE_RETENTION)
        # Moments as numbers: comparing aware datetimes a thousand times over costs more than asking AWS.
        newest_s = max(self._series[0], default=None)
        since = start if newest_s is None else max(start, datetime.fromtimestamp(newest_s, UTC) - OVERLAP)
        latest, _ = read(self.wb, self._queries, since, now)
        start_s = start.timestamp()
        for index, (kept, new) in enumerate(zip(self._series, latest, strict=True)):
            kept.update((time.timestamp(), value) for time, value in new.items())
            self._series[index] = {time_s: value for time_s, value in kept.items() if time_s >= start_s}
        former = before.variant if before else variant
        changed = (former.running, former.desired) != (variant.running, variant.desired)
        return _Look(endpoint, variant, now, changed)

    def _missing(self, look: _Look) -> list[str]:
        """What was never asked for."""
        return [ask for ask in self._asks(look) if ask not in self._asked]

    def _asks(self, look: _Look) -> dict[str, Callable[[], object]]:
        """What is asked for in turn, or still to be asked for; each by one call."""
        asks: dict[str, Callable[[], object]] = {_ALARMS: self._read_alarms, _ACTIVITIES: self._read_activities}
        name = look.endpoint.config_name
        if self._config is None or self._config.name != name:
            asks[f"config {name}"] = partial(self._read_config, look)
        # A price that could not be read is asked for again, in its turn.
        unknown = [t for t, _ in self._types(look) if t not in self._prices or self._prices[t].amount_usd is None]
        asks |= {f"price {t}": partial(self._read_price, t) for t in unknown}
        return asks

    def _in_turn(self, look: _Look) -> list[str]:
        """Longest ago first; the activities at once when the counts changed, as one of them says why."""
        asks = self._asks(look)
        return sorted(asks, key=lambda ask: (not (look.changed and ask == _ACTIVITIES), self._asked[ask]))

    def _ask(self, ask: str, reader: Callable[[], object]) -> None:
        self._asked[ask] = self._refreshes
        try:
            reader()
            self._troubles.pop(ask, None)
        except UnsupportedFeature:
            raise
        except DgsmError as error:
            self._troubles[ask] = error_sentence(error)

    def _read_alarms(self) -> None:
        self._alarms = observe.alarm_states(self.wb)

    def _read_activities(self) -> None:
        self._activities = observe.activities(self.wb, limit=NEWEST_ACTIVITIES)

    def _read_config(self, look: _Look) -> None:
        self._config = config_in_use(self.wb, look.endpoint)
        kind_of(look.endpoint, self.wb.variant_name, self._config).require_supported()

    def _read_price(self, instance_type: str) -> None:
        self._prices[instance_type] = price_per_hour(self.wb, instance_type)

    def _types(self, look: _Look) -> list[tuple[str, int]]:
        """(type, running instances) of the variant: what SageMaker counts for a pool, else the config's one type."""
        counts = look.variant.instances_by_type
        if not counts and self._config:
            counts = dict.fromkeys(self._config.variant(look.variant.name).instance_types[:1], look.variant.running)
        return [(name, count) for name, count in counts.items() if count]

    def _picture(self, look: _Look, load: Load | None) -> LiveState:
        endpoint, variant, now = look.endpoint, look.variant, look.now
        low, mean, high, first50, first99, file50, file99, *errors = self._series
        # An endpoint that takes files only has no first chunks: its latency is that of whole answers.
        of_files = not first50 and bool(file50)
        p50, p99 = (file50, file99) if of_files else (first50, first99)
        concurrency = points([low, mean, high], self.period_s)
        high_alarms = [a for a in self._alarms or () if a.side == "high" and a.metric == CONCURRENCY]
        alarms = [drawn_alarm(a, concurrency, period_s=self.period_s, now=now) for a in self._alarms or ()]
        instances: Rows = [(now.timestamp(), float(variant.desired), float(variant.running))]
        marks: list[Mark] = []
        cost, hourly_usd = "", fleet_usd_per_hour(self._prices, dict(self._types(look)))
        if self._activities is not None:
            history = self._history(look, self._activities)
            counts = [
                (row.Index.timestamp(), float(row.desired_instances), float(row.running_instances))
                for row in history.itertuples()
            ]
            instances = changes_since(now - self.window, counts)
            own = observe.since_created(self._activities, endpoint)
            marks = [activity_mark(activity) for activity in own.itertuples(index=False)]
            cost = self._cost(look, history)
        return LiveState(
            endpoint_name=endpoint.name if len(endpoint.variants) == 1 else f"{endpoint.name}/{variant.name}",
            status=endpoint.status,
            now=now,
            window_s=self.window.total_seconds(),
            origin=origin_of(self.wb),
            target_value=high_alarms[0].threshold if high_alarms else None,
            concurrency=concurrency,
            instances=instances,
            latency=points([p50, p99], max(self.period_s, MINUTE_S)),
            latency_of="whole files" if of_files else "first chunk",
            alarms=None if self._alarms is None else alarms,
            marks=marks,
            instances_by_type=self._types(look),
            errors_count=int(sum(sum(counts.values()) for counts in errors)),
            streams=load_sentence(load),
            cost=cost,
            recorded=datetime.fromtimestamp(time.time(), UTC),  # for a reader, whose calendar is the wall's
            fleet=FleetState(
                instances=read_instances(self.wb, variant, now),
                calls=load.ongoing() if load else (),
                limit_ms=limit_ms(self.wb),
                **money(instances, hourly_usd, end_s=now.timestamp(), window_s=self.window.total_seconds()),
            ),
            trouble=" ".join(dict.fromkeys(self._troubles.values())),
        )

    def _history(self, look: _Look, activities: pd.DataFrame) -> pd.DataFrame:
        """The instances over time, as far back as the activities are known."""
        initial = self._config.variant(look.variant.name).initial_count if self._config else None
        counts = observe.history(activities, look.endpoint, look.variant, initial, now=look.now)
        if len(activities) == NEWEST_ACTIVITIES:
            # Older ones are not known, and so neither are the counts before.
            counts = counts[counts.index >= activities["started"].min()]
        return counts

    def _cost(self, look: _Look, counts: pd.DataFrame) -> str:
        """What the instances cost, at the prices of the types that run now."""
        prices = [(name, self._prices[name]) for name, _ in self._types(look) if name in self._prices]
        if not prices:
            return ""
        cost = cost_so_far(counts, prices)
        return f"Cost: {cost} without the software fee ({cost.price_source})"


def origin_of(wb: Workbook) -> str:
    """Where numbers read from this workbook's CloudWatch come from, for the caption of a figure."""
    return f"CloudWatch of {wb.endpoint_name}, measured on {wb.place}, {wb.region}"


def _queries(wb: Workbook, period_s: int) -> list[SeriesQuery]:
    slow_s = max(period_s, MINUTE_S)
    latencies = [(metric, stat) for metric in ("FirstChunkLatency", "ModelLatency") for stat in ("p50", "p99")]
    return [
        *(variant_query(wb, CONCURRENCY, stat, period_s) for stat in ("Minimum", "Average", "Maximum")),
        *(variant_query(wb, metric, stat, slow_s, scale=1e-3) for metric, stat in latencies),
        *(variant_query(wb, metric, "Sum", slow_s) for metric in ERROR_METRICS),
    ]
