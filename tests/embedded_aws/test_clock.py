"""Local time goes with the wall's, and is moved on beat by beat while no request is in flight."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest
from kit.waiting import until

from dgsm_helpers.places import running_server
from dgsm_helpers.wire.moved_time import MovedTime
from embedded_aws.clock import BEAT_S, Clock, Heartbeat


@pytest.fixture
def clock():
    """Local time that hardly moves by itself."""
    return Clock.starting_now(0.001)


def test_every_beat_is_carried_out_in_order_and_none_twice(clock):
    beats: list[float] = []
    seen: list[float] = []
    heartbeat = Heartbeat(clock, (beats.append, lambda beat_s: seen.append(clock.now_s() - beat_s)))
    began_s = clock.now_s()
    for seconds in (4.0, 0.0, 9.0, 1800.0, 7.5):
        assert heartbeat.advance(seconds) == 0
    ended_s = clock.now_s()
    assert ended_s - began_s == pytest.approx(1820.5, abs=0.5)
    first = began_s // BEAT_S + 1
    assert beats == [BEAT_S * (first + number) for number in range(int(ended_s // BEAT_S - first) + 1)]
    assert seen == pytest.approx([0.0] * len(beats), abs=0.5), "at a beat it is the time of the beat"


def test_a_request_in_flight_holds_local_time_to_the_walls(clock):
    beats: list[float] = []
    heartbeat = Heartbeat(clock, (beats.append,), held=lambda: len(beats) >= 3)
    assert heartbeat.advance(600.0) == pytest.approx(600.0 - 25.0, abs=6.0)  # the third beat is 20 to 30 s ahead
    assert len(beats) == 3
    assert heartbeat.advance(600.0) == pytest.approx(600.0, abs=0.5)
    assert len(beats) == 3


def test_a_step_that_fails_stops_neither_the_others_nor_time(clock, caplog):
    beats: list[float] = []

    def fail(_: float) -> None:
        raise ValueError("no")

    Heartbeat(clock, (fail, beats.append)).advance(50.0)
    assert len(beats) == 5
    assert len(caplog.records) == 1


def test_the_thread_goes_on_from_where_time_was_moved_to():
    clock = Clock.starting_now(600.0)
    beats: list[float] = []
    heartbeat = Heartbeat(clock, (beats.append,))
    heartbeat.start()
    movers = [threading.Thread(target=heartbeat.advance, args=(300.0,)) for _ in range(3)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    so_far = len(beats)
    until(lambda: len(beats) > so_far + 5, "the heartbeat beats on")
    heartbeat.stop()
    assert beats == [beats[0] + BEAT_S * number for number in range(len(beats))]


@pytest.mark.parametrize("step_s", [-600.0, -86_400.0, 600.0, 1e9])
def test_local_time_goes_on_as_before_when_the_walls_is_set(monkeypatch, step_s):
    """An NTP step, a machine that is restored, a user who sets the clock."""
    clock = Clock.starting_now(600.0)
    beats: list[float] = []
    heartbeat = Heartbeat(clock, (beats.append,))
    heartbeat.start()
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() + step_s)
    before_s, so_far = clock.now_s(), len(beats)
    until(lambda: len(beats) > so_far + 3, "the heartbeat beats on")
    heartbeat.stop()
    assert 0 < clock.now_s() - before_s < 600.0 * 60
    assert beats == [beats[0] + BEAT_S * number for number in range(len(beats))]


def test_a_client_reads_the_same_time_whatever_the_wall_shows(monkeypatch, embedded):
    wall = time.time
    monkeypatch.setattr("time.time", lambda: wall() - 3600.0)
    shown = datetime.fromisoformat(running_server.admin(embedded.info, "GET", "status")["now"])
    assert running_server.clock(embedded.info)() - shown.timestamp() == pytest.approx(0, abs=120.0 * 60)


def test_every_process_sees_by_how_much_time_was_moved(tmp_path):
    server = MovedTime.create(tmp_path / "moved")
    client = MovedTime(tmp_path / "moved")
    assert client.seconds == 0
    server.add(1234.5)
    server.add(0.25)
    assert client.seconds == 1234.75
    assert MovedTime().seconds == 0


@pytest.mark.parametrize("damage", [b"", b"1234", b"\xff" * 8, b"\x00" * 6 + b"\xf0\x7f"])
def test_a_file_of_moved_time_that_is_damaged_moves_nobody(tmp_path, damage):
    file = tmp_path / "moved"
    server = MovedTime.create(file)
    server.add(60.0)
    client = MovedTime(file)
    assert client.seconds == 60
    file.write_bytes(damage)
    assert client.seconds == server.seconds == 60
    server.add(1.0)
    assert client.seconds == server.seconds == 61
