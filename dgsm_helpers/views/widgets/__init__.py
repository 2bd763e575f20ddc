"""Thin ipywidgets over charts and aws."""

from dgsm_helpers.views.feed import origin_of
from dgsm_helpers.views.widgets.live_view import Live
from dgsm_helpers.views.widgets.load_control import LoadControl

__all__ = ["Live", "LoadControl", "origin_of"]
