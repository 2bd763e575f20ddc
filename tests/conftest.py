"""One embedded AWS for the whole test run, a fresh workbook for each test, and no way to a real account."""

from __future__ import annotations

import gc
import itertools
import os
import signal
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from kit import endpoints
from kit.endpoints import Operator

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.session import Workbook, open_workbook

import_without_grammar()
botocore.session.create_loader = cache(botocore.session.create_loader)  # AWS's models are read once for all sessions
endpoint_state.POLL_S = 60.0  # a test seldom watches how an endpoint comes, and every look is a call
SPEED = 120.0
"""Local seconds per wall second in tests: an instance starts in about two seconds."""

# How long an example takes is no verdict.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


# Ten thousand tests and what they import stay until the end: looking through them again and again is a sixth of a run.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def pytest_unconfigure() -> None:
    gc.freeze()  # five times more at the end, a second each


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A run of the slow ones alone does not import the modules that have none: nine in ten, for each worker."""
    is_module = collection_path.match("test_*.py")
    return (is_module and config.option.markexpr.startswith("slow") and not _may_be_slow(collection_path)) or None


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("slow") and not _may_be_slow(item.path):
        raise pytest.UsageError(f"{item.nodeid} is slow, and nothing in {item.path} shows it (_may_be_slow).")


@cache
def _may_be_slow(module: Path) -> bool:
    """Whether a slow test may stand in it: the mark does, or what is marked in `kit.front_ends`."""
    text = module.read_text(encoding="utf-8")
    return "pytest.mark.slow" in text or "front_ends import SETS" in text


LONG_S = 1800
"""A test that is allowed this long takes minutes."""
AFTER = 20


@pytest.hookimpl(trylast=True)  # once what is not asked for has been left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin what takes minutes early, on every worker: none is then left alone with it at the end."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    limits = {item: mark.args[0] for item in items if (mark := item.get_closest_marker("timeout"))}
    long = [item for item in items if limits.get(item, 0) >= LONG_S]
    others = [item for item in items if limits.get(item, 0) < LONG_S]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        # xdist hands out as many equal stretches as there are workers.
        stretch = others[worker * len(others) // workers : (worker + 1) * len(others) // workers]
        ordered += [*stretch[:AFTER], *long[worker::workers], *stretch[AFTER:]]
    items[:] = ordered


@dataclass(frozen=True)
class Embedded:
    """The embedded AWS of this test run: its state folder, how to reach it, and the environment of `dgsm local env`."""

    home: Path
    info: ServerInfo

    @property
    def env(self) -> dict[str, str]:
        """A whole environment for a client process: this one's without AWS settings, plus `dgsm local env`'s."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DGSM_"))}
        return {**clean, **self.info.env(), "DGSM_HOME": str(self.home), "DGSM_SETTINGS": os.devnull}


@pytest.fixture(scope="session", autouse=True)
def _no_real_account(tmp_path_factory):
    """No test reads the developer's credentials, configuration or workbook state."""
    saved = dict(os.environ)
    for name in [n for n in os.environ if n.startswith(("AWS_", "DGSM_"))]:
        del os.environ[name]
    nowhere = tmp_path_factory.mktemp("aws")
    os.environ["AWS_CONFIG_FILE"] = str(nowhere / "config")
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(nowhere / "credentials")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Nor settings that lie in a folder above the tests.
    os.environ["DGSM_SETTINGS"] = os.devnull
    os.environ["DGSM_HOME"] = str(tmp_path_factory.mktemp("home"))
    # A shell's background job starts with Ctrl-C ignored, one under nohup with the terminal's end ignored, and so would
    # every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    """A running embedded AWS at `SPEED`, with the metered engine's defaults (knee 10)."""
    home = tmp_path_factory.mktemp("embedded")
    info = local.up(home, speed=SPEED)
    _running.append(Embedded(home=home, info=info))
    yield _running[-1]
    _running.clear()
    local.down(home)


_running: list[Embedded] = []


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left():
    """A module leaves nothing on the embedded AWS under a name that it uses again.

    xdist hands tests out as workers become free, so that a worker may begin a module, leave it and begin it again.
    """
    yield
    for aws in _running:
        left = endpoints.names(open_workbook("local", home=aws.home))
        assert [name for name in left if not name.startswith((OWN_NAME, SESSION_NAME))] == []


@pytest.fixture
def stands_for_aws(monkeypatch):
    """A server of this machine may be where ``where="aws"`` leads to, which is refused otherwise."""
    monkeypatch.setattr("dgsm_helpers.places.clients._require_elsewhere", lambda url: None)


@pytest.fixture
def keys_of_an_account(embedded):
    """A key pair that the embedded AWS takes and that is not its own, which ``where="aws"`` refuses."""
    iam = open_workbook("local", home=embedded.home).client("iam")
    try:
        iam.create_user(UserName="of-an-account")
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    made = iam.create_access_key(UserName="of-an-account")["AccessKey"]
    yield {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    iam.delete_access_key(UserName="of-an-account", AccessKeyId=made["AccessKeyId"])


@pytest.fixture
def hasty_retries(monkeypatch):
    """botocore's own retries as many as ever, but without the seconds between them."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def operator(embedded, workbook):
    """Sets faults and quotas of the embedded AWS for one test; undone before the workbooks' endpoints are deleted."""
    made = Operator(embedded.info)
    yield made
    made.undo()


OWN_NAME = "dg-test-"
"""Begins the names that no second test uses."""
SESSION_NAME = "dg-clients"
"""The endpoint that stays as long as the embedded AWS."""

_numbers = itertools.count(1)


@pytest.fixture
def workbook(embedded, request):
    """Opens workbooks on the embedded AWS, each on an endpoint name of its own; what they leave is deleted
    afterwards."""
    opened: list[Workbook] = []

    def make(**given) -> Workbook:
        given.setdefault("endpoint_name", f"{OWN_NAME}{next(_numbers)}")
        opened.append(open_workbook("local", home=embedded.home, **given))
        return opened[-1]

    yield make
    for wb in opened:
        endpoints.deleted(wb)


@pytest.fixture
def endpoint(workbook):
    """A workbook of the test's own whose endpoint is in service."""
    return endpoints.deployed(workbook())
