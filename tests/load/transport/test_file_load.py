"""Whole files and mixes, against the embedded AWS."""

from __future__ import annotations

import gc
import threading

import pytest
from kit.waiting import until

from dgsm_helpers.aws.endpoint import deployment
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.file_load import FileLoad, MixedLoad
from dgsm_helpers.load.transport.recordings import Recording

CALLERS = {"file-caller-1", "file-caller-2"}


@pytest.fixture
def endpoint(workbook):
    wb = workbook()
    deployment.deploy(wb, deployment.plan(wb))
    return wb


def test_files_are_sent_one_after_the_other_by_each_caller(endpoint):
    with FileLoad(endpoint) as load:
        load.set(2)
        until(lambda: {t.label for t in load.traces} == CALLERS and len(load.traces) > 2, "three files are answered")
    assert all(t.ok and t.took_s > 0 and t.audio_s == pytest.approx(11, abs=0.1) for t in load.traces)


def test_a_load_that_nobody_refers_to_any_more_ends(endpoint):
    load = FileLoad(endpoint, file_s=1.0)
    load.set(1)
    callers = [thread for thread in threading.enumerate() if thread.name.startswith("file-caller")]
    assert callers
    del load
    gc.collect()
    for caller in callers:
        caller.join(120)
        assert not caller.is_alive()


def test_a_mix_holds_streams_and_files_together(endpoint):
    with MixedLoad(endpoint, file_s=2.0) as load:
        load.set(streams=2, files=1)
        load.streams.wait_open(timeout_s=120)
        until(lambda: load.files.traces, "a file is answered")
        streams, files = load.stop()
    assert [t.ok for t in streams] == [True, True]
    assert files and all(f.ok for f in files)


def test_a_refused_file_is_recorded_with_awss_code(workbook):
    wb = workbook()
    with FileLoad(wb, file_s=1.0) as load:
        load.set(1)
        until(lambda: load.traces, "the refusal")
    assert load.traces[0].error.code == "ValidationError"


def test_a_file_over_25_mb_is_refused_before_it_is_sent(workbook):
    long = Recording(pcm=bytes(32000), sample_rate=16000)
    with pytest.raises(InvalidInput, match="25 MB"):
        FileLoad(workbook(), recording=long, file_s=900)
