"""``dgsm show`` in a real browser: the story to its end, calls that turn red and green again, a tab that comes back.

What was seen is left under ``out/pictures``, to be looked at.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kit import endpoints
from kit.browser import browser_page, need_browser
from kit.waiting import AT_MOST_S, until

from dgsm_helpers import local

PICTURES = Path(__file__).resolve().parents[2] / "out" / "pictures"
ENDPOINT = "dg-show"
LATE, IN_TIME = '[data-call][data-late="true"]', '[data-call][data-late="false"]'


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The state folder of an embedded AWS at its usual speed, with an endpoint that scales."""
    need_browser()
    folder = tmp_path_factory.mktemp("shown")
    local.up(folder)
    with endpoints.scaled_endpoint(folder, ENDPOINT):
        yield folder
    local.down(folder)


@pytest.fixture(scope="module")
def address(home, tmp_path_factory):
    """Where ``dgsm show`` says that its page is."""
    log = tmp_path_factory.mktemp("show") / "show.log"
    command = [sys.executable, "-m", "dgsm_helpers.cli.main", "show", ENDPOINT, "--no-open"]
    env = os.environ | {"DGSM_HOME": str(home)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        yield until(lambda: re.search(r"http://127\S+", log.read_text()), f"{command} says its address")[0].rstrip(";")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(AT_MOST_S)
    assert process.returncode == 0, log.read_text()


def picture(page, name, *, width, dark):
    page.set_viewport_size({"width": width, "height": 1100})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.wait_for_timeout(300)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"show-{name}-{width}{'-dark' if dark else ''}.png")


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_story_plays_to_its_end_and_calls_turn_red_and_green_again(address):
    with browser_page(viewport={"width": 1280, "height": 1100}) as page:
        problems = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: problems.append(request.url) if "127.0.0.1" not in request.url else None)
        page.goto(address)
        page.locator('[data-phase="serving"]').wait_for(state="attached")
        page.get_by_role("button", name="tell the story").click()
        page.locator('body[data-scene="1"]').wait_for()
        page.locator(LATE).first.wait_for(state="attached")
        late = page.locator(LATE).first.get_attribute("data-call")
        picture(page, "late", width=1280, dark=False)
        picture(page, "late", width=900, dark=True)
        page.get_by_role("button", name="pause the story").click()
        page.get_by_role("button", name="go on").click()
        page.locator('[data-phase="serving"]').nth(1).wait_for(state="attached")
        page.locator(f'[data-call="{late}"][data-late="false"]').wait_for(state="attached")
        until(lambda: page.locator(LATE).count() == 0 and page.locator(IN_TIME).count() > 9, "all calls are in time")
        picture(page, "shared", width=1280, dark=True)
        picture(page, "shared", width=900, dark=False)
        page.get_by_text("That is all.").wait_for()
        page.locator('body[data-scene="0"]').wait_for()
        picture(page, "end", width=1280, dark=False)
        assert page.locator('[data-phase="serving"]').count() == 1
        assert page.get_by_role("button", name="tell the story").is_visible()
        assert problems == []


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_tab_that_was_closed_finds_the_show_again(address):
    with browser_page(viewport={"width": 900, "height": 1100}) as page:
        page.goto(address)
        page.get_by_role("button", name="morning rush").click()
        page.get_by_text("The morning rush: up to").wait_for()
        page.locator("[data-call]").nth(5).wait_for(state="attached")
    with browser_page(viewport={"width": 900, "height": 1100}) as page:
        page.goto(address)
        page.get_by_text("The morning rush: up to").wait_for()
        page.locator("[data-call]").nth(5).wait_for(state="attached")
        page.locator('table[aria-label="captions"]').wait_for()
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, "the page is scrolled sideways"
        page.get_by_role("button", name="quiet again").click()
        page.get_by_text("Quiet again: 3 callers.").wait_for()
        picture(page, "rush", width=900, dark=False)
