"""Put a Deepgram speech model on a self-scaling Amazon SageMaker endpoint: the public names, loaded when first used."""

from __future__ import annotations

from importlib import import_module

_WHERE = {
    "DgsmError": "errors",
    "ScalingModel": "rules.model",
    "ScalingPolicy": "aws.scaling.policy",
    "Workbook": "session",
    "open_workbook": "session",
}

__all__ = ["DgsmError", "ScalingModel", "ScalingPolicy", "Workbook", "open_workbook"]


def __getattr__(name: str) -> object:
    """Import the module behind a public name only when the name is asked for, so that the package imports at once."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
