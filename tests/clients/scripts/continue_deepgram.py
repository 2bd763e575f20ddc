"""Holds a call by the recipe for deepgram-sdk while its instance crashes; prints what came of it as JSON."""

import asyncio
import json
import os
import re
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path

from dgsm_helpers import local
from dgsm_helpers.load.transport.call_record import count_words, hold_call, said_in_sample
from dgsm_helpers.load.transport.deepgram_session import redirect_deepgram_sagemaker
from dgsm_helpers.load.transport.recordings import bundled_recording, chunks
from dgsm_helpers.places import running_server
from dgsm_helpers.session import open_workbook

OFFSET_S, SPEAKING_S, CRASH_AFTER = 2.0, 16.0, 40


async def held(recipe: dict, endpoint: str, sees: str, path: str) -> dict:
    """The call, and what was lost of it."""
    server = local.find(local.home_folder())
    faults = [{"kind": "cut-ending", "endpoint": endpoint, "sees": sees}, {"kind": "crash", "endpoint": endpoint}]

    async def crash() -> None:
        await asyncio.sleep(CRASH_AFTER * 0.1)
        for fault in faults:
            await asyncio.to_thread(running_server.admin, server, "POST", "faults", fault)

    call = recipe["continued_call"](endpoint, os.environ["AWS_REGION"], path)
    audio = chunks(bundled_recording(), offset_s=OFFSET_S, duration_s=SPEAKING_S)
    crashing = asyncio.create_task(crash())
    record = await hold_call(call, audio)
    await crashing
    count = count_words(said_in_sample(offset_s=OFFSET_S, duration_s=SPEAKING_S), record.words)
    return {**asdict(count), "hand_overs": [asdict(change) for change in record.hand_overs]}


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("--guide", type=Path)
    parser.add_argument("--endpoint")
    parser.add_argument("--sees")
    parser.add_argument("--path")
    options = parser.parse_args()
    (code,) = re.findall(r"<!-- recipe -->\n```python\n(.*?)```", options.guide.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(code, names)
    redirect_deepgram_sagemaker(open_workbook("local", endpoint_name=options.endpoint))
    print(json.dumps(asyncio.run(held(names, options.endpoint, options.sees, options.path))))
    sys.stdout.flush()
    # The native client may wait for a stream that the server has dropped.
    os._exit(0)
