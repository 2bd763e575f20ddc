"""Deepgram's ``v1/listen``: its query string as a container reads it.

Known parameters that change nothing here (keyterm, diarize, ...)
are accepted, as the local recognisers have no such feature; unknown ones are refused, as Deepgram's container does.
"""

from dataclasses import dataclass

from dgsm_helpers.rules.deepgram_protocols import NOVA_LISTEN
from dgsm_helpers.wire.samples import HIGHEST_HZ, LOWEST_HZ, RAW_ENCODINGS, Format
from embedded_aws.runtime.query_string import QueryString, bad_request

_FLAGS = ("interim_results", "multichannel", "punctuate", "smart_format", "utterances", "vad_events")

_MIN_UTTERANCE_END_MS = 1000
DEFAULT_ENDPOINTING_MS = 10


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


def parse_listen(text: str, *, whole: bool) -> ListenQuery:
    """Options of one stream, or of one ``whole`` recording.

    Raises:
        ContainerRefused: 400 for what Deepgram does not know or cannot do.
    """
    query = QueryString(text, NOVA_LISTEN.file_parameters if whole else NOVA_LISTEN.parameters)
    flags = {name: query.flag(name) for name in _FLAGS}
    encoding, rate = raw_audio(query)
    utterance_end_ms = query.whole("utterance_end_ms", _MIN_UTTERANCE_END_MS, 60_000)
    if utterance_end_ms is not None and not flags["interim_results"]:
        raise bad_request("utterance_end_ms requires interim_results=true.")
    # smart_format includes punctuation.
    flags["punctuate"] |= flags.pop("smart_format")
    return ListenQuery(
        model=query.get("model") or "general",
        encoding=encoding,
        sample_rate=rate,
        channels=query.whole("channels", 1, 20) or 1,
        endpointing_s=_endpointing_s(query),
        utterance_end_s=None if utterance_end_ms is None else utterance_end_ms / 1000,
        **flags,
    )


def raw_audio(query: QueryString) -> tuple[str | None, int | None]:
    """Encoding and sample rate of the audio; None: it says them itself.

    Raises:
        ContainerRefused: it cannot be decoded, or the rate of raw audio is missing.
    """
    encoding = query.get("encoding")
    if encoding is not None and encoding not in RAW_ENCODINGS:
        raise bad_request(f"Unsupported encoding: '{encoding}'. This container decodes {', '.join(RAW_ENCODINGS)}.")
    rate = query.whole("sample_rate", LOWEST_HZ, HIGHEST_HZ)
    if encoding and rate is None:
        raise bad_request("sample_rate is required with encoding.")
    return encoding, rate


def _endpointing_s(query: QueryString) -> float | None:
    value = (query.get("endpointing") or "true").lower()
    if value == "false":
        return None
    milliseconds = None if value == "true" else query.whole("endpointing", 0, 60_000)
    return (DEFAULT_ENDPOINTING_MS if milliseconds is None else milliseconds) / 1000
