"""Deepgram's messages for ``v1/listen``, as deepgram-sdk 7 types them.

Built here and nowhere else; the tests parse each of them with the SDK's own types.
"""

import json
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from embedded_aws.engines.base import UNKNOWN_CONFIDENCE, Recognised, SpokenWord

ARCH = "embedded"
VERSION = "local"
_DIGITS = 4


def _seconds(value: float) -> float:
    return round(value, _DIGITS)


def _word_json(word: SpokenWord, punctuate: bool) -> str:
    repeated = len(word.punctuated_word) <= _REPEATED_CHARACTERS
    return _repeated_word_json(word, punctuate) if repeated else _made_word_json(word, punctuate)


def _made_word_json(word: SpokenWord, punctuate: bool) -> str:
    fields: dict[str, Any] = {
        "word": word.word,
        "start": _seconds(word.start_s),
        "end": _seconds(word.end_s),
        "confidence": UNKNOWN_CONFIDENCE,
    }
    if punctuate:
        fields["punctuated_word"] = word.punctuated_word
    return json.dumps(fields, separators=(",", ":"))


# A word is repeated in every interim result until its utterance ends. What ``replace`` makes of one may be as long as a
# query, and would be kept for ever.
_REPEATED_CHARACTERS = 100
_repeated_word_json = lru_cache(maxsize=8192)(_made_word_json)


def _alternative(words: Sequence[SpokenWord], punctuate: bool) -> str:
    transcript = json.dumps(" ".join(w.punctuated_word if punctuate else w.word for w in words))
    confidence = UNKNOWN_CONFIDENCE if words else 0.0
    listed = ",".join([_word_json(w, punctuate) for w in words])
    return f'{{"transcript":{transcript},"confidence":{confidence},"words":[{listed}]}}'


def _spoken(words: Sequence[SpokenWord], punctuate: bool) -> dict[str, Any]:
    return json.loads(_alternative(words, punctuate))


@lru_cache(maxsize=2048)
def _results_tail(request_id: str, model: str) -> str:
    metadata = {"request_id": request_id, "model_info": _model_info(model), "model_uuid": request_id}
    return json.dumps(metadata, separators=(",", ":"))


def _model_info(model: str) -> dict[str, str]:
    return {"name": model, "version": VERSION, "arch": ARCH}


def created_now() -> str:
    """The time of a stream or file, as ``created`` has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Shape:
    """What the messages of one stream or file have in common; ``channels`` are those heard apart."""

    def __init__(self, request_id: str, punctuate: bool, channels: int = 1) -> None:
        self.request_id = request_id
        self.punctuate = punctuate
        self.channels = channels
        # The newest words of each channel and what they look like: most interim results have no new word.
        self._spoken: dict[int, tuple[Sequence[SpokenWord], str]] = {}

    def results(self, result: Recognised, channel: int = 0) -> bytes:
        """A ``Results`` message. Assembled by hand: it is the one message sent ten times a second per stream."""
        words, alternative = self._spoken.get(channel, ((), ""))
        if words is not result.words or not alternative:
            alternative = _alternative(result.words, self.punctuate)
            self._spoken[channel] = result.words, alternative
        return (
            f'{{"type":"Results","channel_index":[{channel},{self.channels}],"duration":{_seconds(result.duration_s)},'
            f'"start":{_seconds(result.start_s)},"is_final":{_bool(result.is_final)},'
            f'"speech_final":{_bool(result.speech_final)},"channel":{{"alternatives":[{alternative}]}},'
            f'"metadata":{_results_tail(self.request_id, result.model)},"from_finalize":{_bool(result.from_finalize)}}}'
        ).encode()

    def metadata(self, *, model: str, duration_s: float, sha256: str, created: str) -> bytes:
        """The ``Metadata`` message that ends a stream."""
        return _dump({"type": "Metadata", **self._metadata(model, duration_s, sha256, created)})

    def document(self, transcripts: Sequence[Recognised], *, utterance_split_s: float | None, sha256: str) -> bytes:
        """The answer to a whole file: ``metadata`` and ``results.channels[].alternatives[0]``.

        ``utterance_split_s`` is the pause between two utterances, None for no utterances at all.
        """
        results: dict[str, Any] = {
            "channels": [{"alternatives": [_spoken(t.words, self.punctuate)]} for t in transcripts]
        }
        if utterance_split_s is not None:
            results["utterances"] = [
                utterance
                for channel, transcript in enumerate(transcripts)
                for utterance in _utterances(transcript, channel, self.punctuate, utterance_split_s)
            ]
        duration_s = max(t.duration_s for t in transcripts)
        metadata = self._metadata(transcripts[0].model, duration_s, sha256, created_now())
        return _dump({"metadata": metadata, "results": results})

    def _metadata(self, model: str, duration_s: float, sha256: str, created: str) -> dict[str, Any]:
        return {
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": sha256,
            "created": created,
            "duration": _seconds(duration_s),
            "channels": self.channels,
            "models": [self.request_id],
            "model_info": {self.request_id: _model_info(model)},
        }

    def speech_started(self, at_s: float, channel: int = 0) -> bytes:
        """Speech begins (``vad_events``)."""
        return _dump({"type": "SpeechStarted", "channel": [channel, self.channels], "timestamp": _seconds(at_s)})

    def utterance_end(self, last_word_end_s: float, channel: int = 0) -> bytes:
        """No word for ``utterance_end_ms``."""
        channels = [channel, self.channels]
        return _dump({"type": "UtteranceEnd", "channel": channels, "last_word_end": _seconds(last_word_end_s)})


def schema_error(message: str) -> bytes:
    """A text message that is none of Deepgram's."""
    return _dump(
        {
            "type": "Error",
            "variant": "SchemaError",
            "description": "Could not deserialize last text message: it is not one of the control messages.",
            "message": message,
        }
    )


def _utterances(transcript: Recognised, channel: int, punctuate: bool, split_s: float) -> list[dict[str, Any]]:
    groups: list[list[SpokenWord]] = []
    for word in transcript.words:
        if not groups or word.start_s - groups[-1][-1].end_s >= split_s:
            groups.append([])
        groups[-1].append(word)
    return [
        {
            "start": _seconds(group[0].start_s),
            "end": _seconds(group[-1].end_s),
            "channel": channel,
            **_spoken(group, punctuate),
            "id": f"{channel}-{number}",
        }
        for number, group in enumerate(groups)
    ]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
