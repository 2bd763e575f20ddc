"""The protocols of Deepgram's containers: paths, query parameters, messages, and how long silence is borne.

Source: Deepgram's API description (deepgram-api-specs, 2026-07-22), its SDK 7.17 and its manual, autumn 2026. Where
they differ the narrower is taken, and named: what passes here then passes there.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DeepgramProtocol:
    """What one path of a container speaks.

    ``speaks``: text goes in and audio comes out; else it is the other way round. ``turns``: its messages mark where a
    turn ends. ``parameters`` are the names that a stream's query may hold, ``file_parameters`` those of a whole request
    (empty: there are only streams). ``controls`` are the types of message that a client may send, ``end_message`` the
    one that asks for the end. ``greeting`` is the type of the first message, sent before anything is asked,
    ``last_message`` that of the last one; "" where there is none. ``idle_s`` is how long a client may say nothing while
    the container has nothing to say either.
    """

    path: str
    speaks: bool
    turns: bool
    parameters: frozenset[str]
    file_parameters: frozenset[str]
    controls: frozenset[str]
    end_message: str
    greeting: str
    last_message: str
    idle_s: float


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LISTEN = _names("""
    callback callback_method channels detect_entities diarize diarize_model diarize_version dictation encoding extra
    filler_words keyterm keywords language language_hint mip_opt_out model multichannel numerals profanity_filter
    punctuate redact replace sample_rate search smart_format tag tier version
""")
_SPEAK = _names("model encoding sample_rate speed mip_opt_out tag")
_SPEAK_FILE = _names("container bit_rate callback callback_method")

NOVA_LISTEN = DeepgramProtocol(
    path="v1/listen",
    speaks=False,
    turns=False,
    parameters=_LISTEN | _names("endpointing interim_results no_delay utterance_end_ms vad_events"),
    file_parameters=_LISTEN
    | _names("""
        alternatives custom_intent custom_intent_mode custom_topic custom_topic_mode detect_language intents
        measurements paragraphs sentiment summarize topics utt_split utterances
    """),
    controls=_names("KeepAlive Finalize Configure CloseStream"),
    end_message="CloseStream",
    greeting="",
    last_message="Metadata",
    idle_s=10.0,
)
"""Ends after about 10 s without audio or ``KeepAlive`` (NET-0001)."""

FLUX_LISTEN = DeepgramProtocol(
    path="v2/listen",
    speaks=False,
    turns=True,
    parameters=_names("""
        model encoding sample_rate eot_threshold eager_eot_threshold eot_timeout_ms keyterm language_hint
        profanity_filter numerals redact mip_opt_out tag
    """),
    file_parameters=frozenset(),
    controls=_names("CloseStream Configure ForceEndTurn"),
    end_message="CloseStream",
    greeting="Connected",
    last_message="",
    idle_s=60.0,
)
"""No limit is published; assumption: Flux TTS's. ``KeepAlive`` and ``Finalize`` are no messages of it."""

AURA_SPEAK = DeepgramProtocol(
    path="v1/speak",
    speaks=True,
    turns=True,
    parameters=_SPEAK,
    file_parameters=_SPEAK | _SPEAK_FILE,
    controls=_names("Speak Flush Clear Close"),
    end_message="Close",
    greeting="Metadata",
    last_message="",
    idle_s=3600.0,
)
"""Only a session's length is limited (60 minutes, NET-0003)."""

FLUX_SPEAK = DeepgramProtocol(
    path="v2/speak",
    speaks=True,
    turns=True,
    parameters=_SPEAK | {"expressivity"},
    file_parameters=_SPEAK | _SPEAK_FILE | {"expressivity", "priority"},
    controls=_names("Speak Flush Interrupt Configure Close"),
    end_message="Close",
    greeting="Connected",
    last_message="SessionMetadata",
    idle_s=60.0,
)
"""Ends after 60 s in which neither side says anything (NET-0004)."""

PROTOCOLS: Mapping[str, DeepgramProtocol] = {p.path: p for p in (NOVA_LISTEN, FLUX_LISTEN, AURA_SPEAK, FLUX_SPEAK)}
"""By path."""
