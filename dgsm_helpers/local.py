"""Start, find and stop the one background process that is the embedded AWS.

Its state folder is ``$DGSM_HOME/local``. The server writes ``server.json`` there, and every later notebook, shell and
client finds it by that file. ``down`` removes the folder. A server that was killed leaves a stale file behind; the next
``up`` sees that nothing answers under its token and starts clean.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, LocalNotRunning, LocalStartFailed

SCHEMA_VERSION = 1
"""Of ``server.json``; a file of another version counts as no file."""

DEFAULT_SPEED = 30.0
"""Local seconds in one wall second: 1 -> 3 -> 1 instances then takes about a minute instead of half an hour."""

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0

EMULATOR_MODULES = ("moto", "flask", "flask_cors", "cbor2", "h11", "trustme")
"""What the embedded AWS imports besides the helpers' own libraries: the extra ``local``."""


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """How to reach a running embedded AWS: what the server writes to ``server.json``.

    ``listings`` maps a listing's name to its model package ARN in ``region``. ``origin_s`` is the Unix time at which
    local time and wall time were equal.
    """

    pid: int
    token: str
    region: str
    control_url: str
    runtime_url: str
    ca_file: str
    ca_bundle: str
    speed: float
    origin_s: float
    access_key_id: str
    secret_access_key: str = field(repr=False)
    execution_role_arn: str
    listings: Mapping[str, str]
    engines: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> ServerInfo | None:
        """What the file says; None when there is none, or none of this `SCHEMA_VERSION`."""
        try:
            state = json.loads(file.read_text())
            if state["schema_version"] != SCHEMA_VERSION:
                return None
            return cls(**{f.name: state[f.name] for f in fields(cls)})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def env(self) -> dict[str, str]:
        """Environment variables that point any client at it."""
        return {
            "AWS_ENDPOINT_URL": self.control_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.runtime_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": self.runtime_url,
            "DGSM_STREAM_URL": self.runtime_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_CA_BUNDLE": self.ca_bundle,
            "SSL_CERT_FILE": self.ca_bundle,
            "NODE_EXTRA_CA_CERTS": self.ca_file,
            **_proxy_exceptions(),
        }

    def status(self) -> dict[str, Any]:
        """What ``dgsm local status --json`` prints."""
        return {
            "pid": self.pid,
            "urls": {"control": self.control_url, "runtime": self.runtime_url, "stream": self.runtime_url},
            "region": self.region,
            "speed": self.speed,
            "execution_role_arn": self.execution_role_arn,
            "listings": [{"name": name, "model_package_arn": arn} for name, arn in self.listings.items()],
            "engines": dict(self.engines),
            "ca_bundle": self.ca_bundle,
        }


def _proxy_exceptions() -> dict[str, str]:
    """What the shell excepts from its proxies, and this machine: clients read either spelling."""
    hosts = [host for host in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",") if host]
    value = ",".join(hosts if "127.0.0.1" in hosts else [*hosts, "127.0.0.1"])
    return {"NO_PROXY": value, "no_proxy": value}


def home_folder(home: str | Path | None = None) -> Path:
    """``home`` where it is given, else ``$DGSM_HOME``, else ``~/.dgsm``."""
    return Path(home or os.environ.get("DGSM_HOME") or Path.home() / ".dgsm").expanduser()


def state_folder(home: Path) -> Path:
    """Where the embedded AWS of this ``home`` keeps its state."""
    return home / "local"


def find(home: Path) -> ServerInfo | None:
    """The embedded AWS that runs for this ``home``, or None."""
    info = ServerInfo.read(state_folder(home) / "server.json")
    try:
        return info if info and admin(info, "GET", "status")["token"] == info.token else None
    except (LocalNotRunning, KeyError):
        return None


def up(
    home: Path,
    *,
    speed: float = DEFAULT_SPEED,
    metered: Mapping[str, float] | None = None,
    region: str = "us-east-1",
    seed: int = 0,
) -> ServerInfo:
    """Start the embedded AWS, or find the one that runs.

    Args:
        home: state folder's parent (``$DGSM_HOME``).
        speed: local seconds per wall second, 0.1 to 600.
        metered: ``lanes`` and ``service_ms`` of the metered engine; None for its defaults.
        region: region whose ARNs ``status`` lists; clients may use any.
        seed: of start-up delays and routing.

    Raises:
        InvalidInput: a setting is out of range, or a running server has other settings.
        LocalStartFailed: its libraries are not installed, or it did not come up; then the message has the end of its
            log.
    """
    if not 0.1 <= speed <= 600:
        raise InvalidInput(f"speed is {speed:g}.", hint="Give local seconds per wall second between 0.1 and 600.")
    with _lock(home):
        if running := find(home):
            _refuse_other_settings(running, speed, metered)
            return running
        require_libraries()
        folder = state_folder(home)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        settings = {"speed": speed, "metered": dict(metered or {}), "region": region, "seed": seed}
        log = folder / "server.log"
        command = [sys.executable, "-m", "embedded_aws", str(folder), json.dumps(settings)]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=folder
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if info := find(home):
                return info
            if process.poll() is not None:
                break
            time.sleep(0.05)
        process.kill()
        process.wait()
        tail = log.read_text(errors="replace")[-1500:]
        shutil.rmtree(folder, ignore_errors=True)
        raise LocalStartFailed(f"The embedded AWS did not come up. The end of its log:\n{tail}")


def require_libraries(find_spec: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Look for what the embedded AWS imports, without importing it; ``find_spec`` returns None for an absent module.

    Raises:
        LocalStartFailed: something is not installed; the message says how to install it.
    """
    missing = [module for module in EMULATOR_MODULES if find_spec(module) is None]
    if missing:
        raise LocalStartFailed(
            f"The embedded AWS needs packages that are not installed: {', '.join(missing)}.",
            hint='Install them with: pip install "dgsm-helpers[local]"',
        )


def _refuse_other_settings(info: ServerInfo, speed: float, metered: Mapping[str, float] | None) -> None:
    requested = {**({} if speed == DEFAULT_SPEED else {"speed": speed}), **(metered or {})}
    actual = {"speed": info.speed, **info.engines.get("metered", {})}
    differences = ", ".join(
        f"{name} {actual.get(name):g}, not {value:g}" for name, value in requested.items() if actual.get(name) != value
    )
    if differences:
        raise InvalidInput(
            f"The embedded AWS runs already, with {differences}.", hint="Stop it first: `dgsm local down`."
        )


def down(home: Path) -> bool:
    """Stop the embedded AWS and remove its state; True when one was running."""
    with _lock(home):
        info = find(home)
        if info:
            os.kill(info.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while _alive(info.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _alive(info.pid):
                os.kill(info.pid, signal.SIGKILL)
        shutil.rmtree(state_folder(home), ignore_errors=True)
        return info is not None


def admin(info: ServerInfo, method: str, route: str, body: Any = None) -> Any:
    """Ask the running server's own administration (``/_dgsm/<route>``).

    Raises:
        LocalNotRunning: nothing answers.
        InvalidInput: it answered that the request is wrong.
    """
    import urllib.request  # here, for it would slow `dgsm --help` down

    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{info.control_url}/_dgsm/{route}", data=data, method=method)
    # Loopback is never reached through a proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise InvalidInput(json.loads(error.read() or b"{}").get("message", str(error))) from error
    except OSError as error:
        raise LocalNotRunning(
            f"The embedded AWS does not answer at {info.control_url}.", hint="Start it: `dgsm local up`."
        ) from error


@contextlib.contextmanager
def _lock(home: Path) -> Iterator[None]:
    """Only one ``up`` or ``down`` at a time for one ``home``. The folder itself is locked: no lock file stays."""
    home.mkdir(parents=True, exist_ok=True)
    handle = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _alive(pid: int) -> bool:
    """Whether the process runs; a finished child of ours is reaped on the way."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
