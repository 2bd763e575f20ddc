"""What stands behind a listing: a recogniser and the capacity that decides when it answers."""
