"""jsonschema without the grammar that one of its optional checks brings along."""

import sys
from importlib.util import find_spec

_GRAMMAR = "rfc3987_syntax"


def import_without_grammar() -> None:
    """Import jsonschema, where it is installed, ahead of what imports it.

    Those are papermill, nbformat, nbconvert, plotly's renderers and SageMaker's SDK.

    With JupyterLab comes `rfc3987_syntax` (seen with 1.1.0), which compiles a grammar when it is imported, for three
    seconds of processor. jsonschema (4.26) imports it if it is there, for the formats `iri` and `iri-reference` alone,
    which no notebook uses. In this process those two formats are then not checked.
    """
    if "jsonschema" in sys.modules or _GRAMMAR in sys.modules or find_spec("jsonschema") is None:
        return
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # what is None here cannot be imported
    try:
        import jsonschema  # noqa: F401
    finally:
        del sys.modules[_GRAMMAR]
