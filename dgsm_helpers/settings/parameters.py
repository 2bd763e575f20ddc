"""Parameters of notebooks: the types that a notebook declares, and values that arrive in them or are refused.

Whatever runs a notebook may hand a parameter over as text: papermill's ``-r``, a notebook job in Studio. Text is always
true, so a ``"False"`` that stayed text would agree to spend and to delete. Values are converted in one place, when the
workbook is opened, and whatever spends, deletes or applies takes nothing but a bool (`require_type`).
"""

import ast
import math
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput

_TRUTH = {"true": True, "false": False}
_NUMBERS: Mapping[type, type] = {int: Integral, float: Real}
_HINTS = {
    "bool": "Give true or false.",
    "int": "Give a whole number.",
    "float": "Give a number.",
    "str": "Give a text; in YAML a number or a yes wants quotes.",
}


def require_type(kind: type, **values: object) -> None:
    """Refuse values that are not of ``kind`` (bool, int, float or str); a bool is no number, a text never a bool.

    Raises:
        InvalidInput: the first that is not; the message has its name and the value.
    """
    for name, value in values.items():
        if not isinstance(value, _NUMBERS.get(kind, kind)) or (kind is not bool and isinstance(value, bool)):
            raise _not_of_type(name, value, kind.__name__)


def as_declared(name: str, value: Any, annotation: str, *, hint: str = "") -> Any:
    """The value in the type that ``annotation`` names; what another type than these says is not looked at.

    Texts become bool (``true`` and ``false`` in any case, nothing else), int and float; whole floats become int.

    Args:
        name: the parameter's, for the message.
        value: as it arrived.
        annotation: ``bool``, ``int``, ``float``, ``str`` as source text, also ``int | None`` or ``Optional[int]``.
        hint: what to do about a value that is refused; default: what the type takes.

    Raises:
        InvalidInput: it is not of that type.
    """
    kinds = _alternatives(annotation)
    if not set(kinds) <= {*_CONVERSIONS, "None"}:
        return value
    if any(type(value) is _EXACT.get(kind) for kind in kinds):
        return value
    for kind in kinds:
        try:
            return _CONVERSIONS[kind](value)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
    raise _not_of_type(name, value, annotation, hint)


def inferred(text: str) -> Any:
    """The value of a parameter without a declared type, read from a command line as papermill reads it."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None if text == "None" else _TRUTH.get(text.lower(), text)


def notebook_parameters() -> dict[str, Any]:
    """The parameters of the notebook that runs this, in their declared types; none outside of one.

    A parameter is declared by a statement such as ``delete: bool = True``. Where its value arrived in another type,
    the notebook's own variable is put right as well.

    Raises:
        InvalidInput: a value is not of its type.
    """
    namespace = vars(sys.modules["__main__"])
    here = {
        name: as_declared(name, namespace[name], annotation)
        for name, annotation in declared(_sources(namespace)).items()
        if name in namespace
    }
    namespace.update(here)
    return here


def declared(sources: Iterable[str]) -> dict[str, str]:
    """The annotations of ``name: type = literal`` at the top of some sources, as text, the newest for each name."""
    annotations = {}
    for source in sources:
        try:
            statements = ast.parse(source).body
        except (SyntaxError, ValueError):  # a cell with a magic: it declares nothing
            continue
        for statement in statements:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _is_literal(value):
                    annotations[name] = ast.unparse(statement.annotation)
    return annotations


def _sources(namespace: Mapping[str, Any]) -> list[str]:
    """The cells that a kernel has run; the whole of a script, as nbconvert makes one of a notebook."""
    if "In" in namespace:
        return list(namespace["In"])
    path = Path(namespace.get("__file__") or "")
    try:
        return [path.read_text(encoding="utf-8")] if path.suffix == ".py" else []
    except (OSError, ValueError):
        return []


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _alternatives(annotation: str) -> list[str]:
    """The names of the types that an annotation allows; one that cannot be told is "?"."""

    def names(node: ast.expr) -> list[str]:
        match node:
            case ast.Constant(value=str(text)):
                return _alternatives(text)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return [name]
            case ast.Constant(value=None):
                return ["None"]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return [*names(left), *names(right)]
            case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional"), slice=inner):
                return [*names(inner), "None"]
        return ["?"]

    try:
        return names(ast.parse(annotation, mode="eval").body)
    except SyntaxError:
        return ["?"]


def _bool(value: Any) -> bool:
    return value if isinstance(value, bool) else _TRUTH[value.strip().lower()] if isinstance(value, str) else _no(value)


def _int(value: Any) -> int:
    if isinstance(value, bool):
        return _no(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value)
    number = float(value)
    return int(number) if number == int(number) else _no(value)


def _float(value: Any) -> float:
    number = _no(value) if isinstance(value, bool) else float(value)
    return number if math.isfinite(number) else _no(value)


def _str(value: Any) -> str:
    return value if isinstance(value, str) else _no(value)


def _no(value: object) -> Any:
    raise ValueError(value)


# A float may be none that is finite, so that it is always looked at.
_EXACT: Mapping[str, type] = {"bool": bool, "int": int, "str": str, "None": type(None)}
_CONVERSIONS = {"bool": _bool, "int": _int, "float": _float, "str": _str}


def _not_of_type(name: str, value: object, kind: str, hint: str = "") -> InvalidInput:
    return InvalidInput(f"{name}={value!r} is not of type {kind}.", hint=hint or _HINTS.get(kind, ""))
