"""Streams of both transports along the way that an environment gives: a proxy, a path, a profile's URL."""

from __future__ import annotations

import threading
from dataclasses import replace
from socketserver import BaseRequestHandler, TCPServer

import pytest
from kit.broken_environments import everything_at_once
from kit.tunnel_proxy import tunnel_proxy

from dgsm_helpers.errors import StreamFailed
from dgsm_helpers.load.transport.data_path import check_reachable
from dgsm_helpers.load.transport.lean_transport import LeanTransport
from dgsm_helpers.load.transport.paced_audio import AudioSender
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.load.transport.sdk_transport import SdkTransport, run_blocking
from dgsm_helpers.load.transport.stream_target import StreamTarget
from dgsm_helpers.load.transport.trace import Ending
from dgsm_helpers.session import open_workbook

TRANSPORTS = pytest.mark.parametrize("transport", [SdkTransport, LeanTransport], ids=["sdk", "lean"])
LOGIN = "me:p@ss"


async def stream(transport, target):
    running = transport(target)
    try:
        return await running.run(AudioSender(chunks(bundled_recording(), duration_s=0.2), sample_rate=16000))
    finally:
        await running.close()


@TRANSPORTS
@pytest.mark.parametrize(("login", "user"), [("", ""), (LOGIN, "me:p%40ss@")], ids=["open", "login"])
def test_environment_of_a_proxy_streams_go_through_it(peer, transport, login, user):
    with tunnel_proxy(login) as proxy:
        target = replace(peer.target(), proxy_url=f"http://{user}{proxy.address}")
        check_reachable(target)
        trace = run_blocking(stream(transport, target))
    assert trace.ending is Ending.CLEAN, trace.error
    assert len(proxy.tunnels) > 1 and set(proxy.tunnels) == {f"{target.host}:{target.port}"}


@TRANSPORTS
def test_a_proxy_that_refuses_is_a_refusal_in_the_trace(peer, transport):
    with tunnel_proxy(LOGIN) as proxy:
        trace = run_blocking(stream(transport, replace(peer.target(), proxy_url=f"http://{proxy.address}")))
    assert trace.ending is Ending.REFUSED and trace.error.message


def test_a_proxy_that_refuses_is_named_before_a_stream_hangs_on_it(peer):
    with tunnel_proxy(LOGIN) as proxy:
        target = replace(peer.target(), proxy_url=f"http://me:wrong@{proxy.address}")
        with pytest.raises(
            StreamFailed, match=rf"\(proxy\): {proxy.address} answers CONNECT .* 407 .*HTTPS_PROXY"
        ) as told:
            check_reachable(target)
    assert "wrong" not in str(told.value)


class Banner(BaseRequestHandler):
    """No proxy: it greets as an SSH server does."""

    def handle(self):
        self.request.recv(1024)
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_what_is_no_proxy_is_named_as_such(peer):
    with TCPServer(("127.0.0.1", 0), Banner) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        target = replace(peer.target(), proxy_url=f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(StreamFailed, match=r"\(proxy\): .* answers CONNECT .* with SSH-2\.0"):
            check_reachable(target)


@TRANSPORTS
def test_a_path_in_the_endpoint_url_stands_before_the_operations(peer, transport):
    run_blocking(stream(transport, replace(peer.target(), url=f"{peer.url}/gate")))
    assert peer.requests[-1][":path"].startswith("/gate/endpoints/good/")


@TRANSPORTS
def test_case_of_a_profile_with_services_streams_reach_that_url(peer, transport, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        "[profile svc]\nregion = us-east-1\nservices = local\naws_access_key_id = AKIDPEER\n"
        f"aws_secret_access_key = secret-of-the-peer\nca_bundle = {peer.ca_bundle}\n"
        f"[services local]\nsagemaker_runtime =\n  endpoint_url = {peer.url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    wb = open_workbook("aws", profile="svc", endpoint_name="good", home=tmp_path)
    target = StreamTarget.of(wb)
    check_reachable(target)
    assert run_blocking(stream(transport, target)).ending is Ending.CLEAN


@TRANSPORTS
def test_a_stream_minds_nothing_of_a_broken_environment(peer, transport, monkeypatch, tmp_path):
    for name, value in everything_at_once(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert run_blocking(stream(transport, peer.target())).ending is Ending.CLEAN


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "words"])
def test_case_of_a_bundle_that_cannot_be_read_is_not_blamed_on_the_network(peer, tmp_path, content):
    bundle = tmp_path / "corp.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(StreamFailed, match=r"corp\.pem.*AWS_CA_BUNDLE") as told:
        check_reachable(replace(peer.target(), ca_bundle=str(bundle)))
    assert "network" not in str(told.value)
