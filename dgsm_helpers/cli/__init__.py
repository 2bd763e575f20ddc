"""The ``dgsm`` command."""
