"""The live view in a real JupyterLab in a real browser: start it, raise the load, see an instance appear, stop it.

In both package sets (`front_ends`); what was seen is left under ``out/pictures``, to be looked at.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from kit import endpoints
from kit.browser import browser_page, need_browser
from kit.front_ends import SETS, studio_space
from kit.waiting import until
from nbformat.v4 import new_code_cell, new_notebook

from dgsm_helpers.views.figures import palette

PICTURES = Path(__file__).resolve().parents[2] / "out" / "pictures"
ENDPOINT = "dg-browser"

CELLS = (
    f"""from dgsm_helpers import open_workbook
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.views.widgets.live_view import Live
from dgsm_helpers.views.widgets.load_control import LoadControl

wb = open_workbook("local", endpoint_name="{ENDPOINT}")
load = Load(wb)
view = Live(wb, load=load, every_s=0.5, window_s=7200)
view""",
    "LoadControl(wb, load, ceiling=20)",
    """from dgsm_helpers.views.figures import timeline
from dgsm_helpers.views.figures.show import show

show(timeline.lag_distribution([100.0, 200.0], origin="this test"))""",
    """import threading, time

def alive():
    return tuple(sum(t.name == name for t in threading.enumerate()) for name in ("dgsm-load", "dgsm-live"))

end = time.monotonic() + 120
while alive() != (1, 0) and time.monotonic() < end:
    time.sleep(0.1)
print("loads and loops:", alive())""",
)


@pytest.fixture
def endpoint(embedded, monkeypatch):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    with endpoints.scaled_endpoint(embedded.home, ENDPOINT) as wb:
        yield wb


@pytest.fixture(params=SETS)
def package_set(request):
    """Of a package set: its name, the interpreter of JupyterLab, and that of the kernel."""
    if request.param == "current":
        return request.param, sys.executable, sys.executable
    space = studio_space(request)
    return request.param, str(space.python), str(space.kernel)


@pytest.fixture
def lab(tmp_path, endpoint, package_set):
    """A JupyterLab of the package set whose folder holds one notebook; gives its address."""
    _, python, kernel_python = package_set
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(CELLS)]
    kernel = {"display_name": "Deepgram", "language": "python", "name": "deepgram"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "live.ipynb")
    (spec := tmp_path / "data" / "kernels" / "deepgram").mkdir(parents=True)
    argv = [kernel_python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({**kernel, "argv": argv}))
    settings = tmp_path / "settings"
    settings.mkdir()
    # No news pop-up over the page, and every cell in the page whether it is scrolled to or not.
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
        "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    }
    (settings / "overrides.json").write_text(json.dumps(overrides))
    # Without its server, the image's scheduler puts a dialogue over the page.
    scheduler = {"@jupyterlab/scheduler": True, "jupyter_scheduler": True}
    (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": scheduler}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password="),
        *(f"--ServerApp.root_dir={folder}", f"--LabApp.app_settings_dir={settings}"),
        "--LabApp.expose_app_in_browser=True",
    ]
    places = {"JUPYTER_CONFIG_DIR": "config", "IPYTHONDIR": "ipython", "JUPYTER_DATA_DIR": "data"}
    env = os.environ | {name: str(tmp_path / folder_name) for name, folder_name in places.items()}
    log = (tmp_path / "lab.log").open("wb")
    server = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{address}/api/status"), "JupyterLab answers")
        yield address
    finally:
        server.terminate()
        server.wait()
        log.close()


class Page:
    """The notebook in the browser."""

    def __init__(self, page, set_name):
        self.page, self.set_name = page, set_name
        self.output = page.locator(".jp-OutputArea-output")

    def run_all(self):
        """Run every cell, from top to bottom."""
        from playwright.sync_api import TimeoutError as NotYet

        last = self.page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
        before = last.inner_text()
        number = re.compile(rf"^(?!{re.escape(before)})\[\d+\]")
        for _ in range(5):  # a click that comes before the kernel is ready is lost
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_text("Run All Cells", exact=True).click()
            try:
                last.filter(has_text=number).wait_for(timeout=60_000)
                return
            except NotYet:
                continue
        self.picture("not-run")
        raise AssertionError("the cells did not run")

    def press(self, label):
        self.page.locator("button.jupyter-button", has_text=label).click()

    def sees(self, text):
        """Wait for a text among the outputs (cells' sources hold the same words)."""
        self.output.get_by_text(text).last.wait_for()

    def picture(self, name, *, dark=False, width=1280):
        self.page.set_viewport_size({"width": width, "height": 1500})
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        self.page.wait_for_selector(f"body[data-jp-theme-light='{'false' if dark else 'true'}']", state="attached")
        self.page.wait_for_timeout(500)
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{self.set_name}-{name}.png")


@pytest.fixture
def page(lab, package_set):
    with browser_page(viewport={"width": 1280, "height": 1500}) as page:
        page.goto(f"{lab}/lab/tree/live.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_selector("#jp-main-statusbar >> text=Idle")
        yield Page(page, package_set[0])


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=30).status == 200
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_demo_in_jupyterlab_from_start_to_the_new_instance_to_stop(package_set, request):
    need_browser()
    page = request.getfixturevalue("page")
    page.run_all()
    page.press("Start")
    page.sees("1 running, 1 desired")
    for _ in range(2):
        page.press("+ 5")
    page.sees(re.compile(r"10 of 10 streams open"))
    page.picture("load-raised")
    page.sees("2 running, 2 desired")
    page.sees(re.compile("high alarm: Setting desired instance count to 2"))
    page.picture("scaled-out")
    page.picture("scaled-out-dark", dark=True)
    page.picture("scaled-out-900", width=900)
    wide = "[...document.querySelectorAll('.widget-html-content > div')].some(d => d.scrollWidth > d.clientWidth + 1)"
    assert not page.page.evaluate(wide), "nothing but pictures and captions is scrolled sideways"
    page.picture("scaled-out-900-dark", width=900, dark=True)
    page.press("None")
    page.sees(re.compile(r"0 of 0 streams open"))
    page.press("Stop")
    page.page.locator("button.jupyter-button:disabled", has_text="Stop").wait_for()
    page.page.locator(".js-plotly-plot, .jp-RenderedSVG").first.wait_for()  # as SVG where JupyterLab has no plotly
    assert palette.INSTANCES in page.page.content()
    page.picture("stopped")
    page.press("Start")
    page.press("+ 1")
    page.sees(re.compile(r"1 of 1 streams open"))
    page.run_all()
    page.sees("loads and loops: (1, 0)")
