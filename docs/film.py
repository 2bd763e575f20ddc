"""Film ``dgsm show`` telling its story into docs/story.gif, the README's moving picture.

An embedded AWS of its own, an endpoint that scales, the page in Chromium: a picture each second, and ten of them a
second in the film.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.session import open_workbook

FILM = Path(__file__).resolve().parent / "story.gif"
ENDPOINT = "deepgram-demo"
VIEWPORT = {"width": 960, "height": 720}
WIDTH, COLOURS, FRAME_MS, LAST_MS = 800, 96, 100, 3000


@contextmanager
def shown(home: Path) -> Iterator[str]:
    """``dgsm show`` on an endpoint that scales: its address."""
    wb = open_workbook("local", home=home, endpoint_name=ENDPOINT)
    deployment.deploy(wb, deployment_plan.plan(wb))
    registration.register(wb, min_capacity=1, max_capacity=4)
    registration.apply(wb)
    command = [sys.executable, "-m", "dgsm_helpers", "show", ENDPOINT, "--no-open"]
    with subprocess.Popen(
        command, env=os.environ | {"DGSM_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        yield next(found[0].rstrip(";") for line in process.stdout if (found := re.search(r"http://127\S+", line)))
        process.terminate()


def frames(page: Page) -> Iterator[Image.Image]:
    """A picture each second, from the click to the end of the story."""
    page.locator('[data-phase="serving"]').wait_for(state="attached")
    page.get_by_role("button", name="tell the story").click()
    page.locator('body[data-scene="1"]').wait_for()
    while page.locator('body[data-scene="0"]').count() == 0:
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        yield picture.resize((WIDTH, WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)
        page.wait_for_timeout(1000)


def main() -> None:
    """Write the film."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        local.up(home)
        try:
            with shown(home) as address:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page(viewport=VIEWPORT, color_scheme="light")
                page.set_default_timeout(300_000)
                page.goto(address)
                pictures = list(frames(page))
                browser.close()
        finally:
            local.down(home)
    # Colours of the whole story: of one picture, those of what has not happened yet would be missing.
    some = pictures[:: max(len(pictures) // 8, 1)]
    together = Image.new("RGB", (WIDTH, some[0].height * len(some)))
    for number, picture in enumerate(some):
        together.paste(picture, (0, number * picture.height))
    palette = together.quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    lengths = [FRAME_MS] * len(others) + [LAST_MS]
    first.save(FILM, save_all=True, append_images=others, duration=lengths, loop=0, optimize=True)
    print(f"{FILM.name}: {len(pictures)} pictures, {FILM.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
