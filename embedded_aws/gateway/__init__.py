"""The front door of the control plane: which call a request is, and the answer on the wire."""
