"""Local seconds against those of the machine's clock."""

from __future__ import annotations

from dgsm_helpers.rules.local_time import LocalTime


def test_local_time_begins_at_its_origin_and_runs_faster_from_there():
    local_time = LocalTime(speed=30.0, origin_s=1000.0, started_s=77.0)
    assert local_time.local_s(77.0) == 1000.0
    assert local_time.local_s(79.0) == 1060.0


def test_a_local_delay_is_shorter_on_the_wall():
    assert LocalTime(speed=30.0).wall_delay_s(60.0) == 2.0
