"""The protocols of Deepgram's containers: paths, query parameters, messages, and how long silence is borne.

What each speaks is in ``data/deepgram.toml``, with its sources.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


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


_NAMES = ("shared_parameters", "parameters", "file_parameters", "controls")

TABLE: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    (files("dgsm_helpers") / "data" / "deepgram.toml").read_text(encoding="utf-8")
)
"""All of ``data/deepgram.toml``."""


def _protocol(path: str, about: Mapping[str, Any]) -> DeepgramProtocol:
    names: dict[str, Any] = {kind: frozenset(about.get(kind, "").split()) for kind in _NAMES}
    shared = names.pop("shared_parameters")
    names["parameters"] |= shared
    names["file_parameters"] |= shared
    rest = {name: value for name, value in about.items() if name not in _NAMES}
    return DeepgramProtocol(path=path, **rest, **names)


PROTOCOLS: Mapping[str, DeepgramProtocol] = {path: _protocol(path, about) for path, about in TABLE["protocols"].items()}
"""By path."""

NOVA_LISTEN, FLUX_LISTEN, AURA_SPEAK, FLUX_SPEAK = PROTOCOLS.values()
