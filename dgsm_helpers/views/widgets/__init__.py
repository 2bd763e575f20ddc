"""Thin ipywidgets over figures and aws, and what they share: how a notebook shows them, sliders that call back."""

from collections.abc import Callable
from typing import Any

import ipywidgets


class Shown:
    """An object that a notebook shows by its ``widget``."""

    widget: ipywidgets.DOMWidget

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)


def slider(kind: type, changed: Callable[[Any], object], *, description: str, width: str, **values: Any) -> Any:
    """A slider of ``kind`` that calls ``changed`` when it is let go.

    Args:
        width: of slider and description together, in CSS.
        values: ``value``, ``min``, ``max`` and ``step``, as the kind takes them.
    """
    style = {"style": {"description_width": "14em"}, "layout": {"width": width}, "continuous_update": False}
    made = kind(description=description, **style, **values)
    made.observe(changed, names="value")
    return made
