"""The short form of `make soak`: every call is accounted for, and nothing of the server grows."""

from __future__ import annotations

import pytest
from kit.soak import soak


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_call_is_accounted_for_while_the_endpoint_scales_and_faults_strike(tmp_path):
    done = soak(tmp_path, seconds=150, calls=12)
    print(done.table())
    assert list(done.problems()) == []
    assert len(done.ended) > 12 and done.faults.total() >= 6
    assert sum(len(record.hand_overs) for record in done.ended) > 6
    said, lost, extra = done.words
    assert said > 500 and lost == 0 and extra == 0
