"""How long other clients wait while one client abuses the embedded AWS, beside how long they wait without it.

    python benchmarks/abusers.py [--seconds 6] [--only "pings" "many connections"] [--json FILE]

One server, one endpoint. Three clients behave: one asks for the endpoint, one makes a new call after the other
(connection, stream, first result), one holds a call in real time (a piece of audio to its result). One abuser after
the other joins them, in a process of its own, with quiet in between. Prints the 95th percentile of each client's waits
under each abuser, and the worst of the three as a ratio to the same client's in all the quiet of the same run. The last
line is JSON.

1 when something that behaves was refused; 3 when nothing was, but somebody waited more than half a second at the 95th
percentile, which a slow machine does too; 0 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
from abuse_kinds import CUT, KINDS, Aim, abuse, binary, in_frames, opened
from hpack import Decoder

from dgsm_helpers import local
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.rules.sample import bundled_sample
from dgsm_helpers.session import Workbook, open_workbook
from dgsm_helpers.wire import h2_bypass
from dgsm_helpers.wire.eventstream import payload_part

MOST_S = 0.5
TOO_SLOW = 3
CHUNK_S = 0.1
PAUSE_S = 0.02
QUIET, BETWEEN = "quiet", ""
CLIENTS = ("control", "new call", "held call")
RECOVERS_S = 2.0
"""After an abuser has gone nobody's wait counts for so long: the server still clears away what was his."""


class Watch:
    """What the clients waited, by what was going on when they began to."""

    def __init__(self) -> None:
        self.phase = BETWEEN
        self.waits: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.failures: defaultdict[str, list[str]] = defaultdict(list)
        self._stop = threading.Event()

    def behave(self, client: str, call: Callable[[], None]) -> None:
        """Call again and again."""
        while not self._stop.is_set():
            phase, begun_s = self.phase, time.perf_counter()
            try:
                call()
            except (*CUT, DgsmError, RuntimeError) as error:
                self.failures[phase].append(f"{client}: {error!r}")
            self.waits[phase, client].append(time.perf_counter() - begun_s)
            time.sleep(PAUSE_S)

    def stop(self) -> None:
        """The clients leave."""
        self._stop.set()

    def p95_s(self, phase: str, client: str) -> float:
        """Seconds."""
        waits = self.waits[phase, client]
        return float(np.percentile(waits, 95)) if waits else float("inf")


class HonestCall:
    """A call of a client that behaves; it reads what comes."""

    def __init__(self, aim: Aim) -> None:
        self._socket, self._signer = opened(aim)
        self._data = b""
        self._at = 0
        status = dict(Decoder().decode(self._next(h2_bypass.HEADERS)))[":status"]
        if status != "200":
            raise RuntimeError(f"the stream was answered with {status}")

    def say(self) -> None:
        """A piece of audio, and its result."""
        pcm = bundled_sample().pcm[self._at : self._at + 3200]
        self._at = (self._at + 3200) % (len(bundled_sample().pcm) - 3200)
        self._socket.sendall(in_frames(self._signer.sign(binary(pcm))))
        size = len(self._next(h2_bypass.DATA))
        self._socket.sendall(h2_bypass.window_update(0, size) + h2_bypass.window_update(1, size))

    def close(self) -> None:
        """Say that it ends, and go."""
        with closing(self._socket):
            self._socket.sendall(in_frames(self._signer.sign(payload_part(b'{"type":"CloseStream"}'))))

    def _next(self, wanted: int) -> bytes:
        """The next frame of a kind with something in it."""
        while True:
            if len(self._data) >= h2_bypass.HEAD_BYTES:
                high, low, kind, _, _ = h2_bypass.HEAD.unpack_from(self._data)
                end = h2_bypass.HEAD_BYTES + (high << 8 | low)
                if len(self._data) >= end:
                    payload, self._data = self._data[h2_bypass.HEAD_BYTES : end], self._data[end:]
                    if kind == wanted and payload:
                        return payload
                    continue
            more = self._socket.recv(1 << 16)
            if not more:
                raise ConnectionError("the server closed the connection")
            self._data += more


class HeldCall:
    """A call in real time; a new one when it was cut off."""

    def __init__(self, aim: Aim) -> None:
        self._aim = aim
        self._call: HonestCall | None = None
        self._due_s = 0.0

    def say(self) -> None:
        """A piece of audio, and its result."""
        if self._call is None:
            self._call = HonestCall(self._aim)
        try:
            self._call.say()
        except CUT:
            self._call = None
            raise


def one_call(aim: Aim) -> None:
    """A whole call of one piece of audio."""
    with closing(HonestCall(aim)) as call:
        call.say()


def measure(wb: Workbook, aim: Aim, names: Sequence[str], seconds: float, server: psutil.Process) -> Watch:
    """Let each abuser in, one after the other; one line for each."""
    watch, held = Watch(), HeldCall(aim)
    calls = (lambda: endpoint_state.status(wb), lambda: one_call(aim), held.say)
    threads = [
        threading.Thread(target=watch.behave, args=(client, call), daemon=True)
        for client, call in zip(CLIENTS, calls, strict=True)
    ]
    for thread in threads:
        thread.start()
    time.sleep(RECOVERS_S)
    for name in names:
        watch.phase = QUIET
        time.sleep(seconds / 2)
        watch.phase = BETWEEN
        abuser = get_context("spawn").Process(target=abuse, args=(name, aim), daemon=True)
        abuser.start()
        time.sleep(RECOVERS_S)  # it imports
        watch.phase = name
        time.sleep(seconds)
        watch.phase = BETWEEN
        abuser.kill()
        abuser.join()
        time.sleep(RECOVERS_S)
        print(row(watch, name, server), flush=True)
    watch.stop()
    for thread in threads:
        thread.join(30)
    return watch


def row(watch: Watch, name: str, server: psutil.Process) -> str:
    """An abuser's line."""
    waits = "".join(f"{1000 * watch.p95_s(name, client):>11.1f}" for client in CLIENTS)
    refused = len(watch.failures[name])
    return f"{name:<46}{waits}{ratio(watch, name):>8.1f}{server.memory_info().rss / 1e6:>11.0f}{refused:>8}"


def ratio(watch: Watch, name: str) -> float:
    """The worst of the clients: how many times what it waits in quiet."""
    return max(watch.p95_s(name, client) / watch.p95_s(QUIET, client) for client in CLIENTS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        info = local.up(home, metered={"lanes": 1000, "service_ms": 1})
        try:
            wb = open_workbook("local", home=home, endpoint_name="abused")
            deployment.deploy(wb, deployment_plan.plan(wb))
            control, runtime = (urlsplit(url) for url in (info.control_url, info.runtime_url))
            aim = Aim(
                control=(str(control.hostname), int(control.port or 0)),
                runtime=(str(runtime.hostname), int(runtime.port or 0)),
                ca_file=str(info.ca_file),
                endpoint=wb.endpoint_name,
                region=info.region,
                access_key_id=info.access_key_id,
                secret_access_key=info.secret_access_key,
            )
            clients = "".join(f"{client:>11}" for client in CLIENTS)
            print(f"{'p95 in ms under':<46}{clients}{'ratio':>8}{'server MB':>11}{'failed':>8}")
            watch = measure(wb, aim, options.only, options.seconds, psutil.Process(info.pid))
            print(row(watch, QUIET, psutil.Process(info.pid)))
        finally:
            local.down(home)
    result = {
        "p95_ms": {
            name: {client: round(1000 * watch.p95_s(name, client), 1) for client in CLIENTS}
            for name in (QUIET, *options.only)
        },
        "ratio": {name: round(ratio(watch, name), 1) for name in options.only},
        "failed": {name: failures for name, failures in watch.failures.items() if failures and name},
        "load_average": os.getloadavg()[0],
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    late = [n for n in options.only if any(watch.p95_s(n, client) > MOST_S for client in CLIENTS)]
    for name in (*late, *result["failed"]):
        print(f"DOES NOT HOLD: {name}", file=sys.stderr)
    return 1 if result["failed"] else TOO_SLOW if late else 0


if __name__ == "__main__":
    sys.exit(main())
