"""The embedded AWS comes up, is found again, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from kit.waiting import until
from packaging.requirements import Requirement

from dgsm_helpers import local
from dgsm_helpers.errors import InvalidInput, LocalNotRunning, LocalStartFailed
from dgsm_helpers.places import running_server
from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.session import open_workbook


def ports(info: ServerInfo) -> list[int]:
    return [int(url.rsplit(":", 1)[1]) for url in (info.control_url, info.runtime_url)]


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def home(tmp_path):
    yield tmp_path / "home"
    local.down(tmp_path / "home")


def test_up_twice_finds_the_one_that_runs(home):
    first = local.up(home, speed=60)
    assert local.up(home, speed=60) == first == local.find(home)


def test_down_leaves_no_process_port_or_file(home):
    info = local.up(home)
    family = [psutil.Process(info.pid), *psutil.Process(info.pid).children(recursive=True)]
    assert local.down(home) is True
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
    assert not any(listening(port) for port in ports(info))
    assert list(home.iterdir()) == []
    assert local.down(home) is False


def test_after_kill_9_the_next_up_starts_clean(home):
    killed = local.up(home)
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: ended(killed.pid), "the killed process has ended")
    assert local.find(home) is None
    info = local.up(home)
    assert info.pid != killed.pid
    assert running_server.admin(info, "GET", "status")["endpoints"] == []


def test_everything_listens_on_loopback_only(home):
    info = local.up(home)
    addresses = {c.laddr.ip for c in psutil.Process(info.pid).net_connections() if c.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


def test_a_running_one_with_other_settings_is_refused_by_name(home):
    local.up(home, metered={"lanes": 4, "service_ms": 38.0})
    with pytest.raises(InvalidInput, match="lanes 4, not 8"):
        local.up(home, metered={"lanes": 8, "service_ms": 38.0})


@pytest.mark.parametrize("given", [{"speed": 0}, {"speed": 1e6}, {"metered": {"lanes": 0, "service_ms": 10}}])
def test_settings_out_of_range_are_refused_and_leave_nothing(home, given):
    with pytest.raises((InvalidInput, LocalStartFailed)):
        local.up(home, **given)
    assert not local.state_folder(home).exists()


def test_two_homes_run_side_by_side_on_ports_of_their_own(home, tmp_path):
    one, other = local.up(home), local.up(tmp_path / "other")
    try:
        assert set(ports(one)).isdisjoint(ports(other))
    finally:
        local.down(tmp_path / "other")
    assert local.find(home) == one


def test_administration_of_one_that_is_gone_says_so(home):
    info = local.up(home)
    local.down(home)
    with pytest.raises(LocalNotRunning, match="dgsm local up"):
        running_server.admin(info, "GET", "status")


def test_libraries_that_are_not_installed_are_named_in_one_line_with_what_to_install():
    with pytest.raises(LocalStartFailed) as refusal:
        local.require_libraries(lambda module: None if module in ("moto", "trustme") else object())
    assert str(refusal.value) == (
        "The embedded AWS needs packages that are not installed: moto, trustme. "
        'Install them with: pip install "dgsm-helpers[local]"'
    )


def test_what_is_looked_for_is_what_the_extra_installs():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extra = {Requirement(text).name.replace("-", "_") for text in project["optional-dependencies"]["local"]}
    assert extra == set(local.EMULATOR_MODULES)


def test_a_state_file_of_another_schema_counts_as_none(home):
    info = local.up(home)
    file = local.state_folder(home) / "server.json"
    written = file.read_text()
    file.write_text(json.dumps({**json.loads(written), "schema_version": 99}))
    assert local.find(home) is None
    file.write_text(written)
    assert local.find(home) == info


def test_the_secret_key_is_not_printed(home):
    info = local.up(home)
    assert info.secret_access_key not in repr(info)


def test_waiting_moves_local_time_on_for_everyone_while_no_request_is_in_flight(home):
    info = local.up(home, speed=0.1)  # with the wall's time a minute would take ten
    one, other = (open_workbook("local", home=home, endpoint_name=name) for name in ("one", "other"))
    began, seen = one.now(), other.now()
    one.sleep(1000)
    assert 999.9 < (one.now() - began).total_seconds() < 1060
    assert 999.9 < (other.now() - seen).total_seconds() < 1060
    told = datetime.fromisoformat(running_server.admin(info, "GET", "status")["now"])
    assert abs((told - one.now()).total_seconds()) < 60


@pytest.mark.parametrize("body", [None, [], {}, {"seconds": "9"}, {"seconds": -1}, {"seconds": 1e9}, {"seconds": None}])
def test_time_is_moved_by_seconds_alone(embedded, body):
    with pytest.raises(InvalidInput, match="cannot be moved on by"):
        running_server.admin(embedded.info, "POST", "advance", body)


@pytest.mark.parametrize("written", ["moved_time", "ca.pem", "bundle.pem"])
def test_a_server_whose_folder_was_taken_away_while_it_started_ends_and_writes_nothing_there(written, tmp_path):
    """Its starter was killed, and the next start, or stop, knew nothing of it."""
    folder = tmp_path / "local"
    settings = {"speed": 30, "metered": {}, "region": "us-east-1", "seed": 0, "check_signatures": True, "recording": {}}
    command = [sys.executable, "-m", "embedded_aws", str(folder), json.dumps(settings)]
    for _ in range(20):
        folder.mkdir()
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        until((folder / written).exists, "it starts")
        server.send_signal(signal.SIGSTOP)
        os.waitpid(server.pid, os.WUNTRACED)
        has_started = (folder / "server.json").exists()
        shutil.rmtree(folder)
        if not has_started:
            break
        server.kill()
        server.wait()
    folder.mkdir()
    server.send_signal(signal.SIGCONT)
    server.wait(timeout=120)
    assert list(folder.iterdir()) == []


def test_a_start_that_is_interrupted_leaves_no_process_and_no_file(tmp_path, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])

    def found(_home):
        if started:
            raise KeyboardInterrupt

    monkeypatch.setattr(local, "find", found)
    with pytest.raises(KeyboardInterrupt):
        local.up(tmp_path)
    assert started[0].poll() is not None
    assert not local.state_folder(tmp_path).exists()
