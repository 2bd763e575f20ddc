"""The page of ``dgsm demo``, fit to be sent: what scaling did, what was heard, what one instance carries, and the plan.

A pure function of what the notebooks gave out. It carries plotly.js inside and asks for nothing from anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from plotly.offline import get_plotlyjs

from dgsm_helpers.aws.core.tables import folded
from dgsm_helpers.load.transport.heard_recording import player_html
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.rules.sample import bundled_sample
from dgsm_helpers.views.pages import html_page, page_part
from dgsm_helpers.views.scaling_story import ScalingStory

TITLE = "A Deepgram endpoint that scales itself"


@dataclass(frozen=True)
class SummaryRow:
    """One line of the summary: a value, what it is called, and where it comes from."""

    label: str
    value: str
    origin: str


@dataclass(frozen=True, kw_only=True)
class DemoResults:
    """What the page shows.

    ``values`` are those that the notebooks gave out, by name; what is missing was not reached. ``figures`` are theirs
    as HTML, by the notebook's name; ``notebooks`` pairs each notebook's page with how it ended.
    """

    values: Mapping[str, Any]
    figures: Mapping[str, Sequence[str]]
    rows: Sequence[SummaryRow]
    notebooks: Sequence[tuple[str, str]]


def page(results: DemoResults) -> str:
    """The whole page. Pure."""
    story = _story(results.values)
    opening = f"<p class=opening>{in_html(_opening(results.values, story))}</p>"
    sections = (
        ("Before, at the peak, after", _scaled(results, story)),
        ("Listen, and read what was heard", _heard(results.values)),
        ("What one instance carries", _knee(results)),
        ("What it would do on a whole day", _plan(results)),
        ("How it was done", _done(results)),
    )
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections if content)
    header = f"<header><h1>{TITLE}</h1>{opening}</header>"
    head = f"<script>{get_plotlyjs()}</script>"
    return html_page(TITLE, header + body, style=page_part("report.css"), head=head)


def _story(values: Mapping[str, Any]) -> ScalingStory | None:
    told = values.get("story")
    return replace(ScalingStory.from_dict(told), knee=values.get("feasible_max")) if told else None


def _opening(values: Mapping[str, Any], story: ScalingStory | None) -> str:
    if story is None:
        return "It did not come to scaling; what happened stands below."
    lost = values.get("words_lost")
    kept = "No word of the calls was lost" if lost == 0 else f"{lost} words of the calls were lost"
    cut = values.get("calls_cut")
    went = f", although instances that went away cut {cut} of their sessions" if cut else ""
    return f"{story.sentence} {kept}{went}."


def _scaled(results: DemoResults, story: ScalingStory | None) -> str:
    table = f"<div>{story.table_html()}</div>" if story else ""
    return table + _figure(results, "04_monitor", 0)


def _heard(values: Mapping[str, Any]) -> str:
    captions = values.get("captions")
    if not captions:
        return ""
    wrong = f"{values['wer_percent']:g} % of the words are wrong. " if values.get("wer_percent") is not None else ""
    heard = (
        f"The captions come as they came over the stream; words in italics could still change. {wrong}They were heard "
        f"by {values.get('transcribed_by')} on this machine, which stands in for Deepgram's model."
    )
    return f"<p>{in_html(heard)}</p><div>{player_html(bundled_sample(), captions)}</div>"


def _knee(results: DemoResults) -> str:
    values = results.values
    if "feasible_max" not in values:
        return ""
    told = (
        f"Up to {values['feasible_max']} calls at once an instance keeps up; with {values['infeasible_min'] or 'more'} "
        "the text falls further and further behind. So it is told to scale at "
        f"{values['target_value']:g} calls an instance, which leaves room while new ones start. Found in "
        f"{values['instance_minutes']:g} minutes on one instance."
    )
    return f"<p>{in_html(told)}</p>" + _figure(results, "03_tune", 0)


def _plan(results: DemoResults) -> str:
    if not (reason := results.values.get("reason")):
        return ""
    name, why, *_ = [*map(str.strip, str(reason).splitlines()), ""]
    return f"<p><b>{in_html(name)}</b>. {in_html(why)}</p>" + _figure(results, "05_plan", 0)


def _done(results: DemoResults) -> str:
    rows = "".join(
        f"<tr><th>{in_html(row.label)}</th><td>{in_html(row.value)}</td>"
        f"<td class=origin>{in_html(row.origin)}</td></tr>"
        for row in results.rows
    )
    links = "".join(
        f'<li><a href="{in_html(quote(name))}.html">{in_html(name)}</a> {in_html(ended)}</li>'
        for name, ended in results.notebooks
    )
    numbers = folded("The numbers, and where each comes from", f"<table>{rows}</table>")
    file = '<p><a href="summary.json">summary.json</a> has them for programs. The notebooks as they ran:</p>'
    return f"{numbers}{file}<ol>{links}</ol>"


def _figure(results: DemoResults, notebook: str, number: int) -> str:
    figures = results.figures.get(notebook, ())
    return f"<div>{figures[number]}</div>" if number < len(figures) else ""
