"""The live view and the load in a real kernel: clicks in any thread, cells run again, interrupts."""

from __future__ import annotations

import ast
import json
import os

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from kit.front_ends import SETS, python_of
from kit.waiting import until

SET_UP = """
import threading, time
from dgsm_helpers import open_workbook
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.views.widgets.live_view import Live
from dgsm_helpers.views.widgets.load_control import LoadControl

def threads(name):
    return sum(thread.name == name for thread in threading.enumerate())

wb = open_workbook("local", endpoint_name="dg-widgets")
"""
PARTS = "; (start, stop, _, window, _), picture = view.widget.children[0].children, view.widget.children[1]"
BEGIN = "load = Load(wb); load.set(1); view = Live(wb, load=load, every_s=0.2).start()" + PARTS


class Kernel:
    """A kernel as a notebook's page talks to it."""

    def __init__(self, manager):
        self.manager, self.client = manager, manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=240)

    def send(self, code, *, cell=None, expressions=None):
        """Ask for ``code`` to be run, in the cell of that id; does not wait."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": expressions or {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def reply(self, message_id):
        """The answer to a request, once the kernel is idle again: it answers before it can be interrupted as idle."""
        answer = self._message(self.client.get_shell_msg, message_id)
        while self._message(self.client.get_iopub_msg, message_id).get("execution_state") != "idle":
            pass
        return answer

    def _message(self, take, message_id):
        """The content of the next message of a channel that belongs to a request."""
        while True:
            found = take(timeout=240)
            if found["parent_header"].get("msg_id") == message_id:
                return found["content"]

    def run(self, code, *, cell=None):
        """Run a cell that must not fail."""
        content = self.reply(self.send(code, cell=cell))
        assert content["status"] == "ok", content["traceback"]

    def value(self, expression):
        """What ``expression`` is now."""
        content = self.reply(self.send("", expressions={"it": expression}))["user_expressions"]["it"]
        assert content["status"] == "ok", content
        return ast.literal_eval(content["data"]["text/plain"])

    def comes(self, expression):
        """Wait until ``expression`` is true."""
        until(lambda: self.value(f"bool({expression})"), expression, every_s=0.1)

    def subshell(self):
        """The id of a new thread of the kernel, in which newer front ends let widgets' callbacks run."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        return self.client.get_control_msg(timeout=240)["content"]["subshell_id"]

    def tell(self, widget, data, subshell):
        """What the page sends when a widget is touched."""
        content = {"comm_id": self.value(f"{widget}.model_id"), "data": data}
        message = self.client.session.msg("comm_msg", content)
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def click(self, button, subshell=None):
        """Press a button."""
        self.tell(button, {"method": "custom", "content": {"event": "click"}}, subshell)


@pytest.fixture(scope="module", params=SETS)
def shared_kernel(request, tmp_path_factory, scaling_endpoint, embedded):
    python = python_of(request.param, request)
    specs = tmp_path_factory.mktemp("kernels")
    (specs / "set").mkdir()
    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": request.param, "language": "python"}
    (specs / "set" / "kernel.json").write_text(json.dumps(spec))
    manager = KernelManager(
        kernel_name="set", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False)
    )
    home = {"DGSM_HOME": str(embedded.home), "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython"))}
    manager.start_kernel(env=os.environ | home)
    try:
        made = Kernel(manager)
        made.run(SET_UP)
        yield made
        made.client.stop_channels()
    finally:
        manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(shared_kernel):
    """The kernel with nothing going on in it, before and after."""
    yield shared_kernel
    shared_kernel.run("view.stop(); load.stop()")
    shared_kernel.comes("threads('dgsm-live') == threads('dgsm-load') == 0")


@pytest.mark.parametrize("thread", ["main", "subshell"])
def test_widgets_may_be_touched_from_any_thread_of_the_kernel(kernel, thread):
    kernel.run(
        "load = Load(wb); view = Live(wb, load=load, every_s=0.2); control = LoadControl(wb, load, ceiling=3)" + PARTS
    )
    subshell = kernel.subshell() if thread == "subshell" else None
    kernel.click("start", subshell)
    kernel.comes("view.running and '<svg' in picture.value")
    kernel.click("control.widget.children[2]", subshell)
    kernel.comes("'3 of 3 streams open' in picture.value")
    kernel.tell("window", {"method": "update", "state": {"index": 0}, "buffer_paths": []}, subshell)
    kernel.comes("'15 min ago' in picture.value")
    kernel.click("stop", subshell)
    kernel.comes("not view.running and stop.disabled and threads('dgsm-live') == 0")


def test_frames_are_shown_as_in_any_notebook_although_the_view_refreshes_in_a_thread(kernel):
    kernel.run(BEGIN, cell="frames")
    kernel.comes("'<svg' in picture.value")
    # What pandas chooses in a notebook; where it takes one for a terminal it chooses 0, the terminal's width.
    assert kernel.value("__import__('pandas').get_option('display.max_columns')") == 20


def test_running_a_cell_again_leaves_one_view_and_one_load(kernel):
    for _ in range(3):
        kernel.run(BEGIN, cell="a")
    kernel.comes("threads('dgsm-live') == threads('dgsm-load') == 1")
    kernel.comes("'1 of 1 streams open' in picture.value")
    assert kernel.value("view.running")


def test_running_a_cell_again_ends_the_view_that_it_only_started_by_a_click(kernel):
    cell = "load = Load(wb); view = Live(wb, load=load, every_s=0.2)" + PARTS
    kernel.run(cell, cell="b")
    kernel.click("start")
    kernel.comes("threads('dgsm-live') == 1")
    kernel.run(cell, cell="b")
    kernel.comes("threads('dgsm-live') == 0 and threads('dgsm-load') == 1")


def test_two_loads_of_one_cell_live_side_by_side(kernel):
    kernel.run("load, other = Load(wb), Load(wb)", cell="c")
    assert kernel.value("threads('dgsm-load')") == 2
    kernel.run("other.stop()")
    kernel.run("view = Live(wb)")


@pytest.mark.parametrize(
    "busy", ["time.sleep(600)", "import asyncio; await asyncio.sleep(2)", "view.wait_until(running_instances=4)", ""]
)
def test_interrupting_the_kernel_stops_the_view_whether_a_cell_runs_or_not(kernel, busy, tmp_path):
    # A cell that awaits is cancelled by ipykernel when it wakes up next, hence the short one.
    kernel.run(BEGIN, cell="a")
    kernel.comes("view.running and '<svg' in picture.value")
    begun = tmp_path / "begun"
    request = kernel.send(f"open({str(begun)!r}, 'w').close(); {busy}") if busy else None
    if request:
        until(begun.exists, "the cell has begun")
    kernel.manager.interrupt_kernel()
    if request:
        assert kernel.reply(request)["status"] == "error"
    kernel.comes("not view.running and threads('dgsm-live') == 0")
    assert kernel.value("load.wanted") == 1


def test_an_interrupt_stops_no_view_that_is_started_after_it(kernel):
    kernel.run(BEGIN, cell="a")
    kernel.manager.interrupt_kernel()
    kernel.comes("not view.running")
    kernel.run("view.start()")
    kernel.comes("view.running and threads('dgsm-live') == 1")
    kernel.manager.interrupt_kernel()
    kernel.comes("not view.running")


FIND = "load = Load.find(wb); view = Live.find(wb, load=load, every_s=0.2)" + PARTS


def test_running_a_cell_again_that_finds_gets_back_the_load_and_the_view_that_went_on(kernel):
    kernel.run(FIND + "; load.set(1); view.start(); first = (load, view)", cell="d")
    kernel.comes("'1 of 1 streams open' in picture.value")
    for _ in range(2):
        kernel.run(FIND, cell="d")
        assert kernel.value("(load, view) == first and view.running and load.wanted == 1")
    kernel.run("del first")


def test_a_load_that_is_found_goes_on_although_its_view_was_stopped_and_is_made_anew(kernel):
    kernel.run(FIND + "; load.set(1); view.start(); first = (load, view)", cell="e")
    kernel.run("view.stop()")
    kernel.run(FIND, cell="e")
    assert kernel.value("load is first[0] and view is not first[1] and not load.ended")
    kernel.run("load = Load(wb); view = Live(wb, load=load)", cell="e")
    assert kernel.value("first[0].ended and not load.ended")
    kernel.run("del first")


def test_who_waits_in_a_cell_sees_a_clock_and_a_cell_that_is_over_soon_shows_none(kernel):
    kernel.run("from dgsm_helpers.progress.progress_line import ProgressLine; view = Live(wb); load = Load(wb)")
    code = (
        "with ProgressLine() as line:\n    for n in range({n}): time.sleep(0.1); line.show(f'{{n}} of {n}', left_s=60)"
    )
    assert shown(kernel, code.format(n=3)) == []
    texts = shown(kernel, code.format(n=30))
    assert texts[0] is None, "an empty place"
    assert any(" of 30 · about 60 s more" in text and text.startswith("0:02") for text in texts[1:])
    assert texts[-1] == "", "what is saved does not depend on how long it took"


def shown(kernel, code):
    """The texts that running the code displays, one in the place of the other."""
    message_id, texts = kernel.send(code), []
    while True:
        message = kernel.client.get_iopub_msg(timeout=240)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] in ("display_data", "update_display_data"):
            texts.append(message["content"]["data"].get("text/plain"))
        if message["content"].get("execution_state") == "idle":
            return texts
