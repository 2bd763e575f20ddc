"""AWS's documented behaviour as pure functions, shared by the planner and the embedded AWS."""
