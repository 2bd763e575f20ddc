"""Deepgram's ``v2/listen`` (Flux): its query string as a container reads it, and when it takes a turn for ended.

Where sources differ on a threshold's range the narrower one is taken: 0.9 and 10 s of the bundles and the kit, not
1.0 and 60 s of the API description.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dgsm_helpers.rules.deepgram_protocols import FLUX_LISTEN
from dgsm_helpers.wire.samples import RAW_ENCODINGS, Format
from embedded_aws.listings import Listing
from embedded_aws.runtime.listen import raw_audio
from embedded_aws.runtime.query_string import QueryString, bad_request
from embedded_aws.runtime.text_features import TextFeatures

_RANGES: Mapping[str, tuple[float, float]] = {
    "eot_threshold": (0.5, 0.9),
    "eager_eot_threshold": (0.3, 0.9),
    "eot_timeout_ms": (500, 10_000),
}
_REDACTED = ("numbers", "aggressive_numbers")
_MOST_KEYTERMS = 100


@dataclass(frozen=True)
class TurnThresholds:
    """How sure the model has to be that a turn has ended, and after which silence (ms) it has ended in any case.

    ``eager_eot_threshold`` None: no eager ends are told.
    """

    eot_threshold: float = 0.7
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int = 5000

    def changed(self, given: Mapping[str, Any]) -> "TurnThresholds":
        """With other values. Raises ValueError: an unknown name, a value out of range, or eager above final."""
        for name, value in given.items():
            if name not in _RANGES:
                raise ValueError(f"Unknown threshold: '{name}'.")
            low, high = _RANGES[name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"'{name}' must be between {low:g} and {high:g}.")
        values: dict[str, Any] = {n: int(v) if n == "eot_timeout_ms" else float(v) for n, v in given.items()}
        new = replace(self, **values)
        if new.eager_eot_threshold is not None and new.eager_eot_threshold > new.eot_threshold:
            raise ValueError("'eager_eot_threshold' must not be above 'eot_threshold'.")
        return new

    def message(self) -> dict[str, float]:
        """Those in force, as messages have them."""
        return {name: value for name in _RANGES if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class FluxQuery:
    """What was asked for; ``audio`` None: the audio says it itself (a WAV header)."""

    model: str
    audio: Format | None
    thresholds: TurnThresholds = field(default_factory=TurnThresholds)
    keyterms: tuple[str, ...] = ()
    features: TextFeatures = field(default_factory=TextFeatures)
    without_effect: tuple[str, ...] = ()


def parse_flux(text: str, listing: Listing) -> FluxQuery:
    """Options of one stream. Raises ContainerRefused: 400 for what Flux does not know, or the listing does not have."""
    query = QueryString(text, FLUX_LISTEN.parameters)
    model = query.get("model")
    if model not in listing.models:
        raise bad_request(f"No such model: '{model or ''}'. This container has {', '.join(listing.models)}.")
    if query.all("language_hint"):
        raise bad_request(f"'language_hint' is not supported by {model}.")
    encoding, rate = raw_audio(query)
    given = {name: query.number(name, *bounds) for name, bounds in _RANGES.items() if query.get(name) is not None}
    features = TextFeatures.asked(query)
    if other := [kind for kind in features.redact if kind not in _REDACTED]:
        raise bad_request(f"'redact' must be one of {', '.join(_REDACTED)}, not '{other[0]}'.")
    try:
        thresholds = TurnThresholds().changed(given)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return FluxQuery(
        model=model,
        audio=Format(rate, 1, RAW_ENCODINGS[encoding]) if encoding and rate else None,
        thresholds=thresholds,
        keyterms=keyterms(query.all("keyterm")),
        features=features,
        without_effect=tuple(name for name in ("keyterm", "profanity_filter") if query.is_on(name)),
    )


def keyterms(given: Any) -> tuple[str, ...]:
    """Terms to listen for; they are taken and change nothing, as no recogniser here can be told any.

    Raises:
        ContainerRefused: they are no list of at most 100 texts.
    """
    terms = (given,) if isinstance(given, str) else given
    if not isinstance(terms, list | tuple) or not all(isinstance(term, str) for term in terms):
        raise bad_request("'keyterms' must be texts.")
    if len(terms) > _MOST_KEYTERMS:
        raise bad_request(f"At most {_MOST_KEYTERMS} keyterms can be given, not {len(terms)}.")
    return tuple(terms)
