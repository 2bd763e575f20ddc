"""The doctor: reads the configuration once and judges it by rules."""
