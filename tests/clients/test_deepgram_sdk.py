"""deepgram-sdk over deepgram-sagemaker: redirected by one documented override, and as installed by name resolution."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kit.client_setup import SAMPLE_WAV
from kit.waiting import until

from dgsm_helpers.places import running_server

HOST = "runtime.sagemaker.us-east-1.amazonaws.com"
ALIAS = "127.0.0.2"
"""The package insists on port 8443, which on 127.0.0.1 may be another server's."""

_MOUNT = 'mount --bind "$0" /etc/hosts && exec "$@"'
PRIVATE_HOSTS = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT)
"""Runs what stands behind a file's name with that file as /etc/hosts: no right of the machine's root is needed."""

CLIENT = "deepgram-sagemaker+deepgram-sdk"


@pytest.mark.parametrize("client", [CLIENT])
def test_the_documented_override_leads_it_to_the_embedded_aws(run_script, endpoint, client):
    got = run_script(sys.executable, "stream_deepgram.py", "--redirect", *_options(endpoint))
    _check(got)


@pytest.mark.parametrize("client", [CLIENT])
def test_name_resolution_alone_leads_it_there(hosts, relay, run_script, endpoint, client):
    python = (*PRIVATE_HOSTS, hosts, sys.executable)
    _check(run_script(python, "stream_deepgram.py", *_options(endpoint)))


FILE = """
import boto3, json, sys
client = boto3.client("sagemaker-runtime")
asked = {"EndpointName": sys.argv[1], "ContentType": "audio/wav", "CustomAttributes": "v1/listen?model=nova-3"}
answer = client.invoke_endpoint(Body=open(sys.argv[2], "rb").read(), **asked)
words = json.loads(answer["Body"].read())["results"]["channels"][0]["alternatives"][0]["transcript"]
print(json.dumps([client.meta.endpoint_url, words]))
"""


def test_one_environment_by_awss_host_name_serves_streams_and_files(
    run_script, endpoint, local_env, embedded, tmp_path
):
    """As Deepgram's kit has it: streams at the endpoint's URL with :8443 behind it, files at the URL itself."""
    printed = subprocess.run(
        ["dgsm", "local", "env", "--aws-hosts"],
        env={**local_env, "DGSM_HOME": str(embedded.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "does not let" in printed.stderr:
        pytest.skip(printed.stderr)
    assert printed.returncode == 0, printed.stderr
    file = _hosts_file(tmp_path, printed.stderr.rpartition("the hosts file needs the line: ")[2].strip())
    exports = [line.removeprefix("export ").split("=", 1) for line in printed.stdout.splitlines()[1:]]
    by_name = {**local_env, **{name: "".join(shlex.split(value)) for name, value in exports}}
    assert by_name["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == f"https://{HOST}"
    python = (*PRIVATE_HOSTS, file, sys.executable)
    _check(run_script(python, "stream_deepgram.py", *_options(endpoint), env=by_name))
    done = subprocess.run(
        [*python, "-c", FILE, endpoint, str(SAMPLE_WAV)], env=by_name, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    url, words = json.loads(done.stdout)
    assert url == f"https://{HOST}" and "fellow americans" in words


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
    return _hosts_file(tmp_path, f"{ALIAS} {HOST}")


def _hosts_file(folder: Path, line: str) -> str:
    file = folder / "hosts"
    file.write_text(f"127.0.0.1 localhost\n{line}\n")
    tried = shutil.which("unshare") and subprocess.run(
        [*PRIVATE_HOSTS, str(file), "true"], capture_output=True, check=False
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

    def held() -> asyncio.Server | None:
        try:
            return loop.run_until_complete(asyncio.start_server(carry, ALIAS, 8443))
        except OSError:  # another worker is at such a test
            return None

    server = until(held, f"{ALIAS}:8443 is free")
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


@pytest.mark.parametrize("path", ["v1/listen", "v2/listen"])
@pytest.mark.parametrize(
    "sees",
    ["exception", *(pytest.param(sees, marks=[pytest.mark.slow, pytest.mark.live]) for sees in ("reset", "clean-end"))],
)
def test_the_guides_recipe_for_it_holds_a_call_through_a_crash(run_script, request, embedded, sees, path):
    guide = Path(__file__).resolve().parents[2] / "docs" / "guides" / "calls_that_survive.md"
    serving = request.getfixturevalue("endpoint" if path == "v1/listen" else "flux_endpoint")
    options = {"guide": guide, "endpoint": serving, "sees": sees, "path": path}
    given = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    try:
        got = run_script(sys.executable, "continue_deepgram.py", *given)
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    assert (got["lost"], got["extra"]) == (0, 0)
    assert got["said"] > 20
    assert [change["cause"] for change in got["hand_overs"]] == ["cut"]
    assert got["hand_overs"][0]["audio_lost_s"] == 0
