"""Other processes: whether one runs, and a folder that one at a time works in."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dgsm_helpers.processes.other_processes import alive, locked


def test_a_process_is_alive_until_it_has_ended():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert alive(process.pid) and alive(os.getpid())
    process.communicate(b"\n")
    assert not alive(process.pid)


def test_a_child_that_has_ended_and_that_nobody_has_waited_for_is_not_alive():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not alive(child)


def test_a_folder_is_made_and_is_one_processs_at_a_time(tmp_path):
    folder = tmp_path / "new" / "folder"
    taken = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with locked(folder), pytest.raises(subprocess.CalledProcessError):
        subprocess.run([sys.executable, "-c", taken, folder], check=True, capture_output=True)
    subprocess.run([sys.executable, "-c", taken, folder], check=True)
    assert list(folder.iterdir()) == [], "no lock file stays"
