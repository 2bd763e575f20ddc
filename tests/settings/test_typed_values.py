"""Values in their declared types: whatever hands a notebook its parameters, a text never counts as yes."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.settings.parameters import as_declared, declared, inferred, notebook_parameters, require_type


@pytest.mark.parametrize(
    ("value", "annotation", "typed"),
    [
        ("False", "bool", False),
        ("false", "bool", False),
        (" TRUE ", "bool", True),
        (True, "bool", True),
        ("4", "int", 4),
        (4.0, "int", 4),
        ("4.0", "int", 4),
        ("1e2", "int", 100),
        (np.int64(7), "int", 7),
        ("0.7", "float", 0.7),
        (8, "float", 8.0),
        ("7", "str", "7"),
        ("", "str", ""),
        (None, "int | None", None),
        ("3", "Optional[int]", 3),
        ("3", "'int'", 3),
        ("3", "int | str", "3"),
        ("False", "typing.Optional[bool]", False),
        ([1], "list[int]", [1]),
        ("x", "Path", "x"),
        ("x", "not a type", "x"),
    ],
)
def test_a_value_arrives_as_its_declared_type(value, annotation, typed):
    arrived = as_declared("x", value, annotation)
    assert (arrived, type(arrived)) == (typed, type(typed))


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("yes", "bool"),
        ("0", "bool"),
        ("", "bool"),
        (0, "bool"),
        (1, "bool"),
        (1.0, "bool"),
        (None, "bool"),
        (np.True_, "bool"),
        ([], "bool"),
        ("many", "int"),
        ("1.5", "int"),
        (1.5, "int"),
        (True, "int"),
        ("inf", "int"),
        ("nan", "float"),
        ("inf", "float"),
        (10**400, "float"),
        (False, "float"),
        (None, "float"),
        (7, "str"),
        (None, "str"),
        ("x", "int | None"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_name_and_value(value, annotation):
    with pytest.raises(InvalidInput) as refusal:
        as_declared("delete", value, annotation)
    assert refusal.value.message.startswith("delete=") and f"is not of type {annotation}." in refusal.value.message


@given(st.text())
def test_no_text_but_true_and_false_is_a_bool(text):
    if text.strip().lower() in ("true", "false"):
        assert as_declared("x", text, "bool") is (text.strip().lower() == "true")
    else:
        with pytest.raises(InvalidInput):
            as_declared("x", text, "bool")


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_what_was_written_as_text_comes_back_as_it_was(value):
    assert as_declared("x", str(value), type(value).__name__) == value


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.booleans())))
def test_nothing_but_a_bool_is_consent(value):
    with pytest.raises(InvalidInput, match="confirm_spend="):
        require_type(bool, confirm_spend=value)


@pytest.mark.parametrize(
    ("kind", "value"), [(int, True), (int, 1.0), (int, "4"), (float, "8"), (float, True), (str, 1)]
)
def test_a_function_refuses_a_number_that_is_none(kind, value):
    with pytest.raises(InvalidInput, match=f"x={value!r} is not of type {kind.__name__}"):
        require_type(kind, x=value)


@pytest.mark.parametrize(
    ("text", "value"), [("0.7", 0.7), ("7", 7), ("True", True), ("false", False), ("None", None), ("on", "on")]
)
def test_without_a_declared_type_a_text_is_inferred(text, value):
    arrived = inferred(text)
    assert (arrived, type(arrived)) == (value, type(value))


def test_a_declaration_is_a_typed_literal_at_the_top_of_a_cell():
    cells = [
        "delete: bool = True  # sure?\nlow: 'int' = -1\nx = 1",
        "%matplotlib inline\ny: int = 1",
        "frame: Frame = read()\nnext_one: int\nclass A:\n    inner: int = 1",
        "def f():\n    z: int = 1",
        "low: float = 2.0",
    ]
    assert declared(cells) == {"delete": "bool", "low": "float"}


@pytest.fixture
def main(monkeypatch):
    """A ``__main__`` of the test's own."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_the_notebooks_own_variables_are_put_right(main):
    main.In = ["", "delete: bool = True\ncount: int = 1\nother = 2", 'delete = "False"\ncount = "3"\nother = "x"']
    main.delete, main.count, main.other = "False", "3", "x"
    assert notebook_parameters() == {"delete": False, "count": 3}
    assert (main.delete, main.count, main.other) == (False, 3, "x")


def test_a_parameter_that_cannot_be_its_type_stops_the_notebook(main):
    main.In = ["delete: bool = True"]
    main.delete = "perhaps"
    with pytest.raises(InvalidInput, match="delete='perhaps' is not of type bool"):
        notebook_parameters()


def test_a_script_made_of_a_notebook_has_its_parameters_too(main, tmp_path):
    script = tmp_path / "01_deploy.py"
    script.write_text('where: str = "aws"\n')
    main.__file__, main.where = str(script), "aws"
    assert notebook_parameters() == {"where": "aws"}


def test_a_program_that_is_no_notebook_has_none(main, tmp_path):
    assert notebook_parameters() == {}
    main.__file__ = str(tmp_path / "gone.py")
    assert notebook_parameters() == {}
