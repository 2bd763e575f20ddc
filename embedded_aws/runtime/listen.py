"""Deepgram's ``v1/listen``: its path and query string as a container reads them.

Parameters are those of deepgram-sdk 7 for ``listen.v1``. Known ones that change nothing here (keyterm, diarize, ...)
are accepted, as the local recognisers have no such feature; unknown ones are refused, as Deepgram's container does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from dgsm_helpers.wire.samples import HIGHEST_HZ, LOWEST_HZ, RAW_ENCODINGS, Format

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
_BOOLEANS = ("interim_results", "multichannel", "punctuate", "smart_format", "utterances", "vad_events")

_MIN_UTTERANCE_END_MS = 1000
_MOST_DIGITS = 20
_LONGEST_QUOTED = 100
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
class ListenQuery:
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

    @property
    def raw_format(self) -> Format | None:
        """How raw samples lie in bytes; None when the audio says it itself."""
        if self.encoding is None or self.sample_rate is None:
            return None
        return Format(self.sample_rate, self.channels, RAW_ENCODINGS[self.encoding])


def parse_listen(path: str, query: str, kind: str) -> ListenQuery:
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
    parameters = dict(pairs)
    flags = {name: _boolean(name, parameters.get(name, "false")) for name in _BOOLEANS}
    encoding = parameters.get("encoding")
    if encoding is not None and encoding not in RAW_ENCODINGS:
        raise _bad(f"Unsupported encoding: '{encoding}'. This container decodes {', '.join(RAW_ENCODINGS)}.")
    rate = _whole(parameters, "sample_rate", LOWEST_HZ, HIGHEST_HZ)
    if encoding and rate is None:
        raise _bad("sample_rate is required with encoding.")
    utterance_end_ms = _whole(parameters, "utterance_end_ms", _MIN_UTTERANCE_END_MS, 60_000)
    if utterance_end_ms is not None and not flags["interim_results"]:
        raise _bad("utterance_end_ms requires interim_results=true.")
    # smart_format includes punctuation.
    flags["punctuate"] |= flags.pop("smart_format")
    return ListenQuery(
        model=parameters.get("model", "general"),
        encoding=encoding,
        sample_rate=rate,
        channels=_whole(parameters, "channels", 1, 20) or 1,
        endpointing_s=_endpointing_s(parameters),
        utterance_end_s=None if utterance_end_ms is None else utterance_end_ms / 1000,
        **flags,
    )


def _bad(message: str) -> ListenRefused:
    return ListenRefused(400, "Bad Request", message)


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise _bad(f"{name} must be true or false, not '{value}'.")
    return value.lower() == "true"


def _whole(parameters: Mapping[str, str], name: str, low: int, high: int) -> int | None:
    """The whole number that a parameter holds, None when it is not there."""
    value = parameters.get(name)
    if value is None:
        return None
    # Its length first: Python refuses to read a number of thousands of digits.
    digits = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    if not digits or not low <= int(value) <= high:
        raise _bad(f"{name} must be a whole number from {low} to {high}, not '{value[:_LONGEST_QUOTED]}'.")
    return int(value)


def _endpointing_s(parameters: Mapping[str, str]) -> float | None:
    value = parameters.get("endpointing", "true").lower()
    if value == "false":
        return None
    milliseconds = None if value == "true" else _whole(parameters, "endpointing", 0, 60_000)
    return (DEFAULT_ENDPOINTING_MS if milliseconds is None else milliseconds) / 1000
