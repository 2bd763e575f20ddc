"""The capacity ladder: streams held on one instance, judged, searched for the knee."""
