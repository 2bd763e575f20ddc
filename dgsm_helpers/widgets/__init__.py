"""Thin ipywidgets over charts and aws."""

from .feed import origin_of
from .live import Live
from .load_control import LoadControl

__all__ = ["Live", "LoadControl", "origin_of"]
