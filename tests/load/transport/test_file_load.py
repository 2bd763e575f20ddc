"""Whole files and mixes, against the embedded AWS."""

from __future__ import annotations

import gc
import threading

import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.endpoint.invoke import file_sender
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.file_load import FileFigures, FileLoad, FileTrace
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording
from dgsm_helpers.load.transport.trace import StreamError

CALLERS = {"file-caller-1", "file-caller-2"}


def files_of(wb, file_s=None):
    recording = bundled_recording()
    return FileLoad(file_sender(wb, recording.to_wav(file_s), model="nova-3"), audio_s=file_s or recording.duration_s)


def test_files_are_sent_one_after_the_other_by_each_caller(endpoint):
    with files_of(endpoint) as load:
        load.set(2)
        until(lambda: {t.label for t in load.traces} == CALLERS and len(load.traces) > 2, "three files are answered")
    assert all(t.ok and t.took_s > 0 and t.audio_s == pytest.approx(11, abs=0.1) for t in load.traces)


def test_a_load_that_nobody_refers_to_any_more_ends(endpoint):
    load = files_of(endpoint, file_s=1.0)
    load.set(1)
    callers = [thread for thread in threading.enumerate() if thread.name.startswith("file-caller")]
    assert callers
    del load
    gc.collect()
    for caller in callers:
        caller.join(120)
        assert not caller.is_alive()


def test_streams_and_files_are_held_side_by_side(endpoint):
    with Load(endpoint) as streams, files_of(endpoint, file_s=2.0) as files:
        streams.set(2)
        files.set(1)
        streams.wait_open(timeout_s=AT_MOST_S)
        until(lambda: files.traces, "a file is answered")
        files.set(0)
        assert [t.ok for t in streams.stop()] == [True, True]
        assert all(t.ok for t in files.stop())


def test_a_refused_file_is_recorded_with_what_aws_said(workbook):
    wb = workbook()
    with files_of(wb, file_s=1.0) as load:
        load.set(1)
        until(lambda: load.traces, "the refusal")
    assert load.traces[0].error.code == "NotFound"
    assert "refused (ValidationError)" in load.traces[0].error.message


def test_a_file_over_25_mb_is_refused_before_it_is_sent(workbook):
    long = Recording(pcm=bytes(32000), sample_rate=16000)
    with pytest.raises(InvalidInput, match="25 MB"):
        file_sender(workbook(), long.to_wav(900))


def test_requests_in_flight_are_measured_by_what_was_answered_in_the_time():
    def trace(ended_s, took_s, code=""):
        error = StreamError(code, "no") if code else None
        return FileTrace("f", ended_s - took_s, took_s, 0.0, error, characters=90)

    traces = [trace(9.0, 1.0), *(trace(10.0 + number, 0.1 * number) for number in range(1, 11)), trace(15.0, 2.0, "E")]
    figures = FileFigures.of([*traces, trace(20.5, 9.0)], in_flight=3, from_unix_s=10.0, seconds=10.0)
    assert (figures.answered, dict(figures.failed)) == (9, {"E": 1})
    assert (figures.took_p50_s, figures.took_p95_s) == pytest.approx((0.5, 0.9))
    assert "81 characters a second; failed: 1 E" in str(figures)
    nothing = FileFigures.of([], in_flight=1, from_unix_s=0.0, seconds=1.0)
    assert nothing.answered == 0 and "0 answered" in str(nothing)


@pytest.mark.parametrize(("n", "seconds"), [(0, 1.0), (1, 0.0)])
def test_a_measurement_of_nothing_is_refused(n, seconds):
    with pytest.raises(InvalidInput, match="measure nothing"), FileLoad(lambda: None) as load:
        load.measure(n, seconds)
