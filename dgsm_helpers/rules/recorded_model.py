"""What `dgsm record` wrote down of AWS, as a scaling model: its values in place of the assumptions of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.model import Assumption, ScalingModel


def recorded_model(recording: Mapping[str, Any]) -> ScalingModel:
    """The model with a recording's values; the assumptions where nothing was recorded (``{}``).

    Args:
        recording: ``source`` and ``date``; ``values`` by the assumption's name, each ``{"value": …}``.

    Raises:
        InvalidInput: it is no recording, or a value cannot be one of the model's.
    """
    try:
        found = {name: about["value"] for name, about in recording.get("values", {}).items()}
        source = f"{recording['source']}, {recording['date']}" if found else ""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
        return ScalingModel().with_evidence(source, **values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidInput("This is no recording of `dgsm record`.", hint="Record again, or remove it.") from error


def agrees(assumed: Assumption, found: Any) -> bool:
    """Whether what was found is what is assumed, within the assumption's tolerance where that is a measure."""
    if assumed.tolerance:
        return bool(abs(found - assumed.value) <= assumed.tolerance)
    return bool(found == assumed.value)
