"""The messages of ``v1/speak`` (Aura-2) and ``v2/speak`` (Flux TTS): audio between JSON texts.

They are told apart by content, because SageMaker need not say which is which: a message is an object with a ``type``.
Audio may begin with a brace, but it never is JSON to its end. Source: Deepgram's API description, 2026-07-22.
"""

from __future__ import annotations

import json
from typing import Any

from dgsm_helpers.load.transport.message_facts import AudioPart, Fact, Farewell, Introduction, TurnDone, problem


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
            return problem(body)
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
            return problem(body)
    return None


def _object(raw: bytes) -> dict[str, Any] | None:
    """The message, None when it is audio."""
    if raw[:1] != b"{":
        return None
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if "type" in body else None
