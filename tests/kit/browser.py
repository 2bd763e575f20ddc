"""The system's browser, driven by playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from kit.client_environments import missing
from kit.waiting import AT_MOST_S

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def need_browser() -> None:
    """A test without a browser is skipped; in CI it fails."""
    if find_spec("playwright") is None:
        missing("playwright is missing")
    if CHROMIUM is None:
        missing("chromium is missing")


@contextmanager
def browser_page(*flags: str, **settings: Any) -> Iterator[Page]:
    """A page in a browser of its own, begun with ``flags``; ``settings`` are playwright's of a new page.

    Nothing that is asked of it has to be done in the half minute that playwright gives: a busy machine takes longer.
    """
    need_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags], timeout=1000 * AT_MOST_S)
        page = browser.new_page(**settings)
        page.set_default_timeout(1000 * AT_MOST_S)
        yield page
        browser.close()
