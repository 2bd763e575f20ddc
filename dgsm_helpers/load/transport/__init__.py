"""Streams and files in real time, and a trace of each."""
