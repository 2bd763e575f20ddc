"""Asking AWS what is still assumed of it: steps, their order and price, and the recording that they leave."""
