"""What a message of a model says, as facts that no protocol shows in; a reader for each protocol makes them.

``listen_reader``, ``flux_reader`` and ``speak_reader`` hold the readers: functions of a message's bytes and the moment
of its arrival. What they cannot make sense of they raise as ValueError, KeyError, IndexError, TypeError or
AttributeError. Signs of life without a fact are None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
type Reader = Callable[[bytes, float], Fact | None]


def problem(body: Mapping[str, Any]) -> StreamError:
    """An ``Error`` message as Deepgram's families send it; older bundles call its fields ``err_code``, ``err_msg``."""
    code = body.get("code") or body.get("err_code") or "Error"
    return StreamError(str(code), str(body.get("description") or body.get("err_msg") or dict(body)))
