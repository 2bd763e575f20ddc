"""Pytest's fixture `embedded_aws`: an AWS of the tests' own, with endpoints that scale when a test says so.

Pytest finds it wherever the package is installed. A test that takes the fixture has AWS's usual variables (endpoint
URLs, keys, region, certificates) set to that AWS: its client, and every process it starts, goes there and nowhere else.
One embedded AWS serves the whole run; endpoints and faults of a test end with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dgsm_helpers.places.server_info import ServerInfo
    from dgsm_helpers.session import Workbook

SPEED = 120.0
"""Local seconds in one wall second: an instance starts within some two seconds. Streams are in real time."""

_PATIENCE_S = 300.0
"""Wall seconds for what takes two on a quiet machine."""


@dataclass(frozen=True)
class EmbeddedEndpoint:
    """An endpoint in service. ``workbook`` is what the step modules (`deploy`, `register`, …) work on."""

    workbook: Workbook

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.workbook.endpoint_name

    @property
    def running_instances(self) -> int:
        """Instances that serve now."""
        from dgsm_helpers.aws.endpoint import endpoint_state

        return endpoint_state.status(self.workbook).variant(self.workbook.variant_name).running

    def scale(self, instances: int) -> None:
        """Ask for so many instances and return at once: a test goes on streaming while they come or go.

        Raises:
            NotReady: the endpoint is still changing; `wait` first.
        """
        from dgsm_helpers.aws.endpoint.desired_count import set_desired

        set_desired(self.workbook, instances)

    def wait(self) -> None:
        """Wait until it has the instances that were asked for.

        Raises:
            NotReady: it did not come to that in five minutes.
        """
        from dgsm_helpers.aws.endpoint import endpoint_state

        limit_s = _PATIENCE_S / self.workbook.wall_seconds(1.0)
        endpoint_state.settle(self.workbook, timeout_s=limit_s, on_progress=None)


@dataclass(frozen=True)
class EmbeddedAws:
    """The embedded AWS of this run, as one test has it.

    ``environment`` holds the variables that point a client at it; in the test's own process they are set.
    """

    home: Path
    server: ServerInfo
    _made: list[Workbook] = field(default_factory=list, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that does not inherit this one's."""
        return {**self.server.env(), "DGSM_HOME": str(self.home)}

    def endpoint(self, name: str = "under-test", *, instances: int = 1, listing: str = "metered") -> EmbeddedEndpoint:
        """A new endpoint, in service; it goes with the test.

        Args:
            name: what clients call it.
            instances: how many it begins with.
            listing: ``metered`` or ``speech``, or a model package ARN.
        """
        from dgsm_helpers import deploy
        from dgsm_helpers.session import open_workbook

        wb = open_workbook("local", endpoint_name=name, listing=listing, home=self.home)
        self._made.append(wb)
        deploy.deploy(wb, deploy.plan(wb, initial_count=instances))
        return EmbeddedEndpoint(wb)

    def fault(self, kind: str, **settings: Any) -> None:
        """Let something go wrong, until the test ends: ``dgsm local fault list`` says what can.

        Raises:
            InvalidInput: there is no such fault, or it takes no such setting.
        """
        from dgsm_helpers.places import running_server

        running_server.admin(self.server, "POST", "faults", {"kind": kind, **settings})

    def _clear(self) -> None:
        from dgsm_helpers.aws.account.deletion import delete
        from dgsm_helpers.places import running_server

        running_server.admin(self.server, "DELETE", "faults", {})
        for wb in self._made:
            delete(wb)


@pytest.fixture(scope="session")
def _embedded_aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ServerInfo]]:
    from dgsm_helpers import local

    home = tmp_path_factory.mktemp("embedded-aws")
    yield home, local.up(home, speed=SPEED)
    local.down(home)


@pytest.fixture
def embedded_aws(
    _embedded_aws_server: tuple[Path, ServerInfo], monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedAws]:
    """An AWS on this machine that the test's client reaches as it reaches the real one."""
    home, server = _embedded_aws_server
    aws = EmbeddedAws(home, server)
    for name in server.left_over():
        monkeypatch.delenv(name, raising=False)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    yield aws
    aws._clear()
