"""A web page whose name was led to this machine ("DNS rebinding"), in a real browser: every server refuses it.

The page itself comes from its author, before the name is led here. Whatever it then asks goes to the embedded AWS under
the page's own name, so that the browser lets it read the answer.
"""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from kit.browser import browser_page, need_browser

from dgsm_helpers.places import running_server
from dgsm_helpers.views.pages.show_page import ShowServer
from dgsm_helpers.views.show_events import BUTTONS
from embedded_aws.gateway import callers

REBOUND, OTHER = "rebound.example", "elsewhere.example"
LED_HERE = (
    f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
    # What newer browsers refuse by themselves is let through: here the servers are asked, for every browser.
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
)
FAULT = '{"kind": "crash", "endpoint": "x"}'
ASK = """async ([path, method, headers, body]) => {
    const answer = await fetch(path, {method, headers, body})
    return [answer.status, await answer.text()]
}"""
SEND = "async ([address, body]) => (await fetch(address, {method: 'POST', mode: 'no-cors', body})).type"
TARGET = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
ASKED = {
    "the administration": ("/_dgsm/status", "GET", {}, None),
    "a fault": ("/_dgsm/faults", "POST", {"Content-Type": "application/json"}, FAULT),
    "a call of AWS's": ("/", "POST", TARGET, "{}"),
    "moto's back door": ("/moto-api/reset", "POST", {}, ""),
}


@pytest.fixture(scope="module", autouse=True)
def _browser():
    need_browser()


def opened(page, url: str) -> None:
    """Open ``url`` as its author serves it."""
    page.route(url, lambda route: route.fulfill(body="<p>a page</p>", content_type="text/html"))
    page.goto(url)


@pytest.fixture(scope="module")
def page():
    with browser_page(*LED_HERE, ignore_https_errors=True) as made:
        yield made


def rebound(url: str) -> str:
    """The address of a server of ours under the page's name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{REBOUND}:{parts.port}"


@pytest.mark.parametrize("what", ASKED)
def test_a_script_of_a_rebound_page_reads_a_refusal_and_changes_nothing(page, embedded, what):
    opened(page, rebound(embedded.info.control_url) + "/page")
    path, method, headers, body = ASKED[what]
    status, text = page.evaluate(ASK, [path, method, headers, body])
    assert (status, text.strip()) == (403, callers.REFUSAL)
    assert running_server.admin(embedded.info, "GET", "faults") == []


@pytest.mark.parametrize("path", ["/endpoints/demo/invocations", "/endpoints/demo/invocations-bidirectional-stream"])
def test_the_runtime_refuses_it_as_well(page, embedded, path):
    opened(page, rebound(embedded.info.runtime_url) + "/page")
    status, text = page.evaluate(ASK, [path, "POST", {}, "x"])
    assert status == 403 and callers.REFUSAL in text


@pytest.mark.parametrize("address", ["control_url", "runtime_url"])
def test_a_rebound_name_in_the_address_bar_shows_the_refusal(page, embedded, address):
    answer = page.goto(rebound(getattr(embedded.info, address)) + "/_dgsm/status")
    assert answer.status == 403
    assert callers.REFUSAL in page.inner_text("body")


def test_a_page_of_elsewhere_that_sends_without_reading_changes_nothing(page, embedded):
    """Its name is its own; what it sends needs no leave of the browser's."""
    opened(page, f"http://{OTHER}/page")
    control = embedded.info.control_url
    assert page.evaluate(SEND, [f"{control}/_dgsm/faults", FAULT]) == "opaque"
    assert running_server.admin(embedded.info, "GET", "faults") == []


def test_the_page_of_a_show_refuses_it_even_with_its_token(page):
    """Nothing but the token keeps others from its buttons, were the name not looked at."""
    pressed = []
    show = SimpleNamespace(run=lambda stop, *_: stop.wait(), press=lambda name: pressed.append(name) or True)
    with ShowServer(show) as server:
        token = urlsplit(server.address).path
        opened(page, rebound(server.address) + "/page")
        for path, method in (
            (token, "GET"),
            (f"{token}frames", "GET"),
            (f"{token}press/{next(iter(BUTTONS))}", "POST"),
        ):
            assert page.evaluate(ASK, [path, method, {}, None])[0] == 403
    assert pressed == []
