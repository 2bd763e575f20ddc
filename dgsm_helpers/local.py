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
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, LocalNotRunning, LocalStartFailed
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.rules.local_time import LocalTime
from dgsm_helpers.wire.moved_time import MovedTime

DEFAULT_SPEED = 30.0
"""Local seconds in one wall second: 1 -> 3 -> 1 instances then takes about a minute instead of half an hour."""

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 60.0
"""Local seconds after which it is looked at anew whether time can be moved on."""

EMULATOR_MODULES = ("moto", "flask", "flask_cors", "cbor2", "h11", "trustme")
"""What the embedded AWS imports besides the helpers' own libraries: the extra ``local``."""


def _without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """For the server, which uses boto3's data and calls nobody: the user's AWS settings cannot but hinder it."""
    rest = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return {**rest, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def home_folder(home: str | Path | None = None) -> Path:
    """``home`` where it is given, else ``$DGSM_HOME``, else ``~/.dgsm``.

    Raises:
        InvalidInput: it is the home of a user that there is not.
    """
    try:
        return Path(home or os.environ.get("DGSM_HOME") or Path.home() / ".dgsm").expanduser()
    except RuntimeError as error:  # no such user, or no home at all
        raise InvalidInput(f"There is no state folder: {error}", hint="Set DGSM_HOME to a folder.") from error


def state_file(home: Path, name: str) -> Path:
    """A file under ``home``, whose folder is made: the owner's alone.

    Raises:
        InvalidInput: ``name`` leads out of ``home``.
        OSError: the folder cannot be made.
    """
    path = Path(os.path.normpath(home / name))
    if not path.is_relative_to(os.path.normpath(home)):
        raise InvalidInput(f"{name!r} leads out of the state folder.", hint="Give a name without `..`.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def state_folder(home: Path) -> Path:
    """Where the embedded AWS of this ``home`` keeps its state."""
    return home / "local"


def find(home: Path) -> ServerInfo | None:
    """The embedded AWS that runs for this ``home``, or None."""
    info = ServerInfo.read(state_folder(home) / "server.json")
    try:
        return info if info and admin(info, "GET", "status")["token"] == info.token else None
    except (LocalNotRunning, InvalidInput, KeyError, TypeError):  # the last three: something else answers there
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
    with locked(home):
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
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=folder,
                env=_without_aws(os.environ),
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
    with locked(home):
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


def clock(info: ServerInfo) -> Callable[[], float]:
    """A function that reads its local time, in Unix seconds."""
    local_time, moved = LocalTime(speed=info.speed, origin_s=info.origin_s), MovedTime(Path(info.moved_time_file))
    return lambda: local_time.local_s(time.time()) + moved.seconds


def wait(info: ServerInfo, wall_s: float) -> None:
    """Wait until as much local time has passed as usually does in ``wall_s`` wall seconds.

    It is moved on at once, and goes with the wall's only while a request is in flight.

    Raises:
        LocalNotRunning: nothing answers.
    """
    left_s = wall_s * info.speed
    while left_s > 0:
        step_s = min(left_s, _LOOK_EVERY_S)
        time.sleep(admin(info, "POST", "advance", {"seconds": step_s})["left_s"] / info.speed)
        left_s -= step_s


def admin(info: ServerInfo, method: str, route: str, body: Any = None) -> Any:
    """Ask the running server's own administration (``/_dgsm/<route>``).

    Raises:
        LocalNotRunning: nothing answers.
        InvalidInput: it answered that the request is wrong.
    """
    import http.client
    import urllib.request  # here, for it would slow `dgsm --help` down

    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{info.control_url}/_dgsm/{route}", data=data, method=method)
    # Loopback is never reached through a proxy.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        refusal = error
    except (OSError, ValueError, http.client.HTTPException) as error:  # the last two: something else answers there
        raise LocalNotRunning(
            f"The embedded AWS does not answer at {info.control_url}.", hint="Start it: `dgsm local up`."
        ) from error
    try:
        reason = json.loads(refusal.read() or b"{}").get("message", str(refusal))
    except (ValueError, AttributeError):
        raise LocalNotRunning(
            f"Something else answers at {info.control_url}.", hint="Start it: `dgsm local up`."
        ) from refusal
    raise InvalidInput(reason) from refusal


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time that works in a folder, which is made. It is locked itself: no lock file stays."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
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
