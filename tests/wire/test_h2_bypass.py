"""What is done past h2 leaves h2 right about its windows and streams, in this release of it too."""

from importlib.metadata import version

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, WindowUpdated
from h2.settings import SettingCodes

from dgsm_helpers.wire import h2_bypass

CHANGED = f"h2 {version('h2')} keeps its windows or streams otherwise than 4.2 to 4.4: adapt wire/h2_bypass.py"
REQUEST = [(":method", "POST"), (":scheme", "https"), (":authority", "h"), (":path", "/")]


@pytest.fixture
def pair():
    """A client with an open stream 1 and its server, which announces 100,000 bytes for the stream, 200,000 in all."""
    client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    h2_bypass.initiate(client, {SettingCodes.ENABLE_PUSH: 0}, window_bytes=70_000)
    h2_bypass.initiate(server, {SettingCodes.INITIAL_WINDOW_SIZE: 100_000}, window_bytes=200_000)
    client.receive_data(server.data_to_send())
    client.send_headers(1, REQUEST)
    (request,) = (e for e in server.receive_data(client.data_to_send()) if isinstance(e, RequestReceived))
    assert h2_bypass.text_headers(request) == REQUEST, CHANGED
    return client, server


def test_settings_and_the_connections_window_reach_the_peer(pair):
    client, _ = pair
    assert client.remote_settings.initial_window_size == 100_000, CHANGED
    assert client.outbound_flow_control_window == 200_000, CHANGED


def test_h2_counts_what_was_sent_past_it(pair):
    client, _ = pair
    before = client.local_flow_control_window(1)
    h2_bypass.use_window(client, 1, 1_000)
    assert h2_bypass.take_window(client, 1, 500)
    assert client.local_flow_control_window(1) == before - 1_500, CHANGED


def test_nothing_is_taken_that_the_windows_have_no_room_for(pair):
    client, _ = pair
    h2_bypass.use_window(client, 1, 99_990)
    assert h2_bypass.sendable_bytes(client, 1) == 10, CHANGED
    assert not h2_bypass.take_window(client, 1, 11)
    assert h2_bypass.take_window(client, 1, 10)
    assert h2_bypass.sendable_bytes(client, 1) == 0, CHANGED


def test_one_frame_carries_no_more_than_the_peer_allows(pair):
    client, _ = pair
    assert h2_bypass.sendable_bytes(client, 1) == h2_bypass.MAX_BYTES, CHANGED


def test_h2_reads_the_frames_made_past_it(pair):
    client, server = pair
    (data,) = server.receive_data(h2_bypass.data_frame(1, b"audio"))
    assert isinstance(data, DataReceived) and data.data == b"audio"
    before = client.local_flow_control_window(1)
    (update,) = client.receive_data(h2_bypass.window_update(1, 5))
    assert isinstance(update, WindowUpdated) and client.local_flow_control_window(1) == before + 5, CHANGED


def test_a_stream_is_over_when_both_sides_have_ended_it_or_it_never_was(pair):
    client, server = pair
    assert not h2_bypass.is_over(client, 1), CHANGED
    client.end_stream(1)
    server.receive_data(client.data_to_send())
    assert not h2_bypass.is_over(server, 1), CHANGED
    server.send_headers(1, [(":status", "200")], end_stream=True)
    client.receive_data(server.data_to_send())
    assert h2_bypass.is_over(client, 1) and h2_bypass.is_over(server, 1) and h2_bypass.is_over(client, 3), CHANGED
