"""Embedded AWS that start side by side: each has a port, and none the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from embedded_aws.listening import listen, listen_or_elsewhere

AT_ONCE = 16


def test_those_that_start_at_once_have_a_port_each_and_one_the_preferred():
    with listen() as free:
        preferred = free.getsockname()[1]
    together = Barrier(AT_ONCE)

    def start(_):
        together.wait()
        return listen_or_elsewhere(preferred)

    for _ in range(20):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            started = list(pool.map(start, range(AT_ONCE)))
        ports = {listening.getsockname()[1] for listening in started}
        for listening in started:
            listening.close()
        assert len(ports) == AT_ONCE
        assert preferred in ports


def test_a_taken_port_is_refused_when_no_other_will_do():
    with listen() as first, pytest.raises(OSError, match="in use"):
        listen(first.getsockname()[1])
