"""Service Quotas and the Price List of the embedded AWS."""
