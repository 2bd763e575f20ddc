"""What a notebook takes: its parameters as declared, and values for them out of YAML and command lines, checked.

papermill only warns about a parameter that the notebook does not have, and it ignores types. Here both are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, NotFound, UnknownParameter
from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.settings.parameters import as_declared, inferred


class CommandLineText(str):
    """A value of ``-p``: where the notebook declares no type for it, it is inferred as papermill does."""


@dataclass(frozen=True, kw_only=True)
class NotebookParameter:
    """A declared parameter: its ``type`` (``None`` without an annotation), its default as source text, and its help."""

    name: str
    type: str
    default: str
    help: str


def parameters_of(notebook: Path) -> dict[str, NotebookParameter]:
    """The parameters a notebook (`read_notebook`) declares in its cell tagged ``parameters``."""
    import_without_grammar()
    import papermill

    declared = papermill.inspect_notebook(read_notebook(notebook))
    return {
        name: NotebookParameter(name=name, type=p["inferred_type_name"], default=p["default"], help=p["help"])
        for name, p in declared.items()
    }


def check_parameters(notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the types that the notebook declares; text, as from a command line, is converted.

    Raises:
        UnknownParameter: the notebook has no such parameter; the message names those it has.
        InvalidInput: a value is not of the declared type.
    """
    known = parameters_of(notebook)
    for name in values:
        if name not in known:
            raise UnknownParameter(
                f"{notebook.name} has no parameter {name!r}.",
                hint=f"It has: {', '.join(f'{p.name} ({p.type})' for p in known.values()) or 'none'}.",
            )
    return {name: _converted(notebook, known[name], value) for name, value in values.items()}


def read_parameters(files: Sequence[Path] = (), texts: Sequence[str] = ()) -> dict[str, Any]:
    """Parameters out of YAML or JSON: of files, and then of texts such as ``"{max_capacity: 3}"``; the last one counts.

    Raises:
        InvalidInput: it cannot be read, or maps no names to values.
    """
    import_without_grammar()
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    values: dict[str, Any] = {}
    for source in (*files, *texts):
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            content = yaml.load(text, Loader=NoDatesSafeLoader) or {}
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            problem = " ".join(str(error).split())
            raise InvalidInput(f"Parameters cannot be read from {str(source)!r}: {problem}.") from error
        if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
            raise InvalidInput(
                f"{str(source)!r} maps no names to values.", hint='Write "name: value", a line for each.'
            )
        values |= content
    return values


def read_notebook(notebook: Path) -> Any:
    """The notebook, its kernel replaced by the one that every Jupyter has.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is not a notebook, or not of Python.
    """
    import_without_grammar()
    import nbformat

    if not notebook.is_file():
        raise NotFound(f"There is no notebook {notebook}.", hint="Give the path of an .ipynb file.")
    try:
        # What is converted from an older version is not of the class that papermill knows.
        content = nbformat.from_dict(nbformat.read(notebook, as_version=4))
    except Exception as error:  # nbformat lets every reader's own errors through
        raise InvalidInput(f"{notebook} is not a notebook: {error}.", hint="Give an .ipynb file.") from error
    metadata = content.metadata
    stated = [metadata.get("language_info", {}).get("name"), metadata.get("kernelspec", {}).get("language")]
    if others := [language for language in stated if language and language.lower() not in ("python", "ipython")]:
        raise InvalidInput(f"{notebook} is a notebook of {others[0]}.", hint="Give one of Python.")
    metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata["language_info"] = {**metadata.get("language_info", {}), "name": "python"}
    return content


def _converted(notebook: Path, parameter: NotebookParameter, value: Any) -> Any:
    if parameter.type == "None":
        return inferred(value) if isinstance(value, CommandLineText) else value
    hint = f"{parameter.help or 'See the first cell'} (default {parameter.default})."
    return as_declared(f"{notebook.name}: {parameter.name}", value, parameter.type, hint=hint)
