"""A workbook on an embedded AWS whose clock the workbook itself moves: what it waits for has happened at once."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.session import EMBEDDED, Workbook
from embedded_aws.fleet.instances import Lease
from embedded_aws.listings import LISTINGS
from kit.moved_aws import ROLE, MovedAws
from kit.scaling_bench import REGION

ANSWERS_MS = 250.0
"""How long a stream takes to its first message."""


class EmptyAws(MovedAws):
    """Without an endpoint yet."""

    def make_endpoint(self) -> None:
        """The test makes its own."""


class OtherAccount(EmptyAws):
    """Whose every answer names another account's number."""

    NUMBER = "210987654321"
    _OURS, _THEIRS = b"123456789012", NUMBER.encode()

    def send(self, method: str, path: str, headers: dict[str, Any], body: bytes) -> tuple[int, dict[str, str], bytes]:
        status, answered, content = super().send(method, path, headers, body.replace(self._THEIRS, self._OURS))
        return status, answered, content.replace(self._OURS, self._THEIRS)


class MovedLoad:
    """Streams as the fleet counts them, without their audio; as `Load` is used by a recording."""

    def __init__(self, aws: MovedAws, endpoint: str) -> None:
        self._aws, self._endpoint, self._made = aws, endpoint, 0
        self._open: dict[str, Lease] = {}
        self.traces: list[Any] = []

    def set(self, number: int) -> None:
        while len(self._open) > number:
            label, lease = self._open.popitem()
            lease.release()
            self.traces.append(SimpleNamespace(label=label, ending=Ending.CLEAN, error=None))
        while len(self._open) < number:
            self._made += 1
            label = f"stream-{self._made}"
            lease = self._aws.fleet.acquire(REGION, self._endpoint)
            lease.on_kill = lambda _, label=label: self._cut(label)
            lease.first_chunk(ANSWERS_MS)
            self._open[label] = lease

    def _cut(self, label: str) -> None:
        del self._open[label]
        self.traces.append(SimpleNamespace(label=label, ending=Ending.ERROR, error=None))

    def wait_open(self) -> None:
        """They are open."""

    def snapshot(self) -> Any:
        return SimpleNamespace(open=len(self._open), lag_p95_ms=ANSWERS_MS if self._open else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.set(0)


def moved_workbook(aws: MovedAws, home: Path, endpoint: str) -> Workbook:
    """A workbook on ``aws``, whose sleep moves its clock."""
    return Workbook(
        **EMBEDDED,
        now_s=aws.clock.now_s,
        sleep_s=lambda seconds: aws.run(10 * math.ceil(seconds / 10)),
        region=REGION,
        endpoint_name=endpoint,
        variant_name="AllTraffic",
        model_package_arn=LISTINGS[0].arn(REGION),
        role_arn=ROLE,
        confirm_spend=True,
        confirm_delete=True,
        home=home,
        clients=SimpleNamespace(get=aws.client, make=lambda service, _: aws.client(service)),
        stream_url="https://127.0.0.1:1",
        ca_bundle=None,
    )
