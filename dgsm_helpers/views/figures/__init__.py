"""Pure functions from data to a plotly Figure or an SVG string."""
