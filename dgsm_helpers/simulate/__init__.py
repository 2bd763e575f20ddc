"""The scaling model: pure, deterministic, no input or output and no clock of its own."""
