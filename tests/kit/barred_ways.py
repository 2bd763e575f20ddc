"""Ways that bar a stream, each a real server or socket on 127.0.0.1: closed, silent, of another authority, a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextmanager
def serving(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port on which ``serve`` answers each connection."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that give up are the point
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port whose connections nobody takes: the kernel answers for it, and nothing more ever comes."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@contextmanager
def full_port() -> Iterator[int]:
    """A port whose queue is full, so that it answers to nothing, as behind a security group."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        for _ in range(8):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, kept from others meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@contextmanager
def cutting_port() -> Iterator[int]:
    """A port that takes a connection, reads and cuts it, as a firewall does that does not like what it reads."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    with serving(cut) as port:
        yield port


@contextmanager
def plain_port() -> Iterator[int]:
    """A port that speaks HTTP in clear text, as a sign-in page of a network does."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    with serving(refuse) as port:
        yield port


@contextmanager
def tls_port(context: ssl.SSLContext) -> Iterator[int]:
    """A port that speaks TLS as ``context`` says, and then nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            pass

    with serving(listen, context) as port:
        yield port


@dataclass
class HttpProxy:
    """A proxy that opens tunnels; ``answer`` is what it says instead, None for nothing at all."""

    answer: str | None = "200 Connection established"
    asked: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self.answer is None:
            await reader.read()
            return
        if self.answer.startswith("200"):
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            writer.write(f"HTTP/1.1 {self.answer}\r\nVia: 1.1 kit\r\n\r\n".encode())
            await asyncio.gather(_pump(reader, back), _pump(there, writer), return_exceptions=True)
        else:
            writer.write(f"HTTP/1.1 {self.answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def http_proxy(answer: str | None = "200 Connection established") -> Iterator[HttpProxy]:
    """A running `HttpProxy`."""
    proxy = HttpProxy(answer)
    with serving(proxy.serve) as port:
        proxy.port = port
        yield proxy
