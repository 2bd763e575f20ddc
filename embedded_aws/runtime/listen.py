"""Deepgram's ``v1/listen``: its query string as a container reads it.

What the recognisers here cannot do is not passed over in silence. What needs a model of its own (a language, a
summary, entities) is refused, as by a container that does not have it. What only helps to hear or to show better
(keyterm, diarize, ...) is taken, and the container's log names it.
"""

from dataclasses import dataclass, field

from dgsm_helpers.rules.deepgram_protocols import NOVA_LISTEN
from dgsm_helpers.wire.samples import HIGHEST_HZ, LOWEST_HZ, MOST_CHANNELS, RAW_ENCODINGS, Format
from embedded_aws.listings import Listing
from embedded_aws.runtime.callbacks import callback_of
from embedded_aws.runtime.query_string import QueryString, bad_request
from embedded_aws.runtime.text_features import TextFeatures

_ANALYSES = (
    "custom_intent",
    "custom_topic",
    "detect_entities",
    "detect_language",
    "intents",
    "sentiment",
    "summarize",
    "topics",
)
_WITHOUT_EFFECT = (
    "alternatives",
    "diarize",
    "diarize_model",
    "diarize_version",
    "dictation",
    "filler_words",
    "keyterm",
    "keywords",
    "language_hint",
    "measurements",
    "paragraphs",
    "profanity_filter",
    "search",
)
_NO_SUCH_MODEL = "Bad Request: No such model/language/tier combination found."
DEFAULT_UTTERANCE_SPLIT_S = 0.8

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
    utterance_split_s: float = DEFAULT_UTTERANCE_SPLIT_S
    features: TextFeatures = field(default_factory=TextFeatures)
    callback: tuple[str, str] | None = None
    without_effect: tuple[str, ...] = ()

    @property
    def raw_format(self) -> Format | None:
        """How raw samples lie in bytes; None when the audio says it itself."""
        if self.encoding is None or self.sample_rate is None:
            return None
        return Format(self.sample_rate, self.channels, RAW_ENCODINGS[self.encoding])


def parse_listen(text: str, listing: Listing, *, whole: bool) -> ListenQuery:
    """Options of one stream, or of one ``whole`` recording.

    Raises:
        ContainerRefused: 400 for what Deepgram does not know or cannot do, or the listing does not have.
    """
    query = QueryString(text, NOVA_LISTEN.file_parameters if whole else NOVA_LISTEN.parameters)
    _check_models(query, listing, whole=whole)
    flags = {name: query.flag(name) for name in _FLAGS}
    features = TextFeatures.asked(query)
    encoding, rate = raw_audio(query)
    utterance_end_ms = query.whole("utterance_end_ms", _MIN_UTTERANCE_END_MS, 60_000)
    if utterance_end_ms is not None and not flags["interim_results"]:
        raise bad_request("utterance_end_ms requires interim_results=true.")
    # smart_format includes punctuation.
    flags["punctuate"] |= flags.pop("smart_format")
    return ListenQuery(
        model=query.get("model") or listing.models[0],
        encoding=encoding,
        sample_rate=rate,
        channels=query.whole("channels", 1, MOST_CHANNELS) or 1,
        endpointing_s=_endpointing_s(query),
        utterance_end_s=None if utterance_end_ms is None else utterance_end_ms / 1000,
        utterance_split_s=_utterance_split_s(query),
        features=features,
        callback=callback_of(query),
        without_effect=(
            *(name for name in _WITHOUT_EFFECT if query.is_on(name)),
            *(f"redact={kind}" for kind in features.not_found),
        ),
        **flags,
    )


def _check_models(query: QueryString, listing: Listing, *, whole: bool) -> None:
    """Refuse what needs a model that the listing does not have."""
    model = query.get("model")
    language = (query.get("language") or listing.languages[0]).lower()
    known = model is None or model in listing.models
    if not known or language not in map(str.lower, listing.languages) or query.get("tier") is not None:
        raise bad_request(_NO_SUCH_MODEL)
    if (version := query.get("version")) not in (None, "latest"):
        raise bad_request(f"{_NO_SUCH_MODEL} The container has no version '{version}'.")
    for name in _ANALYSES:
        if query.is_on(name):
            raise bad_request(f"Bad Request: {name} is not available: this container has no model for it.")
    if query.get("diarize_model") is not None and (not whole or query.is_on("diarize")):
        raise bad_request("Bad Request: diarize_model is for whole recordings, and not beside diarize.")


def _utterance_split_s(query: QueryString) -> float:
    split_s = query.number("utt_split", 0, 3600)
    return DEFAULT_UTTERANCE_SPLIT_S if split_s is None else split_s


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
