"""Start, find and stop the one background process that is the embedded AWS.

Its state folder is ``$DGSM_HOME/local``. The server writes ``server.json`` there, and every later notebook, shell and
client finds it by that file. ``down`` removes the folder. A server that was killed leaves a stale file behind; the next
``up`` sees that nothing answers under its token and starts clean.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dgsm_helpers.errors import InvalidInput, LocalNotRunning, LocalStartFailed
from dgsm_helpers.places.kept_recording import kept_recording
from dgsm_helpers.places.running_server import admin
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.processes.other_processes import alive, locked
from dgsm_helpers.rules.model import recorded_model

DEFAULT_SPEED = 30.0
"""Local seconds in one wall second: 1 -> 3 -> 1 instances then takes about a minute instead of half an hour."""

DEFAULT_REGION = "us-east-1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
EMULATOR_MODULES = ("moto", "flask", "flask_cors", "cbor2", "h11", "trustme")
"""What the embedded AWS imports besides the helpers' own libraries: the extra ``local``."""


_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}
"""For glibc: a connection's buffers (a quarter of a megabyte each) go back to the system with it.

By itself it raises the threshold with the first large block that is freed, and then keeps the room of the most
connections there ever were, for each thread anew.
"""


def _environment_of_server(environment: Mapping[str, str]) -> dict[str, str]:
    """It uses boto3's data and calls nobody, so the user's AWS settings cannot but hinder it."""
    rest = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return {**_MALLOC, **rest, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


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
    if info is None:
        return None
    try:
        said = admin(info, "GET", "status")
        # Who answers says which process it is: `down` ends no other.
        return info if (said["token"], said["pid"]) == (info.token, info.pid) else None
    except (LocalNotRunning, InvalidInput, KeyError, TypeError):  # the last three: something else answers there
        return None


def up(
    home: Path,
    *,
    speed: float | None = None,
    metered: Mapping[str, float] | None = None,
    region: str | None = None,
    seed: int = 0,
    check_signatures: bool | None = None,
) -> ServerInfo:
    """Start the embedded AWS, or find the one that runs. What is None is as it runs, or else as usual.

    It behaves as AWS did in ``home``'s recording, if it has one.

    Args:
        home: state folder's parent (``$DGSM_HOME``).
        speed: local seconds per wall second, 0.1 to 600; `DEFAULT_SPEED` as usual.
        metered: ``lanes`` and ``service_ms`` of the metered engine.
        region: region whose ARNs ``status`` lists, `DEFAULT_REGION` as usual; clients may use any.
        seed: of start-up delays and routing.
        check_signatures: whether the control plane refuses calls that are not signed with its key pair, as AWS does;
            True as usual. The runtime always does.

    Raises:
        InvalidInput: a setting or a recorded value is out of range, or a running server has other settings.
        LocalStartFailed: its libraries are not installed, or it did not come up; then the message has the end of its
            log.
    """
    if speed is not None and not 0.1 <= speed <= 600:
        raise InvalidInput(f"speed is {speed:g}.", hint="Give local seconds per wall second between 0.1 and 600.")
    asked = {"speed": speed, **(metered or {}), "region": region, "check_signatures": check_signatures}
    with locked(home):
        if running := find(home):
            _refuse_other_settings(running, {name: value for name, value in asked.items() if value is not None})
            return running
        require_libraries()
        recorded_model(recording := kept_recording(home))  # refuses what it cannot be
        folder = state_folder(home)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        settings = {
            "speed": DEFAULT_SPEED if speed is None else speed,
            "metered": dict(metered or {}),
            "region": region or DEFAULT_REGION,
            "seed": seed,
            "check_signatures": check_signatures is not False,
            "recording": recording,
        }
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
                env=_environment_of_server(os.environ),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while time.monotonic() < deadline:
                if info := find(home):
                    return info
                if process.poll() is not None:
                    break
                time.sleep(0.05)
            tail = log.read_text(errors="replace")[-1500:]
            raise LocalStartFailed(f"The embedded AWS did not come up. The end of its log:\n{tail}")
        except BaseException:  # an interrupt too: what is not known to run must not go on
            process.kill()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)
            raise


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


def _refuse_other_settings(info: ServerInfo, asked: Mapping[str, object]) -> None:
    actual = {**info.engines.get("metered", {}), "region": info.region}
    actual |= {"speed": info.speed, "check_signatures": info.check_signatures}
    differences = ", ".join(
        f"{name} {_shown(actual.get(name))}, not {_shown(value)}"
        for name, value in asked.items()
        if actual.get(name) != value
    )
    if differences:
        raise InvalidInput(
            f"The embedded AWS runs already, with {differences}.", hint="Stop it first: `dgsm local down`."
        )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def down(home: Path) -> bool:
    """Stop the embedded AWS and remove its state; True when one was running."""
    with locked(home):
        info = find(home)
        if info:
            os.kill(info.pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while alive(info.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if alive(info.pid):
                os.kill(info.pid, signal.SIGKILL)
        shutil.rmtree(state_folder(home), ignore_errors=True)
        return info is not None
