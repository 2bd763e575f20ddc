"""What scales the endpoint: registration, policies, scheduled actions, and holding it still for a measurement."""
