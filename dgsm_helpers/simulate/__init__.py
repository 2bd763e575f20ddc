"""The scaling model in virtual time: pure and deterministic, no I/O, no AWS, no clock of its own.

What decides is ``rules``, shared with the embedded AWS. `traffic` and `replay` make sessions, `scaling_plan` says
how to scale, `engine` plays one against the other under given `conditions`, `merits` reads the run, `sweep` compares
many.
"""
