"""Waiting: a clock, the last state and an estimate, where somebody sees them; nothing where nobody does."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import pytest

from dgsm_helpers.load.transport.sdk_transport import stream_recording
from dgsm_helpers.progress import progress_line
from dgsm_helpers.progress.progress_line import ProgressLine, clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def wall(monkeypatch):
    """The wall's clock, moved on by the test."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: now.s)
    return now


@pytest.fixture
def terminal(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(progress_line, "sys", SimpleNamespace(stderr=out))  # pytest puts its own in sys.stderr
    return out


def lines(out):
    return out.getvalue().split("\r\x1b[K")[1:]


def test_a_wait_shows_a_clock_the_state_and_an_estimate_in_one_line(wall, terminal):
    with ProgressLine() as line:
        line.show("0 of 3 running", left_s=200)
        wall.s += 42
        line.show("0 of 3 running", left_s=158)
        wall.s += 120
        line.show("2 of 3 running", left_s=38)
        line.show("2 of 3 running", left_s=-1)
        line.show("3 of 3 running")
    assert lines(terminal) == [
        "0:42 · 0 of 3 running · about 3 min more",
        "2:42 · 2 of 3 running · about 38 s more",
        "2:42 · 2 of 3 running · longer than usual",
        "2:42 · 3 of 3 running",
        "3 of 3 running · took 2:42\n",
    ]


def test_what_is_over_soon_shows_nothing(wall, terminal):
    with ProgressLine() as line:
        line.show("nearly there")
        wall.s += 1.9
        line.show("there")
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("nobody", ["a pipe", "a thread", "other lines"])
def test_where_nobody_sees_it_nothing_is_written(wall, terminal, monkeypatch, nobody):
    if nobody == "a pipe":
        monkeypatch.setattr(terminal, "isatty", lambda: False, raising=False)

    def wait():
        with ProgressLine(in_terminal=nobody != "other lines") as line:
            wall.s += 60
            line.show("starting")

    if nobody == "a thread":
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    else:
        wait()
    assert terminal.getvalue() == ""


def test_a_state_from_outside_moves_no_cursor_and_takes_one_line(wall, terminal):
    with ProgressLine() as line:
        wall.s += 5
        line.show("waiting \x1b[2J for\nml.g6 " + "x" * 500)
    first, *_ = lines(terminal)
    assert "\\x1b[2J" in first and len(first) < 200


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3725, "62:05")])
def test_a_clock_counts_minutes_and_seconds(seconds, shown):
    assert clock(seconds) == shown


def test_what_a_recording_says_appears_as_it_is_heard(endpoint, terminal):
    stream_recording(endpoint, duration_s=9)
    told = [line.partition(" · ")[2] for line in lines(terminal)]
    words = [len(text.split()) for text in told[:-1]]
    assert len(set(words)) > 3, "it grows"
    assert any("And so" in text and "fellow Americans" in text for text in told)
    assert "took 0:" in told[-1]
