"""What a listing's container serves: which path leads to which stream and which whole answer.

A listing names an engine that can do what its protocol asks for, so an engine is taken for what the protocol needs.
"""

from typing import NamedTuple, cast

from dgsm_helpers.rules.deepgram_protocols import AURA_SPEAK, FLUX_LISTEN
from embedded_aws.engines.base import EngineInstance, Recogniser, Synthesiser
from embedded_aws.fleet.instances import Lease
from embedded_aws.listings import Listing
from embedded_aws.runtime.aura_stream import AuraStream
from embedded_aws.runtime.container import Client, ContainerStream
from embedded_aws.runtime.flux_query import parse_flux
from embedded_aws.runtime.flux_stream import FluxStream
from embedded_aws.runtime.flux_tts_stream import FluxTtsStream
from embedded_aws.runtime.listen import parse_listen
from embedded_aws.runtime.listen_files import transcribe
from embedded_aws.runtime.nova_stream import NovaStream
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.speak_files import speak
from embedded_aws.runtime.speak_query import parse_speak


class Whole(NamedTuple):
    """A whole answer."""

    content_type: str
    body: bytes


def open_stream(
    path: str, query: str, client: Client, *, engine: EngineInstance, listing: Listing, request_id: str, lease: Lease
) -> ContainerStream:
    """One WebSocket of the container.

    Raises:
        ContainerRefused: 404 for a path that the listing does not serve, 400 for a query it cannot answer.
    """
    _check_path(path, listing)
    if listing.protocol.speaks:
        spoken = AuraStream if listing.protocol is AURA_SPEAK else FluxTtsStream
        return spoken(cast(Synthesiser, engine), parse_speak(query, listing, whole=False), client, request_id)
    recogniser = cast(Recogniser, engine)
    if listing.protocol is FLUX_LISTEN:
        turns = parse_flux(query, listing)
        _log_without_effect(turns.without_effect, lease)
        return FluxStream(recogniser, turns, client, request_id)
    asked = parse_listen(query, listing, whole=False)
    _log_without_effect(asked.without_effect, lease)
    return NovaStream(recogniser, asked, client, request_id, lease)


async def answer_whole(
    path: str, query: str, body: bytes, *, engine: EngineInstance, listing: Listing, request_id: str, lease: Lease
) -> Whole:
    """The container's answer to a whole request; refused as by `open_stream`, and for what the body holds.

    Raises:
        LocalError: the engine failed.
    """
    _check_path(path, listing)
    if not listing.protocol.file_parameters:
        raise ContainerRefused(404, "Not Found", f"'{path}' takes streams only.")
    if listing.protocol.speaks:
        return Whole(*await speak(parse_speak(query, listing, whole=True), body, cast(Synthesiser, engine)))
    asked = parse_listen(query, listing, whole=True)
    _log_without_effect(asked.without_effect, lease)
    return Whole("application/json", await transcribe(asked, body, cast(Recogniser, engine), request_id, lease))


def _log_without_effect(names: tuple[str, ...], lease: Lease) -> None:
    if names:
        lease.log(f"WARN {', '.join(names)}: taken, but nothing here can do it, so it changes nothing")


def _check_path(path: str, listing: Listing) -> None:
    served = listing.protocol.path
    if path.strip("/") != served:
        raise ContainerRefused(404, "Not Found", f"No such path: '{path}'. This container serves {served}.")
