from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.load.transport.recordings import Recording
from dgsm_helpers.load.transport.trace import (
    Ending,
    StreamResult,
    StreamTrace,
    cadence_s,
    finalisation_latency_s,
    first_chunk_latency_s,
    lag_samples,
    send_slip_s,
)


def interim(received_s: float, cursor_s: float, *, final: bool = False, text: str = "") -> StreamResult:
    return StreamResult(received_s=received_s, start_s=0, duration_s=cursor_s, is_final=final, transcript=text)


def trace(results, *, chunks=100, sent_late_s=0.0, close=True) -> StreamTrace:
    scheduled = 1.0 + np.arange(chunks) * 0.1
    return StreamTrace(
        label="t",
        transport="sdk",
        origin_unix_s=0.0,
        opened_s=0.5,
        scheduled_s=scheduled,
        sent_s=scheduled + sent_late_s,
        audio_cursor_s=(np.arange(chunks) + 1) * 0.1,
        results=tuple(results),
        close_sent_s=scheduled[-1] if close else None,
        closed_s=scheduled[-1] + 1,
        ending=Ending.CLEAN,
    )


def answered(lag, *, every=1, chunks=100, skip=()):
    """An interim for every `every`-th chunk, `lag` seconds after that chunk was due."""
    return [
        interim(1.0 + i * 0.1 + (lag(i) if callable(lag) else lag), (i + 1) * 0.1)
        for i in range(every - 1, chunks, every)
        if i not in skip
    ]


@given(lag=st.floats(0, 30), every=st.integers(1, 10))
def test_lag_is_what_the_server_took(lag, every):
    samples = lag_samples(trace(answered(lag, every=every)))
    assert len(samples.lag_s) == 100 // every
    assert samples.lag_s == pytest.approx(lag, abs=1e-9)


def test_a_client_that_sends_late_does_not_make_the_server_look_better():
    late = trace(answered(0.75), sent_late_s=0.7)
    assert lag_samples(late).lag_s == pytest.approx(0.75)
    assert send_slip_s(late) == pytest.approx(0.7)


def test_results_that_never_came_count_from_their_own_scheduled_times():
    silent_for_a_second = trace(answered(0.05, skip=range(40, 50)))
    lags = np.sort(lag_samples(silent_for_a_second).lag_s)
    assert len(lags) == 100
    assert lags[-10:] == pytest.approx(np.arange(1, 11) * 0.1 + 0.05)
    assert lags[:90] == pytest.approx(0.05)


def test_audio_that_no_interim_reaches_is_infinitely_late():
    stalled = lag_samples(trace(answered(0.05, chunks=60)))
    assert np.isinf(stalled.lag_s).sum() == 40
    assert len(stalled.lag_s) == 100


def test_without_any_result_every_chunk_is_infinitely_late():
    assert np.isinf(lag_samples(trace([])).lag_s).all()
    assert len(lag_samples(trace([])).lag_s) == 100
    assert first_chunk_latency_s(trace([])) == math.inf
    assert finalisation_latency_s(trace([])) == math.inf


def test_final_results_are_no_measure_of_lag():
    finals_only = [interim(1.0 + i * 0.1, (i + 1) * 0.1, final=True) for i in range(100)]
    assert np.isinf(lag_samples(trace(finals_only)).lag_s).all()
    late_finals = [*answered(0.05), interim(20.0, 5.0, final=True)]
    assert lag_samples(trace(late_finals)).lag_s.max() == pytest.approx(0.05)


def test_a_tail_that_only_a_final_took_is_not_missing():
    cut_short = [*answered(0.05, every=5, chunks=95), interim(11.2, 10.0, final=True)]
    lags = lag_samples(trace(cut_short)).lag_s
    assert np.isfinite(lags).all()
    assert lags == pytest.approx(0.05)


def test_a_server_that_answers_too_rarely_is_late_by_the_ceiling_of_the_cadence():
    rare = trace(answered(0.05, every=50))
    assert cadence_s(rare) == 1.0
    assert lag_samples(rare).lag_s.max() == pytest.approx(4.05)


def test_a_window_keeps_what_was_due_in_it():
    samples = lag_samples(trace(answered(lambda i: 0.01 * i)), from_s=2.0, to_s=3.0)
    assert samples.due_s == pytest.approx(2.0 + np.arange(10) * 0.1)
    assert samples.lag_s == pytest.approx(0.1 + np.arange(10) * 0.01)


def test_finalisation_is_from_the_end_of_the_audio_to_the_final_that_reaches_it():
    results = [*answered(0.05), interim(11.15, 9.95, final=True)]
    assert finalisation_latency_s(trace(results)) == pytest.approx(11.15 - 10.9)
    assert finalisation_latency_s(trace([interim(11.0, 5.0, final=True)])) == math.inf
    assert finalisation_latency_s(trace(results, close=False)) == math.inf


def test_first_chunk_latency_is_from_the_first_chunk_to_the_first_result():
    assert first_chunk_latency_s(trace(answered(0.25))) == pytest.approx(0.25)


def test_an_unsent_chunk_slips_for_ever():
    broken = trace([])
    broken.sent_s[-1] = np.nan
    assert send_slip_s(broken)[-1] == math.inf


def test_the_transcript_is_the_finals_and_its_errors_are_counted_without_case_and_punctuation():
    said = trace(
        [interim(1, 1, text="ask"), interim(2, 2, final=True, text="Ask not,"), interim(3, 3, final=True, text="what.")]
    )
    assert said.transcript == "Ask not, what."
    assert Recording(b"", 16_000, transcript="ask not what").word_error_rate(said.transcript) == 0.0
    assert Recording(b"", 16_000, transcript="ask not what your").word_error_rate(said.transcript) == 0.25
    assert Recording(b"", 16_000, transcript="ask").word_error_rate("") == 1.0
    assert Recording(b"", 16_000, transcript="").word_error_rate("") == 0.0
