"""Put a Deepgram speech model on a self-scaling Amazon SageMaker endpoint.

`open_workbook` opens one endpoint in one place. The steps are modules, one for each notebook: `start`, `deploy`,
`register`, `tune`, `monitor`, `plan`, `mixed`, `cleanup`. A `ContinuedStream` is a call that outlives the instances it
is on. Everything is loaded when it is first used.
"""

from importlib import import_module

__version__ = "0.2.0"

STEPS = ("start", "deploy", "register", "tune", "monitor", "plan", "mixed", "cleanup")

_HOMES = {
    "ContinuedStream": "load.transport.continued_stream",
    "DgsmError": "errors",
    "ScalingModel": "rules.model",
    "Workbook": "session",
    "glue": "workbook.run_notebooks",
    "open_workbook": "session",
    "show": "views.figures.show",
}
"""Where each public name is defined."""

__all__ = ["ContinuedStream", "DgsmError", "ScalingModel", "Workbook", "glue", "open_workbook", "show"]


def __getattr__(name: str) -> object:
    if name in STEPS:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *STEPS])
