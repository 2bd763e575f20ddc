"""What a message of a model says, as facts that no protocol shows in; a reader for each protocol makes them.

A reader is a function of a message's bytes and the moment of its arrival. What it cannot make sense of it raises as
ValueError, KeyError, IndexError, TypeError or AttributeError. Signs of life without a fact are None. Source: Deepgram's
API description, 2026-07-22.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from dgsm_helpers.load.transport.trace import StreamError, StreamResult


class AudioPart(NamedTuple):
    """So many bytes of audio arrived."""

    data: bytes


class TurnDone(NamedTuple):
    """All audio of the turn that was asked for has been sent."""


class Introduction(NamedTuple):
    """What the server says of itself before anything is asked."""

    body: Mapping[str, Any]


class Farewell(NamedTuple):
    """The protocol's last message."""

    body: Mapping[str, Any]


type Fact = StreamResult | AudioPart | TurnDone | Introduction | Farewell | StreamError


def read_listen(raw: bytes, now_s: float) -> Fact | None:
    """Nova-3's Results are heard audio, Metadata is the end."""
    body = orjson.loads(raw)
    kind = body.get("type")
    if kind == "Results":
        return StreamResult(
            received_s=now_s,
            start_s=float(body["start"]),
            duration_s=float(body["duration"]),
            is_final=bool(body["is_final"]),
            transcript=body["channel"]["alternatives"][0]["transcript"],
        )
    if kind == "Metadata":
        return Farewell(body)
    return _problem(body) if kind == "Error" else None


def read_flux(raw: bytes, now_s: float) -> Fact | None:
    """Every TurnInfo tells how far it has heard, that of an EndOfTurn too: it stands in an Update's place."""
    body = orjson.loads(raw)
    kind = body.get("type")
    if kind == "TurnInfo":
        start_s = float(body["audio_window_start"])
        return StreamResult(
            received_s=now_s,
            start_s=start_s,
            duration_s=float(body["audio_window_end"]) - start_s,
            is_final=False,
            transcript=body["transcript"],
            ends_turn=body["event"] == "EndOfTurn",
        )
    if kind == "Connected":
        return Introduction(body)
    return _problem(body) if kind == "Error" else None


def read_aura(raw: bytes, now_s: float) -> Fact | None:
    """Flushed comes after all audio of what was flushed."""
    if (body := _object(raw)) is None:
        return AudioPart(raw)
    match body["type"]:
        case "Flushed":
            return TurnDone()
        case "Metadata":
            return Introduction(body)
        case "Error":
            return _problem(body)
    return None


def read_flux_tts(raw: bytes, now_s: float) -> Fact | None:
    """SpeechMetadata comes after all audio of a turn; Flushed only says that the Flush was taken."""
    if (body := _object(raw)) is None:
        return AudioPart(raw)
    match body["type"]:
        case "SpeechMetadata":
            return TurnDone()
        case "Connected":
            return Introduction(body)
        case "SessionMetadata":
            return Farewell(body)
        case "Error":
            return _problem(body)
    return None


READERS: Mapping[str, Callable[[bytes, float], Fact | None]] = {
    "v1/listen": read_listen,
    "v2/listen": read_flux,
    "v1/speak": read_aura,
    "v2/speak": read_flux_tts,
}
"""By the model's path."""


def _object(raw: bytes) -> dict[str, Any] | None:
    """The message, None when it is audio: SageMaker need not say which is which.

    A message is an object with a ``type``. Audio may begin with a brace, but it never is JSON to its end.
    """
    if raw[:1] != b"{":
        return None
    try:
        body = orjson.loads(raw)
    except ValueError:
        return None
    return body if "type" in body else None


def _problem(body: Mapping[str, Any]) -> StreamError:
    """An ``Error`` message as Deepgram's families send it; older bundles call its fields ``err_code``, ``err_msg``."""
    code = body.get("code") or body.get("err_code") or "Error"
    return StreamError(str(code), str(body.get("description") or body.get("err_msg") or dict(body)))
