"""Watching in a terminal and on a page: redrawn in place, through errors, and done when told."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.cli import main
from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.places import running_server
from dgsm_helpers.views.figures.terminal import live_text
from dgsm_helpers.views.pages import watch


@pytest.fixture(scope="module")
def endpoint(embedded):
    """A deployed endpoint with the guide's policy."""
    with endpoints.scaled_endpoint(embedded.home, "dg-watched") as wb:
        yield wb


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_each_picture_takes_the_place_of_the_last(endpoint):
    out, slept = Terminal(), []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch.watch_in_terminal(endpoint, out, window_s=600, every_s=None, once=False, sleep=sleep)
    pictures = out.getvalue().split("\x1b[H\x1b[J")[1:]
    assert len(pictures) == 3
    assert all("dg-watched InService" in picture for picture in pictures)
    assert slept == [2.0] * 3


def test_in_a_pipe_there_are_no_escapes(endpoint):
    out = io.StringIO()
    watch.watch_in_terminal(endpoint, out, window_s=600, every_s=None, once=True)
    assert "\x1b" not in out.getvalue()
    assert "streams per instance" in out.getvalue()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired-credentials", r"ExpiredToken.*Sign in again; the view goes on by itself\."),
        ("throttling", r"Thrott.*It goes on by itself\."),
    ],
)
def test_throttling_and_expired_credentials_are_shown_and_watching_goes_on(
    endpoint, embedded, hasty_retries, kind, said
):
    pictures = watch.states(endpoint, window_s=600, every_s=5, sleep=lambda _: None)
    good = next(pictures)
    assert good.trouble == ""
    running_server.admin(embedded.info, "POST", "faults", {"kind": kind})
    try:
        held = next(pictures)
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    assert re.fullmatch(
        rf"As of {good.now:%H:%M:%S}\. sagemaker:DescribeEndpoint.*{said} Next try in 5 s\.", held.trouble
    )
    assert held.concurrency == good.concurrency and held.alarms == good.alarms and held.now > good.now
    assert held.trouble in " ".join(live_text(held, width=80).split()) and held.trouble in watch.page(held, reload_s=5)
    again = next(pictures)
    assert again.trouble == "" and again.now > held.now


def test_an_endpoint_that_goes_away_is_said_to_be_gone(workbook):
    wb = workbook()
    deployment.deploy(wb, deployment_plan.plan(wb))
    pictures = watch.states(wb, window_s=600, every_s=1, sleep=lambda _: None)
    next(pictures)
    deletion.delete(wb)
    assert next(pictures).status == "is gone"


def test_a_missing_endpoint_is_an_error_and_no_picture(workbook, tmp_path):
    with pytest.raises(NotFound):
        watch.watch_on_page(
            workbook(endpoint_name="never-made"), tmp_path / "p.html", window_s=60, every_s=1, once=False
        )
    assert not (tmp_path / "p.html").exists()


@pytest.mark.parametrize("given", [{"window_s": 0.0, "every_s": 1.0}, {"window_s": 60.0, "every_s": -1.0}])
def test_times_that_cannot_be_are_refused(endpoint, given):
    with pytest.raises(InvalidInput, match="Give the seconds"):
        watch.watch_in_terminal(endpoint, io.StringIO(), once=True, **given)


def test_the_page_reloads_itself_and_needs_nothing_else(endpoint):
    state = next(watch.states(endpoint, window_s=600, every_s=1, sleep=lambda _: None))
    live = watch.page(state, reload_s=2.0)
    assert '<meta http-equiv="refresh" content="2">' in live
    assert not re.search(r"<script|<link|src=|url\(", live)
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", live)
    final = watch.page(state, reload_s=None)
    assert "refresh" in final and "http-equiv" not in final


def test_the_page_escapes_what_it_shows(endpoint):
    state = next(watch.states(endpoint, window_s=600, every_s=1, sleep=lambda _: None))
    assert "<b>x" not in watch.page(replace(state, trouble="<b>x", endpoint_name="<b>x"), reload_s=None)


def test_the_page_is_kept_up_to_date_and_ends_with_saying_so(endpoint, tmp_path):
    path = tmp_path / "out" / "live.html"
    seen = []

    def sleep(_):
        seen.append(path.read_text())
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch.watch_on_page(endpoint, path, window_s=600, every_s=2, once=False, sleep=sleep)
    assert all("http-equiv" in page for page in seen) and seen[0] != seen[1]
    assert "No longer refreshed" in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_the_command_draws_once_when_asked(endpoint, embedded, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    assert main.main(["watch", "dg-watched", "--once", "--window", "600"]) == 0
    assert "dg-watched InService" in capsys.readouterr().out
    assert main.main(["watch", "dg-watched", "--once", "--html", str(tmp_path / "w.html")]) == 0
    assert "<svg" in (tmp_path / "w.html").read_text()
    assert main.main(["watch", "never-made", "--once"]) == 2


def test_ctrl_c_ends_it_well(endpoint, embedded, tmp_path):
    page = tmp_path / "live.html"
    command = [
        sys.executable,
        "-m",
        "dgsm_helpers.cli.main",
        "watch",
        "dg-watched",
        "--html",
        str(page),
        "--every",
        "1",
    ]
    process_ = subprocess.Popen(command, env=embedded.env, stderr=subprocess.PIPE, text=True)
    until(page.exists, "the page is written")
    process_.send_signal(2)
    assert process_.wait(timeout=120) == 0
    assert "No longer refreshed" in page.read_text()
