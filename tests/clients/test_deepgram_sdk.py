"""deepgram-sdk over deepgram-sagemaker: redirected by one documented override, and as installed by name resolution."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kit.client_setup import SAMPLE_WAV

from dgsm_helpers import local

HOST = "runtime.sagemaker.us-east-1.amazonaws.com"
ALIAS = "127.0.0.2"
"""The package insists on port 8443, which on 127.0.0.1 may be another server's."""

CLIENT = "deepgram-sagemaker+deepgram-sdk"


@pytest.mark.parametrize("client", [CLIENT])
def test_the_documented_override_leads_it_to_the_embedded_aws(run_script, endpoint, client):
    got = run_script(sys.executable, "stream_deepgram.py", "--redirect", *_options(endpoint))
    _check(got)


@pytest.mark.parametrize("client", [CLIENT])
def test_name_resolution_alone_leads_it_there(hosts, relay, run_script, endpoint, client):
    private = 'mount --bind "$0" /etc/hosts && exec "$@"'
    python = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", private, hosts, sys.executable)
    _check(run_script(python, "stream_deepgram.py", *_options(endpoint)))


def _options(endpoint: str) -> tuple[str, ...]:
    query = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true"
    return ("--endpoint", endpoint, "--wav", str(SAMPLE_WAV), "--seconds", "3", "--query", query)


def _check(got: dict) -> None:
    assert got["client"].startswith("deepgram-sagemaker 0.4")
    assert got["error"] is None and got["errors"] == [] and got["ended"]
    assert {m["class"] for m in got["messages"]} == {"ListenV1Results", "ListenV1Metadata"}
    finals = [
        m["channel"]["alternatives"][0] for m in got["messages"] if m["class"] == "ListenV1Results" and m["is_final"]
    ]
    assert "fellow americans" in " ".join(a["transcript"] for a in finals).lower()
    assert got["messages"][-1]["duration"] == pytest.approx(3.0, abs=0.11)


@pytest.fixture
def hosts(tmp_path) -> str:
    """A private /etc/hosts for one process, in a user namespace: no right of the machine's root is needed or used."""
    file = tmp_path / "hosts"
    file.write_text(f"127.0.0.1 localhost\n{ALIAS} {HOST}\n")
    tried = shutil.which("unshare") and subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "mount", "--bind", str(file), "/etc/hosts"],
        capture_output=True,
        check=False,
    )
    if not tried or tried.returncode:
        pytest.skip("this system gives an unprivileged process no mount namespace of its own")
    return str(file)


@pytest.fixture
def relay(embedded) -> Iterator[None]:
    """Carries 8443 of another loopback address to the runtime's port, byte by byte."""
    runtime_port = urlsplit(embedded.info.runtime_url).port
    loop = asyncio.new_event_loop()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", runtime_port)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(carry, ALIAS, 8443))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.parametrize("sees", ["exception", "reset", "clean-end"])
def test_the_guides_recipe_for_it_holds_a_call_through_a_crash(run_script, endpoint, embedded, sees):
    guide = Path(__file__).resolve().parents[2] / "docs" / "guides" / "calls_that_survive.md"
    try:
        got = run_script(
            sys.executable, "continue_deepgram.py", "--guide", str(guide), "--endpoint", endpoint, "--sees", sees
        )
    finally:
        local.admin(embedded.info, "DELETE", "faults", {})
    assert (got["lost"], got["extra"]) == (0, 0)
    assert got["said"] > 20
    assert [change["cause"] for change in got["hand_overs"]] == ["cut"]
    assert got["hand_overs"][0]["audio_lost_s"] == 0
