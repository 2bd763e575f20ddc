"""The live view in a real JupyterLab in a real browser: start it, raise the load, see an instance appear, stop it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dgsm_helpers.aws import cleanup, deploy, scaling
from dgsm_helpers.charts import palette
from dgsm_helpers.session import open_workbook

PICTURES = Path(__file__).resolve().parents[2] / "out" / "pictures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ENDPOINT = "dg-browser"

CELLS = (
    f"""from dgsm_helpers import open_workbook
from dgsm_helpers.load.runner import Load
from dgsm_helpers.widgets import Live, LoadControl

wb = open_workbook("local", endpoint_name="{ENDPOINT}")
load = Load(wb)
view = Live(wb, load=load, every_s=0.5)
view""",
    "LoadControl(wb, load, ceiling=20)",
    """from dgsm_helpers.aws import observe
from dgsm_helpers.charts import figures
from dgsm_helpers.charts.show import show

show(figures.instances_over_time(observe.instances(wb), origin="this test"))""",
)


def needs(missing):
    """Skip for what is not installed; in CI it must be there."""
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{missing} is missing, and CI must have it")
    if missing:
        pytest.skip(f"{missing} is missing")


@pytest.fixture
def endpoint(embedded, monkeypatch):
    monkeypatch.setenv("DGSM_HOME", str(embedded.home))
    wb = open_workbook("local", endpoint_name=ENDPOINT)
    deploy.deploy(wb, deploy.plan(wb))
    scaling.register(wb, min_capacity=1, max_capacity=4)
    scaling.apply(wb)
    yield wb
    cleanup.delete(wb)


@pytest.fixture
def lab(tmp_path, endpoint):
    """A JupyterLab whose folder holds one notebook; gives its address."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(CELLS)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "live.ipynb")
    settings = tmp_path / "settings"
    settings.mkdir()
    # No news pop-up over the page, and every cell in the page whether it is scrolled to or not.
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
        "@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    }
    (settings / "overrides.json").write_text(json.dumps(overrides))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password="),
        *(f"--ServerApp.root_dir={folder}", f"--LabApp.app_settings_dir={settings}"),
    ]
    places = {"JUPYTER_CONFIG_DIR": "config", "IPYTHONDIR": "ipython", "JUPYTER_DATA_DIR": "data"}
    env = os.environ | {name: str(tmp_path / folder_name) for name, folder_name in places.items()}
    log = (tmp_path / "lab.log").open("wb")
    server = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(lambda: urllib.request.urlopen(f"{address}/api/status", timeout=2).status == 200, 30)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)
        log.close()


@pytest.fixture
def page(lab):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1500})
        page.goto(f"{lab}/lab/tree/live.ipynb?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        page.wait_for_selector("#jp-main-statusbar >> text=Idle", timeout=60_000)
        yield page
        browser.close()


def _wait_for(condition, timeout_s):
    end = time.monotonic() + timeout_s
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(0.2)


def _run_all(page):
    for _ in range(3):  # a click that comes before the kernel is ready is lost
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        try:
            last = page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
            last.filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=30_000)
            return
        except Exception:
            continue
    raise AssertionError("the cells did not run")


def _picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_demo_in_jupyterlab_from_start_to_the_new_instance_to_stop(request):
    needs("" if CHROMIUM else "chromium")
    needs("" if find_spec("playwright") else "playwright")
    page = request.getfixturevalue("page")
    _run_all(page)
    output = page.locator(".jp-OutputArea-output")
    page.locator("button.jupyter-button", has_text="Start").click()
    output.get_by_text("1 running, 1 desired").wait_for(timeout=20_000)
    for _ in range(2):
        page.locator("button.jupyter-button", has_text="+ 5").click()
    output.get_by_text(re.compile(r"10 of 10 streams open")).wait_for(timeout=30_000)
    _picture(page, "jupyterlab-load-raised")
    output.get_by_text("2 running, 2 desired").wait_for(timeout=60_000)
    output.get_by_text(re.compile("high alarm: Setting desired instance count to 2")).first.wait_for(timeout=20_000)
    _picture(page, "jupyterlab-scaled-out")
    page.locator("button.jupyter-button", has_text="None").click()
    output.get_by_text(re.compile(r"0 of 0 streams open")).wait_for(timeout=30_000)
    page.locator("button.jupyter-button", has_text="Stop").click()
    page.locator("button.jupyter-button:disabled", has_text="Stop").wait_for(timeout=10_000)
    page.locator(".js-plotly-plot").wait_for(timeout=10_000)
    assert palette.INSTANCES in page.content()
    _picture(page, "jupyterlab-stopped")
