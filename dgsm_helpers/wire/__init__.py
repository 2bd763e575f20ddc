"""Wire formats both sides speak: the event-stream codec and SigV4."""
