"""Deepgram's own types for the messages of each path, and what they make of one."""

from deepgram.listen.v1.types.listen_v1configure_failure import ListenV1ConfigureFailure
from deepgram.listen.v1.types.listen_v1configure_success import ListenV1ConfigureSuccess
from deepgram.listen.v1.types.listen_v1metadata import ListenV1Metadata
from deepgram.listen.v1.types.listen_v1results import ListenV1Results
from deepgram.listen.v1.types.listen_v1speech_started import ListenV1SpeechStarted
from deepgram.listen.v1.types.listen_v1utterance_end import ListenV1UtteranceEnd
from deepgram.listen.v2 import types as flux
from deepgram.speak.v1 import types as aura
from deepgram.speak.v2 import types as flux_tts
from pydantic import BaseModel

TYPES = {
    "v1/listen": {
        "Results": ListenV1Results,
        "Metadata": ListenV1Metadata,
        "SpeechStarted": ListenV1SpeechStarted,
        "UtteranceEnd": ListenV1UtteranceEnd,
        "ConfigureSuccess": ListenV1ConfigureSuccess,
        "ConfigureFailure": ListenV1ConfigureFailure,
    },
    "v2/listen": {
        "Connected": flux.ListenV2Connected,
        "TurnInfo": flux.ListenV2TurnInfo,
        "ConfigureSuccess": flux.ListenV2ConfigureSuccess,
        "ConfigureFailure": flux.ListenV2ConfigureFailure,
        "Warning": flux.ListenV2Warning,
        "Error": flux.ListenV2FatalError,
    },
    "v1/speak": {
        "Metadata": aura.SpeakV1Metadata,
        "Flushed": aura.SpeakV1Flushed,
        "Cleared": aura.SpeakV1Cleared,
        "Warning": aura.SpeakV1Warning,
    },
    "v2/speak": {
        "Connected": flux_tts.SpeakV2Connected,
        "SpeechStarted": flux_tts.SpeakV2SpeechStarted,
        "SpeechMetadata": flux_tts.SpeakV2SpeechMetadata,
        "SpeechInterrupted": flux_tts.SpeakV2SpeechInterrupted,
        "SessionMetadata": flux_tts.SpeakV2SessionMetadata,
        "Flushed": flux_tts.SpeakV2Flushed,
        "ConfigureSuccess": flux_tts.SpeakV2ConfigureSuccess,
        "ConfigureFailure": flux_tts.SpeakV2ConfigureFailure,
        "Warning": flux_tts.SpeakV2Warning,
        "Error": flux_tts.SpeakV2Error,
    },
}

NOT_TYPED = {"ListenV1Metadata": {"models", "model_info"}}
"""What the SDK's type leaves out, though Deepgram's manual has it in the message."""


def check(path, messages):
    """Each message has every field of its SDK type, and none that the type does not have."""
    for message in messages:
        _nothing_left_over(TYPES[path][message["type"]].model_validate(message))


def _nothing_left_over(value):
    if isinstance(value, BaseModel):
        kind = type(value).__name__
        assert not (value.model_extra or {}).keys() - NOT_TYPED.get(kind, set()), f"{kind} lacks {value.model_extra}"
        for field in value.__class__.model_fields:
            _nothing_left_over(getattr(value, field))
    elif isinstance(value, list | tuple):
        for item in value:
            _nothing_left_over(item)
