"""What a listing's container serves: which path leads to which stream and which whole answer."""

from typing import NamedTuple

from dgsm_helpers.rules.deepgram_protocols import FLUX_LISTEN
from embedded_aws.engines.base import EngineInstance
from embedded_aws.listings import Listing
from embedded_aws.runtime.container import Client, ContainerStream
from embedded_aws.runtime.flux_query import parse_flux
from embedded_aws.runtime.flux_stream import FluxStream
from embedded_aws.runtime.listen import parse_listen
from embedded_aws.runtime.listen_files import transcribe
from embedded_aws.runtime.nova_stream import NovaStream
from embedded_aws.runtime.query_string import ContainerRefused


class Whole(NamedTuple):
    """A whole answer."""

    content_type: str
    body: bytes


def open_stream(
    path: str, query: str, client: Client, *, engine: EngineInstance, listing: Listing, request_id: str
) -> ContainerStream:
    """One WebSocket of the container.

    Raises:
        ContainerRefused: 404 for a path that the listing does not serve, 400 for a query it cannot answer.
    """
    _check_path(path, listing)
    if listing.protocol is FLUX_LISTEN:
        return FluxStream(engine, parse_flux(query, listing), client, request_id)
    return NovaStream(engine, parse_listen(query, whole=False), client, request_id)


async def answer_whole(
    path: str, query: str, body: bytes, *, engine: EngineInstance, listing: Listing, request_id: str
) -> Whole:
    """The container's answer to a whole request.

    Raises:
        ContainerRefused: as `open_stream`; also what the body holds cannot be answered.
        LocalError: the engine failed.
    """
    _check_path(path, listing)
    if not listing.protocol.file_parameters:
        raise ContainerRefused(404, "Not Found", f"'{path}' takes streams only.")
    return Whole("application/json", await transcribe(parse_listen(query, whole=True), body, engine, request_id))


def _check_path(path: str, listing: Listing) -> None:
    served = listing.protocol.path
    if path.strip("/") != served:
        raise ContainerRefused(404, "Not Found", f"No such path: '{path}'. This container serves {served}.")
