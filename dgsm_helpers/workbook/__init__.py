"""Running notebooks, and showing what they produced."""
