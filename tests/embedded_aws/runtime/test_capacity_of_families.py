"""Each metered family keeps up with as many as its closed form says, and not with one more; in virtual time."""

import asyncio
import json
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.virtual_time import run_in_virtual_time

from dgsm_helpers.rules.sample import bundled_sample
from embedded_aws.engines.base import CHARACTERS_PER_S
from embedded_aws.engines.lanes import MeteredSettings
from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.fleet.instances import Instance, Lease
from embedded_aws.listings import LISTINGS
from embedded_aws.runtime.container import Client
from embedded_aws.runtime.services import open_stream

PCM = bundled_sample().pcm
BY_NAME = {listing.name: listing for listing in LISTINGS}
FRAME_S = 0.08
TEXT_S = 24.0
TEXT = "a" * int(TEXT_S * CHARACTERS_PER_S)

capacities = st.tuples(st.integers(1, 5), st.integers(1, 6), st.floats(0.1, 0.8))
"""Lanes, the knee, and by how much of one more it is missed."""
voices = capacities.filter(lambda capacity: capacity[1] >= capacity[0])
"""One lane keeps up with one voice."""


def sized(lanes, whole, fraction):
    return MeteredSettings(lanes=lanes, service_ms=lanes * 100 / (whole + fraction))


class Caller:
    """A client on a container's WebSocket; ``heard`` gets each message or piece of audio and when it came."""

    def __init__(self, instance, name, query):
        self.heard = []
        self.now_s = asyncio.get_running_loop().time
        listing = BY_NAME[name]
        client = Client(self._on, self._on, lambda: None, self._failed)
        lease = Lease(Instance("i-1", 0.0, engine=instance), "AllTraffic", threading.RLock(), print)
        self.stream = open_stream(
            listing.protocol.path, query, client, engine=instance, listing=listing, request_id="r", lease=lease
        )
        self.stream.begin()

    def _on(self, message):
        self.heard.append((self.now_s(), message))

    def _failed(self, message):
        raise AssertionError(message)

    def control(self, kind, **fields):
        self.stream.message(json.dumps({"type": kind, **fields}).encode(), text=True)


async def update_lags(instance, streams, seconds):
    """The lag of each stream's newest Update after so many seconds."""
    query = "model=flux-general-en&encoding=linear16&sample_rate=16000"
    callers = [Caller(instance, "metered-flux", query) for _ in range(streams)]
    size = int(FRAME_S * 32000)

    async def live(number, caller):
        await asyncio.sleep(FRAME_S * number / streams)
        begin_s = caller.now_s()
        for n in range(int(seconds / FRAME_S)):
            await asyncio.sleep(begin_s + (n + 1) * FRAME_S - caller.now_s())
            at = n * size % (len(PCM) - size)
            caller.stream.message(PCM[at : at + size], text=False)
        await asyncio.sleep(seconds)
        told = [(at_s, json.loads(m)) for at_s, m in caller.heard]
        at_s, newest = [(t, m) for t, m in told if m["type"] == "TurnInfo"][-1]
        return at_s - begin_s - newest["audio_window_end"]

    return await asyncio.gather(*(live(n, c) for n, c in enumerate(callers)))


async def underruns(instance, name, model, callers):
    """How far each caller's first turn would have been played ahead of what had come."""
    rate = 8000
    query = f"model={model}&sample_rate={rate}"
    everyone = [Caller(instance, name, query) for _ in range(callers)]
    for caller in everyone:
        caller.control("Speak", text=TEXT)
        caller.control("Flush")
    await asyncio.sleep(10 * TEXT_S)
    worst = []
    for caller in everyone:
        audio = [(at_s, len(part) / 2 / rate) for at_s, part in caller.heard if part[:1] != b"{"]
        assert sum(s for _, s in audio) == pytest.approx(TEXT_S)
        played_s = late_s = 0.0
        for at_s, seconds in audio:
            late_s = max(late_s, at_s - audio[0][0] - played_s)
            played_s += seconds
        worst.append(late_s)
    return worst


def measured(asked, work):
    async def scene():
        engine = MeteredEngine(asked, clock=asyncio.get_running_loop().time)
        return await work(engine.new_instance("i-1"))

    return run_in_virtual_time(scene())


@settings(max_examples=200, deadline=None)
@given(capacities)
def test_flux_lags_by_what_the_closed_form_says(capacity):
    asked, whole, seconds = sized(*capacity), capacity[1], 8.0
    assert asked.knee == whole
    kept = measured(asked, lambda instance: update_lags(instance, whole, seconds))
    assert max(kept) <= asked.service_ms / 1000 + FRAME_S
    growth = (whole + 1) / (whole + capacity[2]) - 1
    late = measured(asked, lambda instance: update_lags(instance, whole + 1, seconds))
    assert max(late) == pytest.approx(seconds * growth, abs=2 * FRAME_S + asked.service_ms / 1000)


@settings(max_examples=200, deadline=None)
@given(voices, st.sampled_from([("metered-aura", "aura-2-thalia-en"), ("metered-flux-tts", "flux-alexis-en")]))
def test_voices_starve_just_beyond_the_closed_form(capacity, voice):
    asked, whole = sized(*capacity), capacity[1]
    assert asked.voices == whole
    kept = measured(asked, lambda instance: underruns(instance, *voice, whole))
    # Two voices may ask for the free lane at the same moment.
    assert max(kept) <= asked.service_ms / 1000 * math.ceil(whole / asked.lanes)
    starved = measured(asked, lambda instance: underruns(instance, *voice, whole + 1))
    short_s = TEXT_S * ((whole + 1) / (whole + capacity[2]) - 1)
    assert min(starved) == pytest.approx(short_s, abs=0.1 + 2 * asked.service_ms / 1000)


def test_nobody_is_kept_up_with_where_a_lane_is_slower_than_speech():
    asked = MeteredSettings(lanes=4, service_ms=120)
    assert (asked.knee, asked.voices) == (3, 0)
    (late_s,) = measured(asked, lambda instance: underruns(instance, "metered-aura", "aura-2-thalia-en", 1))
    assert late_s == pytest.approx(0.2 * TEXT_S, abs=0.1)
