"""AWS's own ports, 443 for requests and 8443 for streams: for clients that make up the runtime's address themselves.

Name resolution leads AWS's host name to an address of this machine, so both have to be listened on at one address.
"""

import asyncio
import errno
import ssl

from dgsm_helpers.errors import LocalError
from embedded_aws.listening import listen
from embedded_aws.runtime.runtime_server import RuntimeServer

REQUESTS_PORT, STREAMS_PORT = 443, 8443
_ADDRESSES = tuple(f"127.0.0.{number}" for number in range(1, 10))
_OPENED_S = 30.0


class AwsPorts:
    """Opens them for the runtime when it is asked to.

    Args:
        context: with a certificate for AWS's host names.
        own: the address and port that the runtime listens on anyhow.
    """

    def __init__(self, runtime: RuntimeServer, context: ssl.SSLContext, own: tuple[str, int]) -> None:
        self._runtime = runtime
        self._context = context
        self._open = {own}
        self._address = ""

    def open(self, loop: asyncio.AbstractEventLoop) -> str:
        """The address at which both are open; may be called from any other thread than the ``loop``'s.

        Raises:
            LocalError: this machine does not let them be opened.
        """
        return asyncio.run_coroutine_threadsafe(self._find_address(), loop).result(_OPENED_S)

    async def _find_address(self) -> str:
        for address in () if self._address else _ADDRESSES:
            try:
                for port in (REQUESTS_PORT, STREAMS_PORT):
                    await self._listen(address, port)
            except PermissionError as error:
                raise LocalError(
                    f"This machine does not let the embedded AWS listen on port {REQUESTS_PORT}. Allow it (`sudo "
                    f"sysctl net.ipv4.ip_unprivileged_port_start={REQUESTS_PORT}`), or run it in a namespace of its "
                    "own, as the README shows."
                ) from error
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                    raise LocalError(f"Ports {REQUESTS_PORT} and {STREAMS_PORT} cannot be opened: {error}") from error
                continue
            self._address = address
            break
        if not self._address:
            raise LocalError(f"Ports {REQUESTS_PORT} and {STREAMS_PORT} are in use at every address tried.")
        return self._address

    async def _listen(self, address: str, port: int) -> None:
        if (address, port) not in self._open:
            await self._runtime.start(listen(port, host=address), ssl_context=self._context)
            self._open.add((address, port))
