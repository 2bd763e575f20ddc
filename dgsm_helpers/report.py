"""One offline page about an endpoint, fit to be sent: set-up, evidence of capacity, its story, doctor, alarms, cost.

Everything is asked once (:func:`gather`); the page is a pure function of the answers (:func:`page`). It carries
plotly.js inside and asks for nothing from anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from .aws import doctor, observe
from .aws.calls import pages, translated
from .aws.cost import cost_so_far
from .aws.doctor_gather import gather as look
from .aws.doctor_snapshot import Snapshot
from .aws.inventory import alarm_prefix
from .aws.scaling_state import AlarmState, read_alarms
from .aws.tables import html_table
from .charts.figures import timeline
from .errors import InvalidInput
from .prices import Price

if TYPE_CHECKING:
    import pandas as pd

    from .session import Workbook

WINDOW_S = 3 * 3600.0 - 120.0
"""Ten-second data is kept for three hours (two minutes spare for asking); a longer timeline is drawn from minutes."""

_WIDTH_OF_A_REASON = 200
_NEWEST_ACTIVITIES = 30


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What the page shows. ``prices`` pairs each type of the pool with its hourly price; ``running`` is the history of
    instance counts (``observe.instances``)."""

    place: str
    snapshot: Snapshot
    diagnosis: doctor.Diagnosis
    metrics: observe.Metrics
    running: pd.DataFrame
    activities: pd.DataFrame
    own_alarms: tuple[AlarmState, ...]
    prices: tuple[tuple[str, Price], ...]


def write_report(wb: Workbook, out: Path, *, last_s: float = WINDOW_S) -> Path:
    """Write the page about the workbook's endpoint as it is now (5 MB, most of it plotly.js).

    Args:
        last_s: seconds of the timeline, up to now.

    Raises:
        NotFound: no such endpoint or variant. Others as AWS answers.
    """
    text = page(gather(wb, last_s=last_s))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return out


def gather(wb: Workbook, *, last_s: float = WINDOW_S) -> ReportData:
    """Ask for everything that the page shows."""
    snapshot = look(wb, doctor.Expected())
    own = pages(wb, "cloudwatch", "DescribeAlarms", "MetricAlarms", AlarmNamePrefix=alarm_prefix(wb))
    with translated("pricing", "GetProducts"):
        prices = tuple((name, wb.price_per_hour(name)) for name in snapshot.variant.instance_types)
    now = wb.now()
    start = max(now - timedelta(seconds=last_s), snapshot.endpoint.created or now - timedelta(days=365))
    return ReportData(
        place={"local": "the embedded AWS (simulated)", "aws": "AWS"}[wb.where],
        snapshot=snapshot,
        diagnosis=doctor.diagnose(snapshot),
        metrics=observe.metrics(wb, start=start),
        running=observe.instances(wb),
        activities=observe.activities(wb),
        own_alarms=read_alarms(own),
        prices=prices,
    )


def page(data: ReportData) -> str:
    """The whole page. Pure."""
    s = data.snapshot
    sections = (
        ("At a glance", _glance(data)),
        ("Configuration", _configuration(data)),
        ("Evidence of capacity", _capacity(s.evidence)),
        ("Timeline", _timeline(data)),
        ("Scaling activities", _activities(data.activities)),
        ("Doctor", data.diagnosis._repr_html_()),
        ("Alarms", _alarms(data)),
        ("Cost so far", _cost(data)),
    )
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    name = escape(s.endpoint.name)
    made = f"{s.now:%Y-%m-%d %H:%M} UTC, {escape(s.region)}. Figures come from {escape(data.place)}."
    return _PAGE.format(name=name, made=made, body=body)


def _glance(data: ReportData) -> str:
    s, diagnosis = data.snapshot, data.diagnosis
    counts = {verdict: sum(f.verdict is verdict for f in diagnosis.findings) for verdict in reversed(doctor.Verdict)}
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
    return "<dl>" + "".join(f"<div><dt>{escape(w)}</dt><dd>{escape(v)}</dd></div>" for v, w in tiles) + "</dl>"


def _configuration(data: ReportData) -> str:
    s = data.snapshot
    pool = ", ".join(f"{name} ({price})" for name, price in data.prices)
    rows: list[tuple[str, object]] = [
        ("Endpoint", s.endpoint.arn),
        ("Created", f"{s.endpoint.created:%Y-%m-%d %H:%M} UTC" if s.endpoint.created else "-"),
        ("Variant", s.resource_id),
        ("Model package", s.model_package_arn or "-"),
        ("Endpoint config", s.endpoint.config_name),
        ("Instance pool, in order of preference", pool),
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
            if held
            else policy.policy_type
        )
        rows.append((f"Policy {policy.name}", numbers))
    return html_table("As AWS holds it", ("setting", "value"), rows)


def _capacity(evidence: Mapping[str, Any] | None) -> str:
    if evidence is None:
        return "<p>Not measured. Until it is (<code>dgsm tune</code>), every TargetValue is a guess.</p>"
    taken, limit = evidence["fingerprint"], evidence["infeasible_min"]
    confidence = f"{evidence['confidence']:.0%} confident" if "confidence" in evidence else ""
    upper = f"{limit} do not, by {evidence.get('binding_constraint')}" if limit else "the ladder ended before it broke"
    text = (
        f"One {taken['instance_type']} sustains <b>{evidence['feasible_max']} streams</b>; {escape(upper)}. Measured "
        f"{escape(evidence['measured_at'])} ({confidence}), {escape(taken['model_package_arn'])} in {taken['region']}."
    )
    rows = [
        (
            rung["n"],
            rung["verdict"],
            f"{rung['passed']} of {rung['total']}",
            _ms(rung["lag_ms"]["p50"]),
            _ms(rung["lag_ms"]["p95"]),
            _ms(rung["finalisation_p95_ms"]),
            rung["constraint"] or "",
        )
        for rung in sorted(evidence.get("rungs", ()), key=lambda rung: rung["n"])
    ]
    columns = ("streams held", "verdict", "kept to it", "lag p50, ms", "lag p95, ms", "final p95, ms", "broke by")
    return f"<p>{text}</p>" + html_table("Each rung of the ladder", columns, rows)


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
            title="Concurrency, instances and activities",
        )
    except InvalidInput as error:
        return f"<p>{escape(error.message)}</p>"
    config = {"responsive": True, "displaylogo": False}
    return figure.to_html(full_html=False, include_plotlyjs=True, config=config)


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
    def rows(alarms: Iterator[AlarmState]) -> list[tuple[object, ...]]:
        return [(a.name.rpartition("/")[2], a.state, _rule(a), shorten(a.reason, _WIDTH_OF_A_REASON)) for a in alarms]

    columns = ("alarm", "state", "when", "reason")
    policys = html_table("The policy's own", columns, rows(a.state for a in data.snapshot.alarms.values()))
    own = html_table("For operators", columns, rows(iter(data.own_alarms)))
    return policys + (own if data.own_alarms else "<p>No alarms for operators: account_alarms.put(wb) makes them.</p>")


def _rule(alarm: AlarmState) -> str:
    every = f"{alarm.datapoints_to_alarm} of {alarm.evaluation_periods} × {alarm.period_s} s"
    return (
        f"{alarm.statistic} {alarm.comparison} {alarm.threshold:g}, {every}" if alarm.threshold is not None else every
    )


def _cost(data: ReportData) -> str:
    cost = cost_so_far(data.running, data.prices)
    return (
        f"<p><b>{escape(str(cost))}</b>.</p><p>Without the Marketplace software fee, which AWS's price list lacks. "
        f"Price: {escape(cost.price_source)}. Starting instances count from the end of their scaling activity.</p>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: a Deepgram endpoint that scales itself</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1.2rem; }}
h1 {{ font-size: 1.7rem; margin: 0; }} h2 {{ font-size: 1.2rem; margin: 2.2rem 0 .6rem; }}
header p {{ opacity: .75; margin: .2rem 0; }}
dl {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; margin: 0; }}
dl div {{ border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }}
dt {{ font-size: .85rem; opacity: .75; }} dd {{ margin: 0; font-size: 1.15rem; font-weight: 600; }}
section > div {{ overflow-x: auto; }} td {{ overflow-wrap: anywhere; min-width: 3.5rem; }}
@media print {{
  :root {{ color-scheme: light; }} body {{ margin: 0; max-width: none; font-size: 11px; }}
  section {{ break-inside: auto; }} tr, dl div, .plotly-graph-div {{ break-inside: avoid; }}
  section > div {{ overflow: visible; }} h2 {{ break-after: avoid; }}
}}
</style></head><body>
<header><h1>{name}</h1><p>A Deepgram endpoint on Amazon SageMaker that scales itself. {made}</p></header>
{body}
</body></html>
"""
