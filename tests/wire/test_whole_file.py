"""Files are written whole, or what was there stays and nothing else is left."""

from __future__ import annotations

import os
import resource
import stat
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from kit import endpoints
from kit.command_line import run_line

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import open_workbook
from dgsm_helpers.settings import settings_file
from dgsm_helpers.wire.whole_file import write_whole


@contextmanager
def full_disk():
    """Within it no file may be longer than some bytes, as on a disk that fills up in the middle of one."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.parametrize("private", [True, False])
def test_a_disk_that_fills_up_leaves_what_was_there_and_nothing_else(tmp_path, private):
    path = tmp_path / "page.html"
    write_whole(path, "before", private=private)
    with full_disk(), pytest.raises(OSError, match="large"):
        write_whole(path, "x" * 100_000, private=private)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["page.html"]


def test_settings_that_do_not_fit_leave_no_file_that_every_command_would_stumble_over(tmp_path):
    with full_disk(), pytest.raises(OSError, match="large"):
        settings_file.write({"endpoint": "e" * 60, "listing": "arn:aws:" + "x" * 2000}, tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_export_that_does_not_fit_is_a_line_and_leaves_no_half_script(wb, tmp_path):
    with full_disk():
        ended = run_line(wb.home, "export", wb.endpoint_name, "--out", str(tmp_path / "again.sh"))
    assert ended.exit_code == 2 and ended.output.startswith("dgsm: ") and ended.output.count("\n") == 1
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def wb(embedded):
    made = endpoints.scaled(open_workbook("local", home=embedded.home, endpoint_name="whole-file"))
    yield made
    deletion.delete(made)


def test_what_a_link_leads_to_is_written_and_keeps_its_mode(tmp_path):
    page, link = tmp_path / "page.html", tmp_path / "link.html"
    page.write_text("before")
    page.chmod(0o640)
    link.symlink_to(page)
    write_whole(link, "after")
    assert link.is_symlink() and page.read_text() == "after"
    assert stat.S_IMODE(page.stat().st_mode) == 0o640


def test_a_device_stays_one():
    write_whole(Path("/dev/null"), "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "text")
    reader.join()
    assert read == ["text"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_what_is_private_is_the_owners_alone_and_follows_no_link(tmp_path):
    outside, path = tmp_path / "outside", tmp_path / "state.json"
    outside.write_text("mine")
    path.symlink_to(outside)
    write_whole(path, "text", private=True)
    assert outside.read_text() == "mine" and not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_of_any_length_can_be_written(tmp_path):
    write_whole(tmp_path / ("n" * 250 + ".html"), "text")
    assert len(os.listdir(tmp_path)) == 1


def test_a_file_that_cannot_be_made_is_named_as_it_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "none" / "page.html", "text")
    assert caught.value.filename == str(tmp_path / "none" / "page.html")
