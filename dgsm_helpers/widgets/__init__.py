"""Thin ipywidgets over charts and aws."""
