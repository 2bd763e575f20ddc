"""Streams held in the background, against the peer."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace

import pytest
from kit import endpoints
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.errors import InvalidInput, NotFound
from dgsm_helpers.families import NOVA
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.trace import Ending


def workbook(peer, endpoint_name="good", *, bills=False):
    target = peer.target(endpoint_name)
    return SimpleNamespace(
        key=f"peer-{endpoint_name}",
        stream_url=target.url,
        region=target.region,
        endpoint_name=endpoint_name,
        variant_name="AllTraffic",
        ca_bundle=target.ca_bundle,
        proxy_url=None,
        family=NOVA,
        bills=bills,
        readings={},
        require_spend=lambda *_, **__: None,
        credentials=lambda: target.credentials,
    )


def streams(peer, count):
    """Wait until the peer holds so many."""
    until(lambda: peer.open_streams == count, f"the peer holds {count} streams")


def carriers():
    """The threads that carry loads' streams now."""
    return [thread for thread in threading.enumerate() if thread.name == "dgsm-load"]


def test_the_number_of_held_streams_follows_the_calls(peer):
    with Load(workbook(peer)) as load:
        load.set(4)
        load.wait_open(timeout_s=AT_MOST_S)
        streams(peer, 4)
        load.set(6)
        load.wait_open(timeout_s=AT_MOST_S)
        streams(peer, 6)
        load.set(1)
        assert load.wanted == 1
        streams(peer, 1)
        until(lambda: load.snapshot().lag_p95_ms is not None, "a lag has been measured")
    streams(peer, 0)
    assert [t.ending for t in load.traces] == [Ending.CLEAN] * 6
    assert load.stop() == load.traces


def test_above_fifty_streams_the_lean_transport_carries_new_sessions(peer):
    with Load(workbook(peer)) as load:
        load.set(53)
        load.wait_open(timeout_s=AT_MOST_S)
    carried = [t.transport for t in load.traces]
    assert len(carried) == 53 and "lean" in carried
    assert all(t.ok for t in load.traces)


def test_a_session_near_its_limit_is_followed_by_another(peer):
    with Load(workbook(peer), session_s=1.0) as load:
        load.set(1)
        until(lambda: len(load.traces) >= 2, "a second session has ended")
    assert all(t.ok for t in load.traces)
    assert load.traces[0].audio_s == pytest.approx(1.0)


def test_sessions_that_began_together_do_not_end_together_for_ever(peer):
    with Load(workbook(peer), session_s=1.0) as load:
        load.set(2)
        until(lambda: len(load.traces) >= 6, "three sessions of each have ended")
    first, later = load.traces[:2], load.traces[2:6]
    assert [trace.audio_s for trace in first] == pytest.approx([1.0, 1.0])
    assert all(0.45 <= trace.audio_s <= 1.05 for trace in later)
    assert len({round(trace.audio_s, 1) for trace in later}) > 1


def test_the_lag_is_waited_for_and_told_when_it_does_not_come(peer):
    with Load(workbook(peer)) as load:
        load.set(1)
        near_ms = load.wait_lag(below_ms=60_000, timeout_s=AT_MOST_S)
        assert near_ms is not None and near_ms < 60_000
        assert load.wait_lag(below_ms=0, timeout_s=0.2) != 0, "it does not wait for ever"
        state = load.snapshot()
        assert state.open == state.wanted == 1
        assert "1 of 1 streams are open" in str(state) and "p95 lag of the last ten seconds" in str(state)


def test_a_broken_session_is_recorded_and_opened_again(peer):
    with Load(workbook(peer, "drop")) as load:
        load.set(1)
        until(lambda: len(load.traces) >= 2, "a second session has ended")
        assert load.snapshot().failed >= 2
    assert load.traces[0].ending is Ending.DROPPED


def test_a_load_that_nobody_refers_to_ends_its_streams_cleanly(peer):
    earlier = len(peer.streams)
    load = Load(workbook(peer))
    load.set(3)
    load.wait_open(timeout_s=AT_MOST_S)
    assert len(carriers()) == 1
    del load
    gc.collect()
    streams(peer, 0)
    until(lambda: not carriers(), "the thread has ended")
    assert [stream["frames"].count(NOVA.end_message) for stream in peer.streams[earlier:]] == [1, 1, 1]


def test_a_load_that_is_still_referred_to_streams_on(peer):
    load = Load(workbook(peer))
    load.set(1)
    load.wait_open(timeout_s=AT_MOST_S)
    kept = [load]
    del load
    gc.collect()
    frames = peer.streams[-1]["frames"]
    earlier = len(frames)
    until(lambda: len(frames) > earlier + 5, "more audio arrives")
    assert peer.open_streams == 1 and NOVA.end_message not in frames
    kept[0].stop()


def test_a_stopped_load_starts_no_streams(peer):
    load = Load(workbook(peer))
    load.stop()
    with pytest.raises(InvalidInput, match="stopped"):
        load.set(1)


@pytest.mark.parametrize("bad", [{"session_s": 2000}, {"session_s": 0.5}])
def test_impossible_settings_are_refused_before_anything_runs(peer, bad):
    with pytest.raises(InvalidInput):
        Load(workbook(peer), **bad)


def test_before_the_first_load_where_streams_cost_the_data_path_is_looked_at_once(peer):
    wb = workbook(peer, bills=True)
    peer.streams.clear()
    for _ in range(2):
        with Load(wb):
            pass
    (probe,) = peer.streams
    assert (probe["name"], probe["chunks"]) == ("good", 2)


def test_a_load_on_a_barred_data_path_begins_nothing_where_streams_cost(peer):
    peer.refusals["gone"] = (400, "ValidationError", {"Message": "Endpoint gone of account 123456789012 not found."})
    wb = workbook(peer, "gone", bills=True)
    peer.streams.clear()
    for _ in range(2):
        with pytest.raises(NotFound, match="endpoint-name"):
            Load(wb)
    assert not peer.streams and not wb.readings


@pytest.fixture(params=["metered", pytest.param("metered-flux", marks=[pytest.mark.slow, pytest.mark.live])])
def listening(workbook, request):
    """An endpoint in service, of each family that listens."""
    return endpoints.deployed(workbook(listing=request.param))


def test_callers_come_and_go_when_calls_have_a_length_and_none_loses_a_word(operator, listening):
    wb = listening
    began = wb.now()
    with Load(wb, call_s=(4, 9), seed=3) as load:
        load.set(4)
        load.wait_open(timeout_s=AT_MOST_S)
        operator.fault("crash", endpoint=wb.endpoint_name)
        until(lambda: load.calls.cut >= 1, "calls were handed over, and ended")
        until(lambda: load.calls.calls >= 5, "others came after them")
        assert load.wait_lag(below_ms=60_000) is not None
        assert load.wait_lag(below_ms=0, timeout_s=0.0) > 0, "it does not wait for ever"
    held = load.calls
    assert (held.words_lost, held.words_extra) == (0, 0)
    assert held.words > 20 and held.peak_lag_ms > 0
    assert [at for at, _ in held.lag_p95_ms] == sorted(at for at, _ in held.lag_p95_ms)
    assert began < held.lag_p95_ms[-1][0] <= wb.now()
    assert f"{held.calls} calls; the fleet cut {held.cut}" in str(held)
    assert load.traces == ()


def test_held_streams_are_no_calls(endpoint):
    with Load(endpoint) as load:
        load.set(1)
        load.wait_open(timeout_s=AT_MOST_S)
    assert (load.calls.calls, load.calls.lag_p95_ms, load.calls.peak_lag_ms) == (0, (), None)


@pytest.mark.parametrize("call_s", [(0, 5), (9, 4), (-1, 4)])
def test_calls_need_a_length(workbook, call_s):
    with pytest.raises(InvalidInput, match="call_s"):
        Load(workbook(), call_s=call_s)


def test_a_load_is_found_again_as_it_goes_on_and_made_anew_once_it_has_ended(peer):
    wb = workbook(peer)
    with Load.find(wb) as load:
        load.set(2)
        streams(peer, 2)
        assert Load.find(wb) is load
        assert Load.find(workbook(peer, "drop")) is not load
        assert load.wanted == 2
    assert load.ended
    with Load.find(wb) as again:
        assert again is not load and not again.ended


def test_a_load_that_nobody_refers_to_is_not_found_again(peer):
    load = Load(workbook(peer))
    load.set(1)
    streams(peer, 1)
    del load
    gc.collect()
    streams(peer, 0)
    with Load.find(workbook(peer)) as other:
        assert other.wanted == 0


def test_streams_that_nobody_sets_anew_end_by_themselves(peer):
    load = Load(workbook(peer), max_s=0.5)
    load.set(2)
    until(lambda: load.ended, "the load has ended")
    streams(peer, 0)
    until(lambda: not carriers(), "its thread has ended")
    assert load.wanted == 0
    with pytest.raises(InvalidInput, match="stopped"):
        load.set(1)


def test_setting_the_number_again_begins_the_time_anew(peer):
    with Load(workbook(peer), max_s=AT_MOST_S) as load:
        load.set(1)
        first = until(lambda: load._held._end_by_itself, "the end is planned")
        load.set(1)
        until(lambda: load._held._end_by_itself is not first, "it is planned anew")
        assert first.cancelled() and not load.ended


def test_calls_that_go_on_tell_their_words_their_lag_and_which_session_they_are(listening):
    endpoint = listening
    with Load(endpoint, call_s=(20, 30), seed=1) as load:
        load.set(2)
        calls = until(lambda: [c for c in load.ongoing() if c.said], "something was said")
        assert {call.label for call in calls} <= {"stream-1", "stream-2"}
        told = endpoint.administer("GET", "instances", {"region": endpoint.region, "endpoint": endpoint.endpoint_name})
        held = {request for instance in told for request in instance["requests"]}
        assert {call.request_id for call in load.ongoing()} & held
        assert all(call.lag_ms >= 0 for call in calls)


def test_held_streams_tell_the_same_of_themselves(endpoint):
    with Load(endpoint) as load:
        load.set(1)
        (call,) = until(lambda: [c for c in load.ongoing() if c.said and c.request_id], "something was said")
    assert call.label == "stream-1" and call.lag_ms is not None
    assert load.ongoing() == ()
