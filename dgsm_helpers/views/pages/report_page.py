"""The report's page, a pure function of what was asked about an endpoint.

It carries plotly.js inside and asks for nothing from anywhere.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import shorten
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from dgsm_helpers.aws.account.recommended import threshold_text
from dgsm_helpers.aws.core.money import cost_so_far, fleet_usd_per_hour
from dgsm_helpers.aws.core.tables import html_table
from dgsm_helpers.aws.doctor import examine
from dgsm_helpers.aws.doctor.snapshot import Snapshot
from dgsm_helpers.aws.scaling.scalable_target import AlarmState
from dgsm_helpers.aws.watch.metrics import Metrics
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.held_calls import CallsHeld
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.views.figures.ladder_figure import RungPoint, lag_against_concurrency
from dgsm_helpers.views.figures.timeline import timeline
from dgsm_helpers.views.pages import html_page, page_part
from dgsm_helpers.views.pages.report_story import call, opening, plan
from dgsm_helpers.views.scaling_story import ScalingStory

_WIDTH_OF_A_REASON = 200
_NEWEST_ACTIVITIES = 30


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the page shows. ``prices`` pairs each type of the pool with its hourly price; ``running`` is the history of
    instance counts (``observe.instances``), ``calls`` what was held meanwhile, if anybody knows."""

    place: str
    snapshot: Snapshot
    diagnosis: examine.Diagnosis
    metrics: Metrics
    running: pd.DataFrame
    activities: pd.DataFrame
    policy_alarms: tuple[AlarmState, ...]
    own_alarms: tuple[AlarmState, ...]
    prices: tuple[tuple[str, Price], ...]
    calls: CallsHeld | None = None

    @property
    def usd_per_hour(self) -> float | None:
        """Of one instance of those that run now."""
        counts = self.snapshot.endpoint.instances_by_type
        usd = fleet_usd_per_hour(dict(self.prices), counts)
        return None if usd is None else usd / sum(counts.values())


def page(data: ReportData) -> str:
    """The whole page. Pure."""
    s = data.snapshot
    story = ScalingStory.of(
        data.metrics.concurrency,
        data.running,
        target_value=s.target_value,
        lag_p95_ms=data.calls.lag_p95_ms if data.calls else (),
        usd_per_hour=data.usd_per_hour,
        knee=s.knee,
    )
    sections = (
        ("Before, at the peak, after", f"<div>{story.table_html()}</div>" if story else ""),
        ("Timeline", _timeline(data)),
        ("Listen to a call that went on", call(data.calls.example if data.calls else None)),
        ("Evidence of capacity", _capacity(s.evidence, data.place, s.target_value) + _engine(data.diagnosis)),
        (
            "What policies would make of this time",
            plan(s, data.metrics.concurrency["concurrency_mean_streams"], data.running, data.prices),
        ),
        ("At a glance", _glance(data)),
        ("Configuration", _configuration(data)),
        ("Scaling activities", _activities(data.activities)),
        ("Doctor", data.diagnosis._repr_html_()),
        ("Alarms", _alarms(data)),
        ("Cost so far", _cost(data)),
    )
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections if content)
    name = in_html(s.endpoint.name)
    made = f"{s.now:%Y-%m-%d %H:%M} UTC, {in_html(s.region)}. Figures come from {in_html(data.place)}."
    header = (
        f"<header><h1>{name}</h1><p class=opening>{in_html(opening(s, data.diagnosis, story, data.calls))}</p>"
        f"<p>A Deepgram endpoint on Amazon SageMaker that scales itself. {made}</p></header>"
    )
    title = f"{s.endpoint.name}: a Deepgram endpoint that scales itself"
    return html_page(title, header + body, style=page_part("report.css"), head=f"<script>{get_plotlyjs()}</script>")


def _glance(data: ReportData) -> str:
    s, diagnosis = data.snapshot, data.diagnosis
    counts = {
        verdict: sum(f.verdict is verdict for f in diagnosis.findings) for verdict in reversed(examine.RuleVerdict)
    }
    bounds = f"of {s.target.min_capacity} to {s.target.max_capacity}" if s.target else "not registered for scaling"
    peak = s.traffic.peak
    tiles = (
        (s.endpoint.status, "status"),
        (f"{s.running}", f"instances, {bounds}"),
        (f"{s.target_value:g}" if s.target_value else "none", "TargetValue, streams per instance"),
        (f"{s.knee}" if s.knee else "not measured", "streams one instance sustains"),
        (f"{peak[1]:.0f}" if peak else "none seen", f"most streams at once in {s.traffic.window.days} days"),
        (", ".join(f"{n} {v}" for v, n in counts.items() if n), "doctor's findings"),
    )
    return "<dl>" + "".join(f"<div><dt>{in_html(w)}</dt><dd>{in_html(v)}</dd></div>" for v, w in tiles) + "</dl>"


def _configuration(data: ReportData) -> str:
    s = data.snapshot
    rows: list[tuple[str, object]] = [
        ("Endpoint", s.endpoint.arn),
        ("Created", f"{s.endpoint.created:%Y-%m-%d %H:%M} UTC" if s.endpoint.created else "-"),
        ("Variant", s.resource_id),
        ("Model package", s.model_package_arn or "-"),
        ("Endpoint config", s.endpoint.config_name),
        ("Instance pool, in order of preference", _pool(data.prices)),
        ("Running now", ", ".join(f"{n} × {t}" for t, n in s.endpoint.instances_by_type.items() if n) or "none"),
        ("Routing", s.variant.routing or "RANDOM (default)"),
        ("Host AMI", s.variant.ami or "not set"),
        ("Network isolation", s.network_isolated),
        ("Enhanced metrics", s.enhanced_metrics),
        ("Bounds", f"{s.target.min_capacity} to {s.target.max_capacity} instances" if s.target else "not registered"),
    ]
    for policy in s.policies:
        held = policy.configuration
        numbers = (
            f"TargetValue {held['TargetValue']:g}, cooldowns out {held.get('ScaleOutCooldown', 300)} s and in "
            f"{held.get('ScaleInCooldown', 300)} s"
            if policy.tracks
            else str(policy)
        )
        rows.append((f"Policy {policy.name}", numbers))
    return html_table("As AWS holds it", ("setting", "value"), rows)


def _pool(prices: Sequence[tuple[str, Price]]) -> str:
    listed = ", ".join(
        f"{name} at {f'${price.amount_usd:.4g}/h' if price.amount_usd is not None else 'an unknown price'}"
        for name, price in prices
    )
    sources = dict.fromkeys(", ".join(filter(None, (price.source, price.as_of))) for _, price in prices)
    return f"{listed} ({'; '.join(sources)})"


def _engine(diagnosis: examine.Diagnosis) -> str:
    return f"<p>The engine's own word: {in_html(diagnosis['engine-agrees'].evidence)}.</p>"


def _capacity(evidence: Mapping[str, Any] | None, place: str, target_value: float | None) -> str:
    if evidence is None:
        return "<p>Not measured. Until it is (<code>dgsm tune</code>), every TargetValue is a guess.</p>"
    taken, limit, unit = evidence["fingerprint"], evidence["infeasible_min"], evidence["unit"]
    confidence = f", {evidence['confidence']:.0%} confident" if "confidence" in evidence else ""
    upper = f"{limit} do not, by {evidence.get('binding_constraint')}" if limit else "the ladder ended before it broke"
    text = (
        f"One {in_html(taken['instance_type'])} sustains <b>{evidence['feasible_max']} {in_html(unit)}</b>; "
        f"{in_html(upper)}. "
        f"Measured {in_html(evidence['measured_at'][:16].replace('T', ' '))} UTC{confidence}, with "
        f"{in_html(taken['model_package_arn'])} in {in_html(taken['region'])}."
    )
    rungs = sorted(evidence.get("rungs", ()), key=lambda rung: rung["n"])
    rows = [
        (
            rung["n"],
            rung["verdict"],
            f"{rung['passed']} of {rung['total']}",
            _ms(rung["lag_ms"]["p50"]),
            _ms(rung["lag_ms"]["p95"]),
            _ms(rung["ending_p95_ms"]),
            rung["constraint"] or "-",
        )
        for rung in rungs
    ]
    criteria = evidence.get("criteria") or {}
    lag, ending = criteria.get("lag_word", "lag"), criteria.get("ending_word", "finalisation")
    measures = (f"{lag} p50, ms", f"{lag} p95, ms", f"{ending} p95, ms")
    columns = (f"{unit} held", "verdict", "kept to it", *measures, "broke by")
    drawn = _ladder(rungs, criteria, f"{unit} held on {place}", target_value, unit)
    return f"<p>{text}</p>{drawn}{html_table('Each rung of the ladder', columns, rows)}"


def _ladder(
    rungs: Sequence[Mapping[str, Any]],
    criteria: Mapping[str, Any],
    origin: str,
    target_value: float | None,
    unit: str,
) -> str:
    """The rungs drawn; nothing for evidence that does not tell its criteria."""
    if not rungs or not criteria:
        return ""
    points = [RungPoint.of(rung) for rung in rungs]
    lag = criteria.get("lag_word", "lag")
    labels = {
        "limit_ms": criteria["lag_s"] * 1000,
        "limit_name": f"{criteria['statistic']} {lag} ({criteria['name']})",
        "origin": origin,
    }
    return _drawn(lag_against_concurrency(points, **labels, lag=lag, unit=unit, target_value=target_value))


def _timeline(data: ReportData) -> str:
    s = data.snapshot
    origin = f"CloudWatch of {s.endpoint.name} on {data.place}, every {data.metrics.period_s} s"
    try:
        figure = timeline(
            data.metrics.concurrency,
            data.running,
            data.activities,
            target_value=s.target_value or 0.0,
            origin=origin,
            lag_p95_ms=data.calls.lag_p95_ms if data.calls else (),
            title="Concurrency, instances and activities",
        )
    except InvalidInput as error:
        return f"<p>{in_html(error.message)}</p>"
    return _drawn(figure) + _earlier(data)


def _earlier(data: ReportData) -> str:
    """Where the story is, when it lies before the timeline."""
    scaled = [a.started for a in data.activities.itertuples(index=False) if not a.not_scaled_reasons]
    if not scaled or max(scaled) >= data.metrics.start:
        return ""
    hours = ceil((data.metrics.end - max(scaled)).total_seconds() / 3600)
    last = f"{max(scaled):%Y-%m-%d %H:%M} UTC"
    return f"<p>Nothing scaled in this time; the last time was {last} (<code>dgsm report --hours {hours}</code>).</p>"


def _drawn(figure: go.Figure) -> str:
    config = {"responsive": True, "displaylogo": False}
    return figure.to_html(full_html=False, include_plotlyjs=False, config=config)


def _activities(frame: pd.DataFrame) -> str:
    against = Counter(reason for reasons in frame["not_scaled_reasons"] for reason in reasons)
    listed = ", ".join(f"{reason} {count}" for reason, count in against.most_common())
    notes = [f"Decided against, by AWS's reason: {listed}."] if against else []
    scaled = frame[[not reasons for reasons in frame["not_scaled_reasons"]]].tail(_NEWEST_ACTIVITIES)
    rows = [
        (
            f"{a.started:%Y-%m-%d %H:%M:%S}",
            f"{a.status}{f' in {a.duration_s:.0f} s' if a.duration_s > 0 else ''}",
            a.description,
            a.cause,
        )
        for a in scaled.itertuples(index=False)
    ]
    caption = f"The newest {len(rows)}, in AWS's words" if rows else "None yet."
    return html_table(caption, ("UTC", "status", "what", "why"), rows, notes=notes)


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"


def _alarms(data: ReportData) -> str:
    def rows(alarms: Iterable[AlarmState]) -> list[tuple[object, ...]]:
        return [(_short(a.name), a.state, _rule(a), shorten(a.reason, _WIDTH_OF_A_REASON)) for a in alarms]

    columns = ("alarm", "state", "when", "reason")
    normal = "The low one is in ALARM whenever traffic is low, at the minimum of instances too: no trouble."
    if reason := data.snapshot.unread.get("alarms"):
        return f"<p>The alarms could not be read: {in_html(reason)}</p>"
    made_by_policy = html_table("The policy's own", columns, rows(data.policy_alarms), notes=[normal])
    own = html_table("For operators", columns, rows(data.own_alarms))
    missing = "<p>No alarms for operators: account_alarms.put(wb) makes them.</p>"
    return made_by_policy + (own if data.own_alarms else missing)


def _short(name: str) -> str:
    """An alarm's name without its path, and without the random end of the policy's own."""
    return re.sub(r"(-Alarm(?:High|Low))-.*", r"\1", name.rpartition("/")[2])


def _rule(alarm: AlarmState) -> str:
    every = f"{alarm.datapoints_to_alarm} of {alarm.evaluation_periods} × {alarm.period_s} s"
    if alarm.threshold is None:
        return every
    threshold = threshold_text(alarm.metric, alarm.threshold)
    return f"{alarm.metric} {alarm.statistic} {alarm.comparison} {threshold}, {every}".strip()


def _cost(data: ReportData) -> str:
    cost = cost_so_far(data.running, data.prices)
    return (
        f"<p><b>{in_html(str(cost))}</b>.</p><p>Without the Marketplace software fee, which AWS's price list lacks. "
        f"Price: {in_html(cost.price_source)}. Starting instances count from the end of their scaling activity.</p>"
    )
