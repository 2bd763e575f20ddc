"""The messages of ``v1/listen`` (Nova-3). Source: Deepgram's API description, 2026-07-22."""

from __future__ import annotations

import json

from dgsm_helpers.load.transport.message_facts import Fact, Farewell, problem
from dgsm_helpers.load.transport.trace import StreamResult


def read_listen(raw: bytes, now_s: float) -> Fact | None:
    """Results are heard audio, Metadata is the end."""
    body = json.loads(raw.decode())  # from bytes, json would guess the encoding first
    kind = body.get("type")
    if kind == "Results":
        return StreamResult(
            received_s=now_s,
            start_s=float(body["start"]),
            duration_s=float(body["duration"]),
            is_final=bool(body["is_final"]),
            transcript=body["channel"]["alternatives"][0]["transcript"],
        )
    if kind == "Metadata":
        return Farewell(body)
    return problem(body) if kind == "Error" else None
