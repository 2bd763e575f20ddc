"""What each of the embedded AWS's own services is made of: its regions, and in each the operations over one state."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

Params = Mapping[str, Any]
"""An operation's parameters, as boto3 takes them; they have passed botocore's service model."""


class Regions[Service]:
    """One service's regions, each made when it is first asked for. Every method may be called from any thread."""

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


class Operations[State]:
    """Operations of a service over one region's state.

    Each public method is the API's operation of that name, ``params -> answer``. It raises ``AwsRefusal`` for what AWS
    refuses.
    """

    def __init__(self, state: State) -> None:
        self.state = state
