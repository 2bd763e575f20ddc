"""What a person sees: figures, widgets and pages."""
