"""Deepgram's ``v1/listen``: its path and query string as a container reads them.

Parameters are those of deepgram-sdk 7 for ``listen.v1``. Known ones that change nothing here (keyterm, diarize, ...)
are accepted, as the local recognisers have no such feature; unknown ones are refused, as Deepgram's container does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import parse_qsl

from embedded_aws.runtime.audio_input import ENCODINGS

PATH = "v1/listen"

_BOTH = """
    callback callback_method channels detect_entities diarize diarize_model diarize_version dictation encoding extra
    filler_words keyterm keywords language language_hint mip_opt_out model multichannel numerals profanity_filter
    punctuate redact replace sample_rate search smart_format tag tier version
"""
_STREAM_ONLY = "endpointing interim_results no_delay utterance_end_ms vad_events"
_FILE_ONLY = """
    alternatives custom_intent custom_intent_mode custom_topic custom_topic_mode detect_language intents measurements
    paragraphs sentiment summarize topics utt_split utterances
"""
_PARAMETERS = {
    "stream": frozenset(_BOTH.split()) | frozenset(_STREAM_ONLY.split()),
    "file": frozenset(_BOTH.split()) | frozenset(_FILE_ONLY.split()),
}
_BOOLEANS = frozenset(
    ("interim_results", "multichannel", "punctuate", "smart_format", "utterances", "vad_events"),
)

_MIN_UTTERANCE_END_MS = 1000
DEFAULT_ENDPOINTING_MS = 10


class ListenRefused(Exception):
    """The container answers with an HTTP error instead of a stream or a transcript.

    ``status`` is the container's own, ``code`` and ``message`` are Deepgram's ``err_code`` and ``err_msg``.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self, request_id: str) -> str:
        """Deepgram's error document."""
        return json.dumps({"err_code": self.code, "err_msg": self.message, "request_id": request_id})


@dataclass(frozen=True, kw_only=True)
class ListenOptions:
    """What was asked for. ``encoding`` and ``sample_rate`` None: the audio says it itself (a WAV header)."""

    model: str = "general"
    encoding: str | None = None
    sample_rate: int | None = None
    channels: int = 1
    multichannel: bool = False
    interim_results: bool = False
    punctuate: bool = False
    endpointing_s: float | None = DEFAULT_ENDPOINTING_MS / 1000
    utterance_end_s: float | None = None
    vad_events: bool = False
    utterances: bool = False


def parse_listen(path: str, query: str, kind: str) -> ListenOptions:
    """Options of one request.

    ``kind`` is ``stream`` or ``file``; ``path`` and ``query`` are as the client gave them to SageMaker.

    Raises:
        ListenRefused: 404 for any other path, 400 for what Deepgram does not know or cannot do.
    """
    if path.strip("/") != PATH:
        raise ListenRefused(404, "Not Found", f"No such path: '{path}'. This container serves {PATH}.")
    pairs = parse_qsl(query, keep_blank_values=True)
    for name, _ in pairs:
        if name not in _PARAMETERS[kind]:
            raise ListenRefused(400, "unsupported_parameter", f"Unsupported query parameter: '{name}'.")
    given = dict(pairs)
    flags = {name: _boolean(name, given[name]) for name in _BOOLEANS & given.keys()}
    encoding = given.get("encoding")
    if encoding is not None and encoding not in ENCODINGS:
        raise _bad(f"Unsupported encoding: '{encoding}'. This container decodes {', '.join(ENCODINGS)}.")
    rate = _whole("sample_rate", given["sample_rate"], 8000, 96000) if "sample_rate" in given else None
    if encoding and rate is None:
        raise _bad("sample_rate is required with encoding.")
    utterance_end_s = None
    if "utterance_end_ms" in given:
        utterance_end_s = _whole("utterance_end_ms", given["utterance_end_ms"], _MIN_UTTERANCE_END_MS, 60_000) / 1000
        if not flags.get("interim_results"):
            raise _bad("utterance_end_ms requires interim_results=true.")
    return ListenOptions(
        model=given.get("model", "general"),
        encoding=encoding,
        sample_rate=rate,
        channels=_whole("channels", given["channels"], 1, 20) if "channels" in given else 1,
        multichannel=flags.get("multichannel", False),
        interim_results=flags.get("interim_results", False),
        # smart_format includes punctuation.
        punctuate=flags.get("punctuate", False) or flags.get("smart_format", False),
        endpointing_s=_endpointing(given.get("endpointing")),
        utterance_end_s=utterance_end_s,
        vad_events=flags.get("vad_events", False),
        utterances=flags.get("utterances", False),
    )


def _bad(message: str) -> ListenRefused:
    return ListenRefused(400, "Bad Request", message)


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise _bad(f"{name} must be true or false, not '{value}'.")
    return value.lower() == "true"


def _whole(name: str, value: str, low: int, high: int) -> int:
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise _bad(f"{name} must be a whole number from {low} to {high}, not '{value}'.")
    return int(value)


def _endpointing(value: str | None) -> float | None:
    if value is None or value.lower() == "true":
        return DEFAULT_ENDPOINTING_MS / 1000
    if value.lower() == "false":
        return None
    return _whole("endpointing", value, 0, 60_000) / 1000
