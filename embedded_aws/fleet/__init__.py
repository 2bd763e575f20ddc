"""The live fleet: endpoints, variants, instances, what they log and publish."""
