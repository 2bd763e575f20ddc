"""Whatever a name, a cause or a message says, a page has the same elements as with a plain word in its place."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dgsm_helpers.aws.core.tables import html_table, text_table
from dgsm_helpers.rules.foreign_text import in_terminal
from dgsm_helpers.views.figures.ladder_figure import LadderState, RungPoint, ladder_html
from dgsm_helpers.views.figures.live_svg import live_html
from dgsm_helpers.views.figures.plan_svg import PlanState, plan_html
from dgsm_helpers.views.figures.terminal import live_text
from dgsm_helpers.views.pages import html_page

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script><a title='",
    "' onload='alert(1)",
    "</title></svg></style><svg onload=alert(1)>",
    "\x1b[31m\x1b]0;owned\x07\u202e",
    "{} %s ${HOME} {title}",
    "]]><!--",
)
LADDER = LadderState(
    endpoint_name="x",
    points=(RungPoint(4, 30, 53, "PASS", "", 4, 4), RungPoint(16, 1200, math.inf, "FAIL", "x", 0, 16)),
    limit_ms=500,
    limit_name="x",
    origin="x",
    elapsed_s=40,
    forecast_s=72,
    running=True,
    said="x",
)
PLAN = PlanState(
    hours=(0.5, 1.0), streams=(4, 12), instances=(1, 2), knee=10, facts=(("x", "x"),), origin="x", trouble="x"
)
LOGIC = {"PASS", "FAIL", "VOID", "INCONCLUSIVE", "high", "low", "OK", "ALARM", "InService"}
"""Words that decide how something is drawn: they are the program's own."""


def filled(value, text):
    """The same with ``text`` in place of every text that comes from outside."""
    if isinstance(value, str):
        return value if value in LOGIC or not value else text
    if dataclasses.is_dataclass(value):
        fields = {f.name: filled(getattr(value, f.name), text) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, (tuple, list)):
        return type(value)(filled(item, text) for item in value)
    return value


class Skeleton(HTMLParser):
    """Elements with the names of their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.found.append((f"/{tag}",))

    def handle_comment(self, data):
        self.found.append(("comment",))

    def handle_decl(self, decl):
        self.found.append(("declaration",))


def skeleton(html):
    return Skeleton(html).found


def hostile(test):
    for text in HOSTILE:
        test = example(text=text)(test)
    kept = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    return kept(given(text=st.text(min_size=1))(test))


@hostile
def test_the_live_view_has_the_elements_that_it_has_of_a_plain_word(live_state, text):
    state = dataclasses.replace(live_state, trouble="x", cost="x")
    assert skeleton(live_html(filled(state, text))) == skeleton(live_html(filled(state, "x")))


@hostile
def test_the_ladder_has_the_elements_that_it_has_of_a_plain_word(text):
    assert skeleton(ladder_html(filled(LADDER, text))) == skeleton(ladder_html(filled(LADDER, "x")))


@hostile
def test_the_plan_has_the_elements_that_it_has_of_a_plain_word(text):
    assert skeleton(plan_html(filled(PLAN, text))) == skeleton(plan_html(PLAN))


@hostile
def test_a_table_and_a_page_have_the_elements_that_they_have_of_a_plain_word(text):
    def shown(word):
        return html_page(word, html_table(word, [word], [[word], [word]], notes=[word]), style="p {}")

    assert skeleton(shown(text)) == skeleton(shown("x"))


@hostile
def test_a_terminal_gets_nothing_to_act_on(live_state, text):
    for shown in (live_text(filled(live_state, text)), text_table(text, [text], [[text]], notes=[text])):
        assert in_terminal(shown) == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_on_hostile_evidence_has_the_elements_that_it_has_of_a_plain_word(text):
    from dgsm_helpers.views.pages.report_page import _capacity

    def evidence(word):
        lags = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
        rung = {"n": 4, "verdict": "PASS", "passed": 4, "total": 4, "lag_ms": lags}
        rung |= {"ending_p95_ms": 5.0, "first_chunk_p95_ms": 5.0, "constraint": word, "wall_s": 1.0}
        fingerprint = {"instance_type": word, "region": word, "model_package_arn": word}
        taken = {"feasible_max": 4, "infeasible_min": 5, "binding_constraint": word, "confidence": 0.9}
        taken["unit"] = "streams"
        return {**taken, "measured_at": word, "fingerprint": fingerprint, "rungs": [rung], "effort": word}

    assert skeleton(_capacity(evidence(text), text, 3.0)) == skeleton(_capacity(evidence("x"), "x", 3.0))
