"""What all of a container's WebSockets have in common: messages in, messages out. They know no HTTP."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from dgsm_helpers.rules.deepgram_protocols import DeepgramProtocol

CLOSED = "Model container closed the WebSocket"

_MOST_BINARY_CONTROL_BYTES = 256

UNDECODABLE = f"{CLOSED} (1008): DATA-0000, the payload cannot be decoded as audio"

IDLE = f"{CLOSED} (1011): NET-0001, Deepgram did not receive audio data or a text message within the timeout window."


class Client(NamedTuple):
    """What a WebSocket is given to answer with: ``send`` a message, ``play`` audio, ``close`` after the last, or
    ``fail`` instead of going on; then it is aborted."""

    send: Callable[[bytes], None]
    play: Callable[[bytes], None]
    close: Callable[[], None]
    fail: Callable[[str], None]

    def say(self, **message: Any) -> None:
        """Send a message made of fields."""
        self.send(json.dumps(message, separators=(",", ":")).encode())


class ContainerStream(ABC):
    """One WebSocket of the container. Each family of models has one of its own.

    ``ending`` says that the client has asked for the end and ``over`` that there is nothing more to say. ``held_bytes``
    is what it keeps of what the client has sent.
    """

    protocol: DeepgramProtocol
    held_bytes = 0

    def __init__(self, client: Client) -> None:
        self.client = client
        self.ending = False
        self.over = False

    @abstractmethod
    def begin(self) -> None:
        """The stream is open: greet, where the protocol has a greeting."""

    @abstractmethod
    def message(self, data: bytes, *, text: bool) -> str:
        """One message of the client; returns what it was: ``audio``, a control message's type, or ``unknown``."""

    def binary_control(self, data: bytes) -> dict[str, Any]:
        """A control message that came as a binary one, which Deepgram's listening containers read, too; else empty."""
        if data[:1] != b"{" or len(data) > _MOST_BINARY_CONTROL_BYTES:
            return {}
        message = control_message(data)
        return message if message.get("type") in self.protocol.controls else {}

    @property
    def busy(self) -> bool:
        """Whether the container is speaking: then the client rightly says nothing."""
        return False

    def time_out(self) -> None:
        """Nothing has been said for as long as the protocol bears it."""
        self.client.fail(IDLE)

    def abort(self) -> None:
        """The client is gone, or nothing it says matters any more."""
        if not self.over:
            self.over = True
            self.drop()

    @abstractmethod
    def drop(self) -> None:
        """Forget everything that is under way."""


def control_message(data: bytes) -> dict[str, Any]:
    """A control message's fields; empty when it is none."""
    try:
        message = read_json(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else {}


def read_json(data: bytes) -> Any:
    """What a client has sent as JSON. Raises ValueError: it is none, or deeper than can be read."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
