"""The client processes that hold a rung together: on this machine, or on a cluster through any executor."""

from __future__ import annotations

import multiprocessing
import os
import socket
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, Self

from dgsm_helpers.errors import InvalidInput, MeasurementInvalid
from dgsm_helpers.load.ladder.ramp import Ramp
from dgsm_helpers.load.ladder.ramp_share import ramp_share
from dgsm_helpers.load.ladder.share import Share, ShareReport, hold_share, ready
from dgsm_helpers.processes.background import end_with_parent

if TYPE_CHECKING:
    from distributed import Client


TRAVELS = "Your AWS key pair and session token, the recordings and the texts travel to the cluster's workers."
WARM_ROUNDS = 10
_CONNECT_S = 10

WORKERS = "_processes"
"""Where `ProcessPoolExecutor` keeps its processes (seen with Python 3.12; 3.14 has ``terminate_workers`` instead)."""


class WorkerLost(MeasurementInvalid):
    """A client process died or fell silent; what the others measured is not the whole rung."""


class Crew:
    """Runs shares side by side.

    Args:
        executor: anything of `concurrent.futures`; processes of this machine when None.
        size: how many shares run at the same time (workers of the executor; default: processors of this machine).
        on_close: called when the crew is closed; what it was given is not closed otherwise.
    """

    def __init__(
        self,
        executor: Executor | None = None,
        *,
        size: int | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        if size is not None and size < 1:
            raise InvalidInput(f"{size} client processes cannot hold a stream.", hint="Give at least 1.")
        self.size = size or os.cpu_count() or 1
        self._given, self._on_close = executor, on_close
        self._own: ProcessPoolExecutor | None = None
        self._warm = False

    def warm(self, *, timeout_s: float = 60.0) -> None:
        """Start the client processes, so that the first hold begins on time; WorkerLost where they do not start."""
        if not self._warm:
            met: set[str] = set()
            for _ in range(WARM_ROUNDS):
                # The first process that is up may answer for the others, which then still have to start.
                met.update(self._collect(ready, [()] * self.size, timeout_s))
                if len(met) >= self.size:
                    break
            self._warm = True

    def run(self, shares: Sequence[Share], *, timeout_s: float) -> list[ShareReport]:
        """All shares' reports.

        Raises:
            WorkerLost: a worker died, raised, or did not report within ``timeout_s``.
        """
        return self._collect(hold_share, [(share,) for share in shares], timeout_s)

    def ramp(self, share: Share, *, timeout_s: float) -> Ramp:
        """What the one process saw that runs a ramp; WorkerLost as in `run`."""
        (found,) = self._collect(ramp_share, [(share,)], timeout_s)
        return found

    def _collect[T](self, work: Callable[..., T], arguments: Sequence[tuple[Any, ...]], timeout_s: float) -> list[T]:
        try:
            futures = [self._executor().submit(work, *each) for each in arguments]
            return [future.result(timeout=timeout_s) for future in futures]
        except FutureTimeoutError as error:
            self._discard()
            raise WorkerLost(f"a client process did not report within {timeout_s:.0f} s") from error
        except Exception as error:
            self._discard()
            raise WorkerLost(f"a client process was lost ({type(error).__name__}: {error})") from error
        except BaseException:
            self._discard()
            raise

    def close(self) -> None:
        """End the processes that this crew started."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)
            self._own = None
        if self._on_close is not None:
            self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _executor(self) -> Executor:
        if self._given is not None:
            return self._given
        if self._own is None:
            # Never fork: the native HTTP client's threads would not survive it.
            context = multiprocessing.get_context("spawn")
            self._own = ProcessPoolExecutor(self.size, mp_context=context, initializer=end_with_parent)
        return self._own

    def _discard(self) -> None:
        """Drop the own pool: after a loss or an interrupt its processes may still hold streams open."""
        self._warm = False
        if self._own is not None:
            for process in list((getattr(self._own, WORKERS) or {}).values()):
                process.terminate()
            self._own.shutdown(wait=False, cancel_futures=True)
            self._own = None


def cluster_crew(address: str) -> Crew:
    """A crew of all workers of the Dask cluster at ``address`` (extra ``cluster``).

    It warns of what travels there in clear.

    Raises:
        InvalidInput: as `cluster_client`.
    """
    if not address.startswith(("tls://", "wss://", "tcp://127.", "tcp://localhost", "inproc://")):
        warnings.warn(
            f"{TRAVELS} To {address} they go in clear: use tls:// on a network that others can listen on "
            "(distributed.dask.org, TLS/SSL).",
            stacklevel=2,
        )
    client = cluster_client(address)
    workers = len(client.scheduler_info()["workers"])
    return Crew(client.get_executor(), size=workers, on_close=client.close)


def _require_scheduler(address: str) -> None:
    """Dask waits for what cannot answer, some of it for ever, so that it is asked only where something answers.

    A scheduler begins the handshake by itself, in clear at least; whatever else answers there does not.

    Raises:
        InvalidInput: it is no address, nothing answers there, or nothing that begins so.
    """
    if not address.strip():  # Dask would start a cluster of its own
        raise InvalidInput("The cluster has no address.", hint="Give its scheduler's: tls://HOST:8786.")
    scheme, _, place = address.rpartition("://")
    if scheme == "inproc":
        return
    host, _, port = place.rpartition(":")
    problem = "it is not HOST:PORT"
    if host and port.isdecimal():
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S) as connection:
                if scheme not in ("", "tcp") or connection.recv(1):
                    return
            problem = "it hangs up"
        except (OSError, OverflowError) as error:
            problem = str(error)
    raise InvalidInput(f"No Dask scheduler at {address!r}: {problem}.", hint="Give its address: tls://HOST:8786.")


def cluster_client(address: str) -> Client:
    """A connection to the Dask cluster at ``address`` (extra ``cluster``), to be closed or used in a ``with``.

    Raises:
        InvalidInput: the extra is not installed, or the cluster has no worker or cannot be reached.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidInput("Dask is not installed.", hint="pip install 'dgsm-helpers[cluster]'") from error
    _require_scheduler(address)
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError, TypeError) as error:  # the last: tls:// without certificates
        raise InvalidInput(
            f"No Dask scheduler at {address!r}: {error}.",
            hint="Give tls://HOST:8786, with the certificates in Dask's configuration, or tcp://HOST:8786.",
        ) from error
    if not client.scheduler_info()["workers"]:
        client.close()
        raise InvalidInput(f"The cluster at {address!r} has no workers.", hint="Start dask workers first.")
    return client
