"""Files of the state folder: private, whole or absent, with a schema, and read back as they were written."""

from __future__ import annotations

import json
import os

import pytest

from dgsm_helpers import state
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.session import open_workbook
from dgsm_helpers.state import Record

MEASURED = {
    "feasible_max": 10,
    "problem": "",
    "measured_at": "2026-11-24T09:00:00+00:00",
    "fingerprint": {"instance_type": "ml.g6.2xlarge"},
}


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "one.json", kind="a record of a test", hint="Remove it.")


@pytest.fixture
def wb(tmp_path):
    return open_workbook("aws", region="us-east-1", endpoint_name="dg", home=tmp_path)


def test_what_is_written_is_read_back_without_its_schema(record):
    record.write({"a": [1, 2], "b": None})
    assert record.read(dict) == {"a": [1, 2], "b": None}
    assert json.loads(record.path.read_text())["schema"] == state.SCHEMA


def test_a_file_is_its_owners_alone_and_no_other_file_stays(record):
    record.write({"secret": "x"})
    assert record.path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(record.path.parent) == ["one.json"]


def test_a_write_that_fails_leaves_what_was_there(record):
    record.write({"a": 1})
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular"):
        record.write({"a": endless})
    assert record.read(dict) == {"a": 1}
    assert os.listdir(record.path.parent) == ["one.json"]


@pytest.mark.parametrize("text", [None, ""])
def test_nothing_recorded_reads_as_none(record, text):
    if text is not None:
        record.path.write_text(text)
    assert record.read(dict) is None


def test_a_cleared_record_holds_nothing_and_may_be_cleared_again(record):
    record.write({"a": 1})
    record.clear()
    record.clear()
    assert record.read(dict) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[1]", "not a record"),
        ('{"a": 1}', "schema"),
        ('{"schema": 2}', "it has schema 2, this version reads 1"),
        ('{"schema": 1}', "wanted"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(record, text, reason):
    record.path.write_text(text)
    with pytest.raises(InvalidInput, match=reason) as refused:
        record.read(lambda content: content["wanted"])
    assert str(refused.value).startswith(f"{record.path} is not a record of a test: ")
    assert refused.value.hint == "Remove it."


def test_a_locked_record_is_one_holders_alone(record):
    busy = NotReady("busy")
    with record.locked(busy):
        record.write({"a": 1})
        with pytest.raises(NotReady, match="busy"), record.locked(busy):
            pytest.fail("locked twice")
    with record.locked(busy):
        assert record.read(dict) == {"a": 1}


def test_evidence_never_replaces_other_evidence_and_the_newest_is_found(wb):
    first = state.keep_evidence(wb, MEASURED)
    second = state.keep_evidence(wb, {**MEASURED, "feasible_max": 12})
    assert [path.name for path in (first, second)] == ["2026-11-24T090000Z.json", "2026-11-24T090000Z-2.json"]
    later = state.keep_evidence(wb, {**MEASURED, "measured_at": "2026-11-25T09:00:00+00:00", "feasible_max": 14})
    newest = state.newest(wb)
    assert (newest["feasible_max"], newest["evidence"]) == (14, str(later))


def test_evidence_of_another_type_or_of_a_failed_measurement_is_passed_over(wb):
    assert state.newest(wb) is None
    state.keep_evidence(wb, MEASURED)
    state.keep_evidence(wb, {**MEASURED, "measured_at": "2026-11-25T09:00:00+00:00", "problem": "it broke"})
    state.keep_evidence(wb, {**MEASURED, "measured_at": "2026-11-26T09:00:00+00:00", "feasible_max": 0})
    assert state.newest(wb)["measured_at"] == MEASURED["measured_at"]
    assert state.newest(wb, "ml.g6.2xlarge")["feasible_max"] == 10
    assert state.newest(wb, "ml.g5.2xlarge") is None


def test_evidence_that_is_missing_or_of_another_version_is_said(tmp_path):
    path = tmp_path / "evidence.json"
    with pytest.raises(NotFound, match="No evidence at"):
        state.read(path)
    path.write_text('{"schema": 9}')
    with pytest.raises(InvalidInput, match="is not an evidence file: it has schema 9"):
        state.read(path)


def test_evidence_of_the_time_of_nova_alone_is_read_in_the_words_of_today(wb):
    old = {
        **MEASURED,
        "fingerprint": {"instance_type": "ml.g6.2xlarge", "audio": [{"source": "a.wav"}], "chunk_ms": 100},
        "rungs": [{"n": 10, "verdict": "PASS", "finalisation_p95_ms": 300.0}],
    }
    path = state.keep_evidence(wb, old)
    assert json.loads(path.read_text())["schema"] == 1
    read = state.read(path)
    assert (read["schema"], read["unit"], read["fingerprint"]["family"]) == (2, "streams", "nova")
    assert read["fingerprint"]["workload"] == {
        "kind": "paced audio",
        "audio": [{"source": "a.wav"}],
        "chunk_ms": 100,
    }
    assert read["rungs"][0]["ending_p95_ms"] == 300.0
    assert state.newest(wb)["feasible_max"] == 10


def test_a_measurement_of_turns_at_once_is_not_taken_for_one_of_calls(wb):
    calls = {**MEASURED, "schema": 2, "unit": "calls", "fingerprint": {"family": "aura", "instance_type": "x"}}
    state.keep_evidence(wb, calls)
    later = {**calls, "unit": "turns", "feasible_max": 4, "measured_at": "2026-11-25T09:00:00+00:00"}
    state.keep_evidence(wb, later)
    newest = state.newest(wb)
    assert (newest["feasible_max"], newest["unit"]) == (10, "calls")
