"""Streams a recording through deepgram-sdk over deepgram-sagemaker and prints as JSON what the SDK handed out.

With ``--redirect`` the one documented override is applied (the package has AWS's host name written into it); without it
the package is as installed, and the host name must lead to the endpoint.
"""

import asyncio
import json
import os
from argparse import Namespace
from importlib.metadata import version
from urllib.parse import parse_qsl

from deepgram import AsyncDeepgramClient
from deepgram.core.events import EventType
from deepgram_sagemaker import SageMakerConfig, SageMakerTransportFactory
from recording import END_TIMEOUT_S, chunks, main


async def stream(options: Namespace, got: dict) -> None:
    """Send the recording, then CloseStream; read to the end."""
    if options.redirect:
        from dgsm_helpers.load.transport.deepgram_session import redirect_deepgram_sagemaker
        from dgsm_helpers.session import open_workbook

        redirect_deepgram_sagemaker(open_workbook("local", endpoint_name=options.endpoint))
    config = SageMakerConfig(endpoint_name=options.endpoint, region=os.environ["AWS_REGION"], max_retries=1)
    client = AsyncDeepgramClient(api_key="unused", transport_factory=SageMakerTransportFactory(config=config))
    closed = asyncio.Event()
    got["errors"] = []
    async with client.listen.v1.connect(**dict(parse_qsl(options.query))) as connection:
        connection.on(EventType.MESSAGE, lambda message: got["messages"].append(_shown(message)))
        connection.on(EventType.ERROR, lambda error: got["errors"].append(f"{type(error).__name__}: {error}"))
        connection.on(EventType.CLOSE, lambda _: closed.set())
        listening = asyncio.create_task(connection.start_listening())
        async for chunk in chunks(options):
            await connection.send_media(chunk)
        await connection.send_keep_alive()
        await connection.send_close_stream()
        await asyncio.wait_for(closed.wait(), END_TIMEOUT_S)
        got["ended"] = True
        await asyncio.wait({listening}, timeout=5)


def _shown(message: object) -> dict:
    """The message's fields, with the SDK's name of its type under ``class``."""
    fields = message if isinstance(message, dict) else message.dict()
    return {"class": type(message).__name__, **json.loads(json.dumps(fields, default=str))}


if __name__ == "__main__":
    main(f"deepgram-sagemaker {version('deepgram-sagemaker')}, deepgram-sdk {version('deepgram-sdk')}", stream)
