"""What a notebook takes: declared parameters, and values from YAML and command lines in their types."""

from __future__ import annotations

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.workbook.notebook_inputs import CommandLineText, check_parameters, parameters_of, read_parameters


def test_parameters_are_read_with_type_default_and_help(typed):
    count = parameters_of(typed)["count"]
    assert (count.type, count.default, count.help) == ("int", "1", "how many")


def test_text_from_a_command_line_is_converted_to_the_declared_types(typed):
    given = {"name": "7", "count": "7", "share": "7", "really": "true"}
    assert check_parameters(typed, given) == {"name": "7", "count": 7, "share": 7.0, "really": True}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "many"),
        ("count", "1.5"),
        ("count", True),
        ("share", "half"),
        ("share", None),
        ("really", "perhaps"),
        ("really", "yes"),
        ("really", 1),
        ("name", 7),
        ("count", "inf"),
    ],
)
def test_an_ill_typed_value_is_refused_with_name_value_type_and_meaning(typed, name, value):
    with pytest.raises(InvalidInput, match=f"{name}=.*is not of type") as refusal:
        check_parameters(typed, {name: value})
    assert parameters_of(typed)[name].help in str(refusal.value)


UNTYPED = "x = 0.5\nflag = False\nname = 'a'\ncount = 1  # type: int how many"


def test_a_parameter_without_a_type_is_inferred_from_a_command_line(write_notebook):
    notebook = write_notebook("untyped.ipynb", UNTYPED)
    text = {name: CommandLineText(value) for name, value in {"x": "0.7", "flag": "False", "name": "b"}.items()}
    assert check_parameters(notebook, {**text, "count": "3"}) == {"x": 0.7, "flag": False, "name": "b", "count": 3}
    assert check_parameters(notebook, {"x": "0.7", "flag": [1]}) == {"x": "0.7", "flag": [1]}


def test_parameters_come_from_yaml_and_json_files_and_then_from_text(tmp_path):
    (tmp_path / "a.yaml").write_text("name: x\ncount: 3\nreally: no\nday: 2026-11-29\n")
    (tmp_path / "b.json").write_text('{"count": 4}')
    read = read_parameters([tmp_path / "a.yaml", tmp_path / "b.json"], ["{share: 0.25}", "name: y", ""])
    assert read == {"name": "y", "count": 4, "really": False, "day": "2026-11-29", "share": 0.25}


@pytest.mark.parametrize("text", ["[1, 2]", "{a: ", "just a text", "1: x", "\tx: 1", "a: *b"])
def test_what_is_no_yaml_of_parameters_is_refused(tmp_path, text):
    with pytest.raises(InvalidInput):
        read_parameters(texts=[text])
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=r"p\.yaml"):
        read_parameters([tmp_path / "p.yaml"])


@pytest.mark.parametrize("name", ["missing.yaml", ".", "latin.yaml"])
def test_a_file_of_parameters_that_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(InvalidInput, match="Parameters cannot be read"):
        read_parameters([tmp_path / name])
