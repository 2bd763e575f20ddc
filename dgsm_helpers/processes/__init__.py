"""Threads and processes of ours: none is waited for in vain, none outlives its parent, none meets another.

Nor does one compile what it has no use for.
"""
