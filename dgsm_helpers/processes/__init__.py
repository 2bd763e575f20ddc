"""Threads and processes of ours: none is waited for in vain, none outlives its parent, none meets another."""
