"""The client side of tuning: audio, streaming sessions and their traces, load held for a time."""
