"""The endpoint: its plan, its deployment, its state, updates, pauses, invocations."""
