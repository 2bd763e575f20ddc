"""Files of the state folder that cannot be used, written or trusted: a sentence, and what is good is used."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.command_line import run_line

from dgsm_helpers import local, state
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.session import open_workbook
from dgsm_helpers.settings import settings_file

MEASURED = {
    "feasible_max": 10,
    "infeasible_min": 11,
    "problem": "",
    "measured_at": "2026-11-24T09:00:00+00:00",
    "fingerprint": {"instance_type": "ml.g6.2xlarge", "region": "us-east-1", "model_package_arn": "arn"},
}
WHOLE = {"schema": 1, **MEASURED}
DAMAGED = {
    "half-written": json.dumps(WHOLE)[:60],
    "a list": "[]",
    "null": "null",
    "a number": "7",
    "a text": '"evidence"',
    "not text": b"\xff\xfe\x00",
    "deep": "[" * 100_000,
    "deep within": json.dumps(WHOLE)[:-1] + ', "rungs": ' + "[" * 100_000,
    "no problem": json.dumps({k: v for k, v in WHOLE.items() if k != "problem"}),
    "no fingerprint": json.dumps({k: v for k, v in WHOLE.items() if k != "fingerprint"}),
    "a text for a number": json.dumps({**WHOLE, "feasible_max": "10"}),
    "a list for a fingerprint": json.dumps({**WHOLE, "fingerprint": []}),
    "a number for a type": json.dumps({**WHOLE, "fingerprint": {"instance_type": 7}}),
    "a number for a time": json.dumps({**WHOLE, "measured_at": 1764000000}),
    "of the future": json.dumps({**WHOLE, "schema": 99}),
    "without a schema": json.dumps(MEASURED),
    "foreign": json.dumps({"schema": 1, "name": "package.json"}),
    "a rung that is none": json.dumps({**WHOLE, "rungs": [7]}),
}


@pytest.fixture
def wb(tmp_path):
    return open_workbook("aws", region="us-east-1", endpoint_name="dg", home=tmp_path)


def put(wb, content, name="2026-12-01T090000Z.json"):
    path = wb.state_path(f"capacity/dg/{name}")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_evidence_is_passed_over_and_an_older_good_one_used(wb, kind):
    good = state.keep_evidence(wb, MEASURED)
    bad = put(wb, DAMAGED[kind])
    with pytest.warns(UserWarning, match=bad.name):
        assert state.newest(wb)["evidence"] == str(good)
    with pytest.raises(InvalidInput, match="is not an evidence file"):
        state.read(bad)


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_plan_with_damaged_evidence_beside_good_one_answers_in_lines(embedded, tmp_path, kind, monkeypatch):
    wb = open_workbook("local", home=embedded.home, endpoint_name=f"damaged-{abs(hash(kind)) % 10_000}")
    folder = wb.state_path(f"capacity/{wb.endpoint_name}/x").parent
    (folder / "2026-11-24T090000Z.json").write_text(json.dumps(WHOLE))
    bad = DAMAGED[kind]
    (folder / "2026-12-01T090000Z.json").write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    with pytest.warns(UserWarning, match="passed over"):
        ended = run_line(
            embedded.home, "plan", wb.endpoint_name, "--traffic", "constant", "--peak", "20", "--hours", "2"
        )
    assert ended.exit_code in (0, 1), ended.output
    assert "unforeseen" not in ended.output


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_is_an_evidence_file_or_is_said_not_to_be(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidInput):
        state.read(path)


@given(st.sampled_from(sorted(WHOLE)), st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.floats())
def test_a_wrong_value_anywhere_is_passed_over_or_harmless(tmp_path_factory, key, value):
    path = tmp_path_factory.mktemp("any") / "x.json"
    path.write_text(json.dumps({**WHOLE, key: value}))
    try:
        content = state.read(path)
    except InvalidInput:
        return
    assert isinstance(content["feasible_max"], int) and isinstance(content["fingerprint"], dict)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a/../../../etc/passwd", ".."])
def test_no_name_leads_out_of_the_state_folder(wb, name):
    with pytest.raises(InvalidInput, match="leads out of the state folder"):
        wb.state_path(name)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_no_name_at_all_leads_out_of_the_state_folder(tmp_path_factory, name):
    wb = open_workbook("aws", region="us-east-1", home=tmp_path_factory.mktemp("home"))
    try:
        path = wb.state_path(f"capacity/{name}")
    except (InvalidInput, OSError, UnicodeEncodeError):
        return
    assert path.is_relative_to(wb.home)


def test_what_a_link_of_the_files_name_points_to_is_left_alone(wb, tmp_path):
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("mine")
    path = wb.state_path("capacity/dg/x.json")
    path.symlink_to(outside)
    state.write(path, {"a": 1})
    assert outside.read_text() == "mine"
    assert not path.is_symlink() and path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_leaves_what_was_there_and_nothing_else(wb, monkeypatch):
    path = wb.state_path("capacity/dg/x.json")
    state.write(path, {"a": 1})

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        state.write(path, {"a": 2})
    assert json.loads(path.read_text())["a"] == 1
    assert os.listdir(path.parent) == ["x.json"]


DEEP = "[" * 100_000
STUMBLES = {
    "a recording": ("recordings/aws-us-east-1-x.json", DEEP, ("plan", "--traffic", "constant", "--knee", "5")),
    "traffic in JSON": ("t.json", DEEP, ("plan", "--traffic", "t.json", "--knee", "5")),
    "traffic in YAML": ("t.yaml", f"a: {DEEP}", ("plan", "--traffic", "t.yaml", "--knee", "5")),
    "parameters": ("p.yaml", f"a: {DEEP}", ("run", "x.ipynb", "-f", "p.yaml")),
}


@pytest.mark.parametrize("kind", STUMBLES)
def test_a_file_without_end_to_its_depth_is_a_line_that_names_it(tmp_path, monkeypatch, kind):
    name, content, line = STUMBLES[kind]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    ended = run_line(tmp_path, *line)
    local.down(tmp_path)  # some lines get as far as to start it
    assert ended.exit_code == 2 and "unforeseen" not in ended.output, ended.output
    assert ended.output.count("\n") == 1 and name.rpartition("/")[2] in ended.output


def test_settings_without_end_to_their_depth_are_named(tmp_path):
    (tmp_path / "dgsm.toml").write_text(f"endpoint = {DEEP}")
    with pytest.raises(InvalidInput, match=r"dgsm\.toml cannot be read"):
        settings_file.write({"endpoint": "e"}, tmp_path)


@pytest.mark.parametrize("home", ["{tmp}/file", "/proc/x", "/dev/null/x", "~nobody-of-that-name/x"])
@pytest.mark.parametrize("line", [("plan", "--traffic", "constant"), ("doctor",), ("local", "up"), ("restore",)])
def test_a_state_folder_that_cannot_be_is_one_line_and_exit_code_2(tmp_path, home, line):
    (tmp_path / "file").write_text("")
    ended = run_line(home.format(tmp=tmp_path), *line)
    assert ended.exit_code == 2, ended.output
    assert ended.output.count("\n") == 1 and ended.output.startswith("dgsm: ")
    assert "unforeseen" not in ended.output


FORGED = {
    "another process": {"pid": os.getpid()},
    "no process": {"pid": 2**40},
    "a text for a process": {"pid": "1"},
    "another token": {"token": "0" * 32},
    "another machine": {"control_url": "http://evil.example:8442"},
    "a name before an at-sign": {"control_url": "http://127.0.0.1:8442@evil.example"},
    "a file for an address": {"control_url": "file:///etc/passwd"},
    "another machine for streams": {"runtime_url": "https://evil.example:8443"},
    "a list for a key": {"secret_access_key": []},
    "a text for a speed": {"speed": "120"},
    "a list for listings": {"listings": []},
    "an older schema": {"schema_version": 1},
    "a list for a schema": {"schema_version": [2]},
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_state_file_that_is_not_that_of_the_running_server_counts_as_none(embedded, tmp_path, kind):
    written = json.loads((local.state_folder(embedded.home) / "server.json").read_text())
    folder = local.state_folder(tmp_path)
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps(written | FORGED[kind]))
    assert local.find(tmp_path) is None
    assert local.down(tmp_path) is False
    assert local.find(embedded.home) == embedded.info
