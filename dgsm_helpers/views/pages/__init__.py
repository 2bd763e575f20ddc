"""Whole pages: the report and the live view outside a notebook."""
