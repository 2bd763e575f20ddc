"""A command killed at any moment, and the next one: nothing that bills is unaccounted for, and it is finished."""

from __future__ import annotations

import os
import random

import pytest
from kit import endpoints
from kit.reliability import NAME, STEPS, account, in_child, seconds_of

from dgsm_helpers import local
from dgsm_helpers.aws.account import deletion
from dgsm_helpers.session import open_workbook

KILLS = int(os.environ.get("KILLS", "14"))
"""How many that strike before the end; by hand 200: ``KILLS=200 pytest -m slow tests/faults/test_kills.py``."""
CHANGING = [step for step in STEPS if not step.reads]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_command_killed_at_a_random_moment_is_accounted_for_and_finished_by_the_next(tmp_path):
    local.up(tmp_path, speed=600)
    wb = open_workbook("local", home=tmp_path, endpoint_name=NAME)
    whole, takes_s, number, killed = {}, {}, 0, 0
    try:
        for step in CHANGING:
            takes_s[step.name] = seconds_of(tmp_path, step)
            whole[step.name] = account(wb)
        rng = random.Random(KILLS)
        while killed < KILLS:
            step = CHANGING[number % len(CHANGING)]
            ended, said = in_child(tmp_path, step, ends_after_s=rng.uniform(0.01, takes_s[step.name]))
            assert ended in ("SIGALRM", "0", "1"), said
            if ended == "SIGALRM":
                killed += 1
            else:  # it was quicker than it was measured to be
                takes_s[step.name] *= 0.7
            listed = {item.name for item in deletion.find(wb).items}
            assert set(endpoints.names(wb)) <= listed, f"kill {number} at {step.name}"
            done = account(wb) == whole[step.name]
            again, said = in_child(tmp_path, step)
            # What was killed in its last moments has nothing left to do, and may say so.
            assert done or again in ("0", "1"), f"after kill {number} at {step.name}: {said}"
            assert account(wb) == whole[step.name], f"after kill {number} at {step.name}"
            number += 1
        deletion.delete(wb)
        assert endpoints.names(wb) == []
    finally:
        local.down(tmp_path)
