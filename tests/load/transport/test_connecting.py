"""A connection that is given up while it is made leaves nothing behind that the next one could meet."""

from __future__ import annotations

import asyncio
import socket
import ssl
from types import SimpleNamespace

import pytest
import trustme

from dgsm_helpers.load.transport import connecting
from dgsm_helpers.load.transport.http2_client import Http2Client


@pytest.fixture
def contexts(tmp_path):
    """Of a server that speaks HTTP/2, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    for context in (server, client):
        context.set_alpn_protocols(["h2"])
    return server, client


@pytest.mark.parametrize("speaks_tls", [True, False], ids=["no settings after TLS", "no TLS"])
def test_a_connection_given_up_while_it_is_made_frees_its_descriptor_for_the_next(contexts, speaks_tls, monkeypatch):
    server_context, client_context = contexts
    come = asyncio.Event()

    async def for_ever(_client: Http2Client) -> None:
        come.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Http2Client, "ready", for_ever)

    async def given_up_again_and_again() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not speaks_tls:
                come.set()
            await reader.read()
            writer.close()

        context = server_context if speaks_tls else None
        server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        target = SimpleNamespace(host="127.0.0.1", port=port, proxy=None)
        for _ in range(5):
            attempt = asyncio.create_task(connecting.connect(target, client_context))
            await come.wait()
            come.clear()
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            others = [socket.socket() for _ in range(20)]
            for one in others:
                one.setblocking(False)
                await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", port))
            for one in others:
                one.close()
        server.close()

    asyncio.run(given_up_again_and_again())
