"""Work that may hang, and processes that none may outlive."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading

import psutil
import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.processes.background import in_background


def test_the_outcome_comes_as_a_future():
    assert in_background(lambda: 42).result(AT_MOST_S) == 42
    with pytest.raises(ValueError, match="no number"):
        in_background(lambda: int("no number")).result(AT_MOST_S)


def test_work_that_never_ends_keeps_no_process_alive():
    script = (
        "import threading\n"
        "from dgsm_helpers.processes.background import in_background\n"
        "in_background(threading.Event().wait)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


CHILD = """
import multiprocessing, sys, threading
from dgsm_helpers.processes.background import end_with_parent

def work():
    end_with_parent()
    threading.Event().wait()

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    print(child.pid, flush=True)
    threading.Event().wait()
"""


def test_a_child_ends_when_its_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(CHILD)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    until(lambda: not psutil.pid_exists(child), "the child has ended")


def test_a_process_without_a_parent_of_ours_goes_on():
    assert multiprocessing.parent_process() is None
    before = threading.active_count()
    from dgsm_helpers.processes.background import end_with_parent

    end_with_parent()
    assert threading.active_count() == before
