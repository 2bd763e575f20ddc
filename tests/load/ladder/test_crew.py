"""Client processes: several of them as one, lost ones noticed, and a Dask cluster in their place."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
from distributed import LocalCluster
from kit.scripted_clients import ScriptedClients, report_of
from kit.waiting import until

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.ladder.crew import WORKERS, Crew, WorkerLost, cluster_crew
from dgsm_helpers.load.ladder.criteria import STRICT
from dgsm_helpers.load.ladder.live_endpoint import LiveEndpoint
from dgsm_helpers.load.ladder.rung import QUICK, merge_lags
from dgsm_helpers.load.ladder.share import LoadSpec, Share

SHORT = replace(QUICK, settle_s=0.3)


def live(peer, crew, **kwargs):
    return LiveEndpoint(peer.target(), crew, LoadSpec(transport="lean"), criteria=STRICT, effort=SHORT, **kwargs)


def test_the_streams_of_a_hold_are_shared_out_and_their_histograms_merged(peer):
    with Crew(size=2) as crew:
        measure = live(peer, crew)
        once, again = measure(6, 1.5), measure(6, 1.5)
    assert (once.client_processes, again.client_processes) == (1, 2)
    for hold in (once, again):
        assert sorted(s.label for s in hold.streams) == [f"stream-{k}" for k in range(6)]
        assert all(s.error is None for s in hold.streams)
        chunks = sum(round(s.due_audio_s * 10) for s in hold.streams)
        assert merge_lags([hold.histogram]).get_total_count() == chunks > 0


def test_a_dask_cluster_of_separate_processes_holds_a_rung(peer):
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        crew = cluster_crew(cluster.scheduler_address)
        assert crew.size == 2
        measure = live(peer, crew)
        measure(4, 1.0)
        hold = measure(4, 1.0)
        assert hold.client_processes == 2 and len(hold.streams) == 4
        assert all(s.error is None for s in hold.streams)
        crew.close()


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_voids_its_rung_and_its_successor_holds_the_next(peer):
    local = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1")
    with local as cluster, cluster_crew(cluster.scheduler_address) as crew:
        measure = live(peer, crew)
        measure(2, 1.0)  # the second visit is held by both workers
        pid = list(cluster.workers.values())[1].pid
        killer = threading.Thread(target=kill_when_streaming, args=(peer, pid))
        killer.start()
        spoilt = measure(2, 10.0)
        killer.join()
        assert spoilt.void is not None and "lost" in spoilt.void
        # Some holds may still be void: what a busy machine spoils says nothing of the worker.
        until(lambda: measure(2, 1.0).streams, "a hold is reported with the successor")


def kill_when_streaming(peer, pid):
    until(lambda: peer.open_streams == 2, "both streams are open")
    os.kill(pid, signal.SIGKILL)


def test_no_cluster_at_the_address_is_named():
    with pytest.raises(InvalidInput, match="No Dask scheduler"):
        cluster_crew("tcp://127.0.0.1:1")


class Dying(ThreadPoolExecutor):
    """An executor whose last worker is lost."""

    def submit(self, fn, /, *args, **kwargs):
        if args and isinstance(args[0], Share) and 1 in args[0].numbers:
            return super().submit(_lost)
        return super().submit(fn, *args, **kwargs)


def _lost():
    raise OSError("worker gone")


def test_a_lost_worker_voids_its_rung_and_says_so(peer):
    with Dying(2) as executor:
        hold = live(peer, Crew(executor, size=2))(2, 1.0)
    assert hold.void is not None and "lost" in hold.void and "worker gone" in hold.void
    assert hold.streams == ()


def test_a_killed_process_is_lost_and_the_next_hold_has_new_ones(peer):
    with Crew(size=1) as crew:
        crew.warm()
        (process,) = multiprocessing.active_children()
        process.kill()
        until(lambda: not process.is_alive(), "the process has ended")
        measure = live(peer, crew)
        assert "lost" in measure(1, 0.5).void
        assert measure(1, 0.5).streams


def test_a_worker_that_does_not_report_is_lost():
    released = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(released.wait)  # its one worker is busy with something else
        with pytest.raises(WorkerLost, match="did not report within 0 s"):
            Crew(executor, size=1).warm(timeout_s=0.1)
        released.set()


class Tardy(ThreadPoolExecutor):
    """An executor that is busy with something else until a second after the agreed time."""

    def submit(self, fn, /, *args, **kwargs):
        if args and isinstance(args[0], Share):
            until(lambda: time.time() > args[0].begin_unix_s + 1.0)
        return super().submit(fn, *args, **kwargs)


def test_a_worker_that_begins_late_voids_the_hold(peer):
    with Tardy(1) as executor:
        assert "s late: it was slow" in live(peer, Crew(executor, size=1))(1, 0.5).void


def test_a_count_of_the_servers_that_does_not_match_voids_the_hold(peer):
    with ScriptedClients() as executor:
        measure = live(peer, Crew(executor, size=1), gauge=lambda start, end: 5.0)
        assert "counted 5 streams where 2 were held" in measure(2, 0.5).void


@pytest.mark.parametrize(
    ("taken", "counted", "void"),
    [
        (2, 2.0, None),
        (1, 1.0, None),  # the container took one of them, and the ladder judges that
        (0, 0.0, None),
        (2, 1.0, "its metric lacks some of them"),
        (1, 0.0, "its metric lacks some of them"),
        (0, 3.0, "others use it"),
        (2, 3.0, "others use it"),
    ],
)
def test_only_streams_that_were_taken_have_to_be_counted_and_none_beside_them_may_be(peer, taken, counted, void):
    def report(share):
        told = report_of(share)
        refused = [replace(one, error="ModelError", refused=True) for one in told.outcomes[taken:]]
        return replace(told, outcomes=(*told.outcomes[:taken], *refused))

    with ScriptedClients(report) as executor:
        said = live(peer, Crew(executor, size=1), gauge=lambda start, end: counted)(2, 0.5).void
    assert said is None if void is None else said.endswith(f"{void}.")


def test_no_processes_are_refused():
    with pytest.raises(InvalidInput):
        Crew(size=0)


def test_pythons_pool_still_keeps_its_processes_where_they_are_ended_from():
    with ProcessPoolExecutor(1) as pool:
        assert hasattr(pool, WORKERS), f"Python {sys.version_info[:2]} keeps a pool's processes elsewhere: see crew.py"


KILLED_WITH_CLIENTS = """
import os, sys, time
from dgsm_helpers.load.ladder.crew import Crew, WORKERS
from dgsm_helpers.simulate.sweep import processes

if __name__ == "__main__":
    crew = Crew(size=2)
    crew.warm()
    sweep = processes(2)
    list(sweep.map(time.sleep, [0.1, 0.1]))
    print(*getattr(crew._own, WORKERS), *getattr(sweep, WORKERS), flush=True)
    os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_client_processes_end_with_the_process_that_started_them_however_it_ends(tmp_path, number):
    script = tmp_path / "killed.py"
    script.write_text(KILLED_WITH_CLIENTS)
    ended = subprocess.run([sys.executable, script, str(int(number))], stdout=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == -number
    started = [int(word) for word in ended.stdout.split()]
    assert len(started) >= 3
    until(lambda: not any(map(psutil.pid_exists, started)), "no client process is left")


def test_a_client_process_imports_nothing_that_judges():
    probe = "import dgsm_helpers.load.ladder.share, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "numpy" in run.stdout.split()
    assert not {"scipy", "pandas", "boto3"} & set(run.stdout.split())
