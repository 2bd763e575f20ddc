"""Whole files and mixes, against the embedded AWS."""

from __future__ import annotations

import gc
import threading

import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.aws.endpoint.invoke import file_sender
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.file_load import FileLoad
from dgsm_helpers.load.transport.recordings import Recording, bundled_recording

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
