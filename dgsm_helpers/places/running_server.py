"""A running embedded AWS, asked: its administration, its clock, and waiting by that clock."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, LocalNotRunning
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.rules.local_time import LocalTime
from dgsm_helpers.wire.moved_time import MovedTime

_LOOK_EVERY_S = 60.0
"""Local seconds after which it is looked at anew whether time can be moved on."""


def clock(info: ServerInfo) -> Callable[[], float]:
    """A function that reads its local time, in Unix seconds."""
    local_time = LocalTime(speed=info.speed, origin_s=info.origin_s, started_s=info.started_s)
    moved = MovedTime(Path(info.moved_time_file))
    return lambda: local_time.local_s(time.monotonic()) + moved.seconds


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
    import http.client  # here, for it would slow `dgsm --help` down

    data = None if body is None else json.dumps(body).encode()
    try:
        # Not by urllib, which reads every certificate of the system for each request, and asks for proxies.
        with closing(http.client.HTTPConnection(info.control_url.removeprefix("http://"), timeout=60)) as connection:
            connection.request(method, f"/_dgsm/{route}", data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        if answer.status < 400:
            return json.loads(content or b"null")
    except (
        OSError,
        ValueError,
        RecursionError,
        http.client.HTTPException,
    ) as error:  # all but the first: something else answers there
        raise LocalNotRunning(
            f"The embedded AWS does not answer at {info.control_url}.", hint="Start it: `dgsm local up`."
        ) from error
    try:
        reason = json.loads(content or b"{}").get("message", f"{answer.status} {answer.reason}")
    except (ValueError, RecursionError, AttributeError) as error:
        raise LocalNotRunning(
            f"Something else answers at {info.control_url}.", hint="Start it: `dgsm local up`."
        ) from error
    raise InvalidInput(reason)
