"""What a recorder makes of the model's messages, whatever they hold."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.load.transport.recorder import TraceRecorder
from dgsm_helpers.load.transport.trace import Ending

RESULT = {
    "type": "Results",
    "start": 0,
    "duration": 1.5,
    "is_final": True,
    "channel": {"alternatives": [{"transcript": "Überall größer — 你好", "confidence": 0.9}]},
}


def recorded(*messages: bytes):
    recorder = TraceRecorder(label="one", transport="lean")
    recorder.opened()
    for message in messages:
        recorder.message(message)
    recorder.close_sent()
    recorder.ended()
    return recorder.trace()


@pytest.mark.parametrize("ascii_only", [True, False])
def test_results_in_every_script_are_kept_and_what_is_not_known_is_passed_over(ascii_only):
    text = json.dumps(RESULT, ensure_ascii=ascii_only).encode()
    trace = recorded(b'{"type": "SpeechStarted"}', text, b'{"type": "Metadata", "duration": 1.5}')
    assert trace.ending is Ending.CLEAN
    assert [(r.transcript, r.start_s, r.cursor_s) for r in trace.results] == [("Überall größer — 你好", 0.0, 1.5)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b'{"type": "Results"}',
        b'{"type": "Results", "start": NaN, "duration": 1, "is_final": true, "channel": {"alternatives": [{}]}}',
        json.dumps({**RESULT, "channel": {"alternatives": []}}).encode(),
        json.dumps({**RESULT, "start": "soon"}).encode(),
        json.dumps({**RESULT, "start": None}).encode(),
    ],
)
def test_a_message_that_cannot_be_read_is_the_streams_error_and_ends_nothing_else(message):
    trace = recorded(message, json.dumps(RESULT).encode())
    assert trace.error is not None
    assert trace.error.code == "UnreadableMessage"
    assert len(trace.results) == 1


def test_an_error_of_the_model_is_kept_as_it_said_it():
    trace = recorded(b'{"type": "Error", "code": "DATA-0000", "description": "no audio"}')
    assert (trace.error.code, trace.error.message) == ("DATA-0000", "no audio")
