"""Settings that hold for every notebook and every verb: ``dgsm.toml``, or ``DGSM_*`` in the environment.

The file is looked for in the working folder and then in each folder above it; ``DGSM_SETTINGS`` names another one.
A variable counts before the file, and what a call or a notebook's parameter says counts before both. Consent to spend
or to delete is no setting: it is given each time.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.foreign_text import in_toml
from dgsm_helpers.settings.parameters import as_declared, require_type
from dgsm_helpers.wire.whole_file import write_whole

FILE_NAME = "dgsm.toml"
FILE_VARIABLE = "DGSM_SETTINGS"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting: its key in the file, its type, an example, and what it is."""

    key: str
    type: str
    example: str | int
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that stands for it."""
        return f"DGSM_{self.key.replace('.', '_').upper()}"

    def checked(self, source: str, value: Any) -> Any:
        """The value, if it can be right; ``source`` says in an error where it stands."""
        require_type({"str": str, "int": int}[self.type], **{source: value})
        if self.key == "where" and value not in ("local", "aws"):
            raise InvalidInput(f"{source}={value!r} is no place.", hint='Give "local" or "aws".')
        if self.type == "int" and value < 1:
            raise InvalidInput(f"{source}={value} is too few instances.", hint="Give 1 or more.")
        return value


_TABLE = tomllib.loads((files("dgsm_helpers") / "data" / "settings.toml").read_text(encoding="utf-8"))
SETTINGS = tuple(Setting(**row) for row in _TABLE["settings"])


def read() -> dict[str, Any]:
    """The settings by key, those that were made; an empty text counts as none.

    Raises:
        InvalidInput: the file cannot be read or has a key that is none; a value cannot be right. The message names the
            file or the variable, the key and the value.
    """
    file = _file()
    content = {} if file is None else _content(file)
    found = {}
    for setting in SETTINGS:
        if text := os.environ.get(setting.variable):
            found[setting.key] = setting.checked(setting.variable, as_declared(setting.variable, text, setting.type))
        elif (value := content.get(setting.key, "")) != "":
            found[setting.key] = setting.checked(f"{file}: {setting.key}", value)
    low, high = found.get("bounds.min"), found.get("bounds.max")
    if low and high and low > high:
        raise InvalidInput(f"The settings have bounds.min {low} above bounds.max {high}.", hint="Give min ≤ max.")
    return found


def write(values: Mapping[str, Any], folder: Path | None = None) -> Path:
    """Write ``dgsm.toml`` with these settings, the others as comments, into the working folder unless another is given.

    Raises:
        InvalidInput: there is one with other settings; it stays as it is.
    """
    path = (folder or Path.cwd()) / FILE_NAME
    made = {key: value for key, value in values.items() if value not in (None, "")}
    if path.exists():
        if _content(path) == made:
            return path
        raise InvalidInput(f"{path} holds other settings and stays as it is.", hint="Edit it, or remove it first.")
    lines = ["# Settings of the Deepgram workbook; a parameter or a DGSM_* variable counts before them."]
    for setting in SETTINGS:
        value = made.get(setting.key, setting.example)
        text = in_toml(value) if isinstance(value, str) else json.dumps(value)
        line = f"{setting.key} = {text}  # {setting.help}"
        lines.append(line if setting.key in made else f"# {line}")
    write_whole(path, "\n".join(lines) + "\n")
    return path


@contextmanager
def left_out() -> Iterator[None]:
    """Within it the user's settings have no say, in this process and in those that it starts."""
    ours = {setting.variable for setting in SETTINGS}
    former = dict(os.environ)
    for variable in ours & set(former):
        del os.environ[variable]
    os.environ[FILE_VARIABLE] = os.devnull
    try:
        yield
    finally:
        for variable in {*ours, FILE_VARIABLE} & set(former):
            os.environ[variable] = former[variable]
        if FILE_VARIABLE not in former:
            del os.environ[FILE_VARIABLE]


def _file() -> Path | None:
    """The settings file, None when there is none."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named).expanduser()
    try:
        here = Path.cwd()
    except OSError:  # the working folder is gone
        return None
    return next((path for folder in (here, *here.parents) if os.path.exists(path := folder / FILE_NAME)), None)


def _content(file: Path) -> dict[str, Any]:
    """The values of a file by key; tables are flattened."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The settings file {file} cannot be read: {error}.", hint="Correct or remove it."
        ) from error
    values = dict(_flattened(tables))
    known = [setting.key for setting in SETTINGS]
    for key, value in values.items():
        if key not in known:
            raise InvalidInput(
                f"{file} has the key {key} = {value!r}, which is none.", hint=f"Keys: {', '.join(known)}."
            )
    return values


def _flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
