"""The page of ``dgsm show``: for whom it is, what it sends, what its buttons do, and how it ends."""

from __future__ import annotations

import http.client
import json
import re
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from kit import endpoints
from kit.waiting import until

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import open_workbook
from dgsm_helpers.views import live_show
from dgsm_helpers.views.live_show import LiveShow
from dgsm_helpers.views.pages.show_page import ShowServer, page
from dgsm_helpers.views.show_events import BUTTONS, QUIET_CALLS


@pytest.fixture(scope="module")
def endpoint(embedded):
    """A deployed endpoint with the guide's policy."""
    wb = open_workbook("local", home=embedded.home, endpoint_name="dg-shown")
    yield endpoints.scaled(wb, provision_timeout_s=endpoints.PATIENT_S)
    deletion.delete(wb)


@pytest.fixture
def show(endpoint):
    made = LiveShow(endpoint)
    yield made
    made.events.close()


@pytest.fixture
def server(show):
    with ShowServer(show) as serving:
        yield serving


def ask(server, path, method="GET", **headers):
    """(status, headers, body) of a request, whose Host is the server's unless another is given."""
    address = urlsplit(server.address)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


class Watching:
    """A browser that has the page open."""

    def __init__(self, server):
        address = urlsplit(server.address)
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=300)
        self.connection.request("GET", f"{address.path}frames")
        self.answer = self.connection.getresponse()

    def next(self):
        while not (line := self.answer.readline()).startswith(b"data: "):
            assert line, "the show has ended"
        return json.loads(line[6:])

    def until(self, condition):
        return until(lambda: next((f for f in [self.next()] if condition(f)), None), "the frame", every_s=0)

    def close(self):
        self.answer.close()
        self.connection.close()


@pytest.fixture
def browser(server):
    opened = Watching(server)
    yield opened
    opened.close()


def path(server, rest=""):
    return f"{urlsplit(server.address).path}{rest}"


def test_only_the_address_that_was_given_out_leads_in(server):
    assert ask(server, path(server))[0] == 200
    for wrong in ("/", "/guess/", "/frames", "//", f"{path(server)}other", path(server).rstrip("/")):
        assert ask(server, wrong)[0] == 404
        assert ask(server, wrong, "POST")[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example"])
def test_a_name_that_was_led_here_is_refused(server, host):
    port = urlsplit(server.address).port
    for given in (host, f"{host}:{port}"):
        if given != f"127.0.0.1:{port}":
            assert ask(server, path(server), Host=given)[0] == 403


def test_another_sites_page_presses_no_button(server, show):
    press = path(server, "press/quiet")
    assert ask(server, press, "POST", Origin="https://evil.example")[0] == 403
    assert ask(server, press, "POST", Origin="null")[0] == 403
    assert show.events.load is None
    assert ask(server, press, "POST", Origin=server.address.rsplit("/", 2)[0])[0] == 200
    assert show.events.load.wanted == QUIET_CALLS


def test_the_page_fetches_nothing_and_runs_its_own_script_alone(server):
    _, headers, body = ask(server, path(server))
    policy = headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert body.count("<script") == body.count(f'<script nonce="{nonce}">') == 1
    assert "default-src 'none'" in policy and "connect-src 'self'" in policy
    assert not re.search(r"https?://|@import|src=|<link", body)
    assert ask(server, path(server))[1]["Content-Security-Policy"] != policy
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"


def test_what_a_button_does_is_seen_and_a_call_stands_on_its_instance(server, browser):
    first = browser.until(lambda f: f["html"])
    assert first["html"].count('data-phase="serving"') == 1 and "data-call" not in first["html"]
    assert ask(server, path(server, "press/quiet"), "POST")[0] == 200
    frame = browser.until(lambda f: f["html"].count("data-call=") == QUIET_CALLS)
    assert frame["note"] == "Quiet again: 3 callers."
    placed = browser.until(lambda f: "calls of this client" not in f["html"] and "captions" in f["html"])
    assert "$1.22 an hour" in placed["html"]


def test_a_button_that_is_none_is_refused(server):
    for name in ("deploy", "", "__init__", "close", "hold", "press"):
        assert ask(server, path(server, f"press/{name}"), "POST")[0] == 404


def test_a_type_that_is_sold_out_can_be_had_again_by_the_same_button(server, show, endpoint):
    def shortages():
        return [fault for fault in endpoint.administer("GET", "faults") if fault["kind"] == "shortage"]

    press = path(server, "press/sold_out")
    ask(server, press, "POST")
    assert [fault["instance_type"] for fault in shortages()] == ["ml.g6.2xlarge"]
    assert "ml.g6.2xlarge is sold out" in show.events.note
    ask(server, press, "POST")
    assert shortages() == []
    assert show.events.note == "ml.g6.2xlarge can be had again."
    ask(server, press, "POST")
    show.events.close()
    assert shortages() == []


def test_a_new_version_takes_over_when_all_of_it_serves(server, show, browser, operator):
    operator.hold_starts()  # between two frames of a busy machine an instance may have started
    ask(server, path(server, "press/new_version"), "POST")
    assert show.events.note.startswith("Version 2 comes")
    both = browser.until(lambda f: "v2: requested" in f["html"])
    assert "v1: serving" in both["html"]
    ask(server, path(server, "press/new_version"), "POST")
    assert show.events.note == "The new version is still coming."
    operator.undo()
    browser.until(lambda f: f["note"] == "Version 2 serves.")
    browser.until(lambda f: "v2: serving" in f["html"] and "v1" not in f["html"])


def test_a_page_that_is_opened_again_shows_the_show_as_it_goes_on(server, show):
    first = Watching(server)
    ask(server, path(server, "press/quiet"), "POST")
    ask(server, path(server, "press/play"), "POST")
    first.until(lambda f: f["scene"])
    ask(server, path(server, "press/pause"), "POST")
    told = first.until(lambda f: f["paused"])
    first.close()
    again = Watching(server)
    frame = again.next()
    assert told["scene"] >= 1 and frame["paused"]
    assert (frame["scene"], frame["sentence"]) == (told["scene"], told["sentence"])
    ask(server, path(server, "press/play"), "POST")
    assert again.until(lambda f: not f["paused"])["scene"] >= told["scene"]
    again.close()


def test_when_nobody_watches_the_callers_hang_up(show, monkeypatch):
    monkeypatch.setattr(live_show, "UNATTENDED_S", 0.5)
    show.events.hold(2)
    stop, frames = threading.Event(), []
    thread = threading.Thread(target=show.run, args=(stop, frames.append, lambda: False), daemon=True)
    thread.start()
    until(lambda: show.events.note == "Nobody watched: the callers have hung up.", "they have hung up")
    stop.set()
    thread.join()
    assert show.events.load.ended
    show.events.hold(1)
    assert not show.events.load.ended


def test_on_aws_there_are_no_buttons_and_nobody_claims_to_know_where_a_call_is(endpoint):
    show = LiveShow(replace(endpoint, administer=None))
    text = page(show, nonce="n")
    assert "data-press" not in text.partition("<script")[0]
    assert not show.press("crash") and not show.press("play")
    show.events.hold(1)
    frame = until(lambda: next((f for f in [show.frame(0.0)] if "data-call" in f), ""), "a call is shown")
    assert "AWS does not tell which instance a call is on" in json.loads(frame)["html"]
    show.events.close()


def test_every_button_does_something_and_says_what(show):
    assert all(callable(getattr(show.events, name)) for name in BUTTONS)
    text = page(show, nonce="n")
    assert [name for name, (label, tip) in BUTTONS.items() if label not in text or tip not in text] == []
