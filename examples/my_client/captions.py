"""A client of an endpoint that scales: captions of one call, word by word.

python captions.py call.wav          # on the endpoint that dgsm.toml names
"""

import asyncio
import sys
import wave
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from dgsm_helpers import ContinuedStream, Workbook, open_workbook


@dataclass(frozen=True)
class Captions:
    """What was said, and how often the call went on in another session."""

    text: str
    hand_overs: int


async def captions(
    wb: Workbook, audio: AsyncIterator[bytes], rate: int, on_text: Callable[[str], object] = print
) -> Captions:
    """Caption a call: ``audio`` is linear16 of one channel as it comes, ``on_text`` is told each finished piece."""
    async with ContinuedStream.of(wb, sample_rate=rate) as call:

        async def speak() -> None:
            async for piece in audio:
                await call.send(piece)
            await call.finish()

        speaking = asyncio.create_task(speak())
        said = []
        async for message in call:
            if message["type"] == "Results" and message["is_final"]:
                said.append(message["channel"]["alternatives"][0]["transcript"])
                on_text(said[-1])
        await speaking
        return Captions(" ".join(filter(None, said)), len(call.hand_overs))


async def live(pcm: bytes, rate: int, piece_s: float = 0.1) -> AsyncIterator[bytes]:
    """A recording as a microphone would deliver it."""
    size = int(rate * piece_s) * 2
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]
        await asyncio.sleep(piece_s)


if __name__ == "__main__":
    with wave.open(sys.argv[1]) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    asyncio.run(captions(open_workbook(), live(pcm, rate), rate))
