"""A service by region: what each of the embedded AWS's own services is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Regions[Service]:
    """One service's regions, each made when it is first asked for. Every method may be called from any thread.

    Args:
        make: makes the service of a region from the region's name.
    """

    def __init__(self, make: Callable[[str], Service]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str, Service] = {}

    def __call__(self, region: str) -> Service:
        """The service of a region."""
        with self._lock:
            if region not in self._made:
                self._made[region] = self._make(region)
            return self._made[region]

    def made(self) -> list[Service]:
        """The regions' services that something has asked for so far."""
        with self._lock:
            return list(self._made.values())
