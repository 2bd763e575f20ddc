"""What the streaming scripts share: their options, the recording in real time, and one JSON document as answer."""

import argparse
import asyncio
import json
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable

CHUNK_S = 0.1
OPEN_TIMEOUT_S = 60.0
"""An untrusted authority or missing credentials make AWS's HTTP/2 client wait without a word."""
END_TIMEOUT_S = 60.0


def main(client: str, stream: Callable[[argparse.Namespace, dict], Awaitable[None]]) -> None:
    """Run ``stream(options, got)`` and print ``got``; a failure is part of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--wav", required=True)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--path", default="v1/listen")
    parser.add_argument("--query", default="model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true")
    parser.add_argument("--redirect", action="store_true", help="only for clients with AWS's host name written in")
    got = {"client": client, "messages": [], "ended": False, "error": None}
    try:
        asyncio.run(stream(parser.parse_args(), got))
    except Exception as error:
        fields = {name: value for name, value in vars(error).items() if isinstance(value, (str, int))}
        got["error"] = {"type": type(error).__name__, "text": str(error), **fields}
    print(json.dumps(got))


async def chunks(options: argparse.Namespace) -> AsyncIterator[bytes]:
    """``options.seconds`` of the recording's samples in chunks of 100 ms, each when it would have been spoken."""
    with wave.open(options.wav) as recording:
        rate = recording.getframerate()
        audio = recording.readframes(round(options.seconds * rate))
    step = round(CHUNK_S * rate) * 2
    started = time.monotonic()
    for number, position in enumerate(range(0, len(audio), step)):
        await asyncio.sleep(max(0.0, started + number * CHUNK_S - time.monotonic()))
        yield audio[position : position + step]
