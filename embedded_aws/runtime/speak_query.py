"""Deepgram's ``v1/speak`` (Aura-2) and ``v2/speak`` (Flux TTS): a query string as a container reads it.

Where sources differ the narrower is taken: Flux TTS's ``speed`` from 0.85 to 1.15, which a container was seen to insist
on, not 0.5 to 1.5 of the API description; parameters that Aura-2 does not know are refused, as all others do, though
the vendor's kit says that a bundle ignored them.
"""

from dataclasses import dataclass

from dgsm_helpers.rules.deepgram_protocols import AURA_SPEAK, FLUX_SPEAK, DeepgramProtocol
from embedded_aws.listings import Listing
from embedded_aws.runtime.query_string import ContainerRefused, QueryString, bad_request

_G711 = (8000, 16000)
_LINEAR16 = {
    AURA_SPEAK.path: (8000, 16000, 24000, 32000, 48000),
    FLUX_SPEAK.path: (8000, 16000, 24000, 32000, 44100, 48000),
}
_SPEEDS = {AURA_SPEAK.path: (0.7, 1.5), FLUX_SPEAK.path: (0.85, 1.15)}
_STEPS_PER_UNIT = 20
"""Flux TTS's speed changes in steps of 0.05."""
_FILE_RATES = {
    "linear16": (24000, 8000, 16000, 32000, 48000),
    "mulaw": (8000, 16000),
    "alaw": (8000, 16000),
    "mp3": (22050,),
    "flac": (48000, 8000, 16000, 22050, 32000),
    "opus": (48000,),
}
"""Of a whole answer, the default first."""
_CONTAINERS = {"linear16": ("wav", "none"), "mulaw": ("wav", "none"), "alaw": ("wav", "none"), "opus": ("ogg",)}
_MP3_BIT_RATES = (48_000, 32_000)


@dataclass(frozen=True, kw_only=True)
class SpeakQuery:
    """What was asked for.

    ``container`` and ``bit_rate`` are of a whole answer only. ``has_voice`` is False for a voice that the listing does
    not have.
    """

    model: str
    encoding: str
    sample_rate: int
    speed: float
    has_voice: bool = True
    container: str = "none"
    bit_rate: int | None = None


def parse_speak(text: str, listing: Listing, *, whole: bool) -> SpeakQuery:
    """Options of one stream, or of one ``whole`` answer.

    A stream for a voice that is not in Aura-2's bundle is accepted and says nothing, as the vendor's kit describes.

    Raises:
        ContainerRefused: 400 for what the model does not know or cannot do.
    """
    protocol = listing.protocol
    query = QueryString(text, protocol.file_parameters if whole else protocol.parameters)
    model = query.get("model") or (listing.models[0] if protocol is AURA_SPEAK else "")
    silent = protocol is AURA_SPEAK and model.startswith("aura-") and not whole
    if model not in listing.models and not silent:
        raise bad_request(f"No such model: '{model}'. This container has {listing.models[0]} and other voices.")
    for name in ("callback", "callback_method"):
        if query.get(name) is not None:
            raise bad_request(f"'{name}' is not available: the container cannot reach the network.")
    query.number("expressivity", -2, 2)
    encoding = query.get("encoding") or ("mp3" if whole else "linear16")
    rates = _FILE_RATES if whole else {"linear16": _LINEAR16[protocol.path], "mulaw": _G711, "alaw": _G711}
    if encoding not in rates:
        raise bad_request(f"Unsupported encoding: '{encoding}'. This container encodes {', '.join(rates)}.")
    default_rate = 24000 if encoding == "linear16" else rates[encoding][0]
    return SpeakQuery(
        model=model,
        encoding=encoding,
        sample_rate=_one_of(query, "sample_rate", rates[encoding], default_rate, encoding),
        speed=require_speed(protocol, query.get("speed") or 1.0),
        has_voice=model in listing.models,
        container=_container(query, encoding) if whole else "none",
        bit_rate=_bit_rate(query, encoding) if whole else None,
    )


def require_speed(protocol: DeepgramProtocol, given: object) -> float:
    """A speed that the model has. Raises ContainerRefused: it is no number in its range, or between two steps."""
    low, high = _SPEEDS[protocol.path]
    try:
        speed = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else float("nan")
    except (ValueError, OverflowError):
        speed = float("nan")
    if not low <= speed <= high:
        raise ContainerRefused(400, "SPEED_OUT_OF_RANGE", f"'speed' must be between {low:g} and {high:g}.")
    if protocol is FLUX_SPEAK and abs(speed * _STEPS_PER_UNIT - round(speed * _STEPS_PER_UNIT)) > 1e-6:
        raise ContainerRefused(400, "SPEED_INCREMENT_INVALID", "'speed' changes in steps of 0.05.")
    return speed


def _one_of(query: QueryString, name: str, allowed: tuple[int, ...], default: int, encoding: str) -> int:
    value = query.get(name)
    if value is None:
        return default
    if value not in map(str, allowed):
        among = ", ".join(map(str, sorted(allowed)))
        raise bad_request(f"Unsupported {name} for {encoding}: '{value}'. Possible are {among}.")
    return int(value)


def _container(query: QueryString, encoding: str) -> str:
    allowed = _CONTAINERS.get(encoding, ("none",))
    value = query.get("container") or allowed[0]
    if value not in allowed:
        raise bad_request(f"Unsupported container for {encoding}: '{value}'. Possible are {', '.join(allowed)}.")
    return value


def _bit_rate(query: QueryString, encoding: str) -> int | None:
    if encoding == "mp3":
        return _one_of(query, "bit_rate", _MP3_BIT_RATES, _MP3_BIT_RATES[0], encoding)
    if encoding == "opus":
        return query.whole("bit_rate", 4_000, 650_000) or 12_000
    if query.get("bit_rate") is not None:
        raise bad_request(f"'bit_rate' cannot be set for {encoding}.")
    return None
