"""The messages of ``v2/listen`` (Flux). Source: Deepgram's API description, 2026-07-22."""

from __future__ import annotations

import json

from dgsm_helpers.load.transport.message_facts import Fact, Introduction, problem
from dgsm_helpers.load.transport.trace import StreamResult


def read_flux(raw: bytes, now_s: float) -> Fact | None:
    """Every TurnInfo tells how far it has heard, that of an EndOfTurn too: it stands in an Update's place."""
    body = json.loads(raw.decode())
    kind = body.get("type")
    if kind == "TurnInfo":
        start_s = float(body["audio_window_start"])
        return StreamResult(
            received_s=now_s,
            start_s=start_s,
            duration_s=float(body["audio_window_end"]) - start_s,
            is_final=False,
            transcript=body["transcript"],
            ends_turn=body["event"] == "EndOfTurn",
        )
    if kind == "Connected":
        return Introduction(body)
    return problem(body) if kind == "Error" else None
