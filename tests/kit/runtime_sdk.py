"""AWS's own bidirectional client, driven the way its traps demand: response headers before audio, bounded waits."""

import asyncio
import json

from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config
from aws_sdk_sagemaker_runtime_http2.models import (
    InvokeEndpointWithBidirectionalStreamInput,
    RequestPayloadPart,
    RequestStreamEventPayloadPart,
)
from smithy_aws_core.identity import EnvironmentCredentialsResolver
from smithy_http.aio.crt import AWSCRTHTTPClient

from kit.waiting import until_async

QUERY = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&punctuate=true"
WAIT_S = 120
"""An end for what hangs; nothing waits for it otherwise."""

AUDIO = "(audio)"
"""Stands in ``messages`` for a piece of audio, so that their order can be told."""


def _message(part):
    """The message in a part of an answer; None when it is audio."""
    try:
        message = json.loads(part)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


class Stream:
    """One open stream: send audio or control messages, collect what comes."""

    def __init__(self, duplex, receiver, output):
        self._duplex = duplex
        self.output = output
        self.messages = []
        self.audio = b""
        self.untyped = []
        self.data_types = set()
        """(the type of a message or `AUDIO`, what its part was labelled as)."""
        self._reading = asyncio.create_task(self._read(receiver))

    async def _read(self, receiver):
        while (event := await receiver.receive()) is not None:
            part = event.value.bytes_
            message = _message(part)
            self.data_types.add((AUDIO if message is None else message.get("type"), event.value.data_type))
            if message is None:
                self.audio += part
                self.messages.append({"type": AUDIO, "bytes": len(part)})
            elif "type" in message:
                self.messages.append(message)
            else:
                self.untyped.append(message)

    async def send(self, data, data_type="BINARY", completion_state=None):
        part = RequestPayloadPart(bytes_=data, data_type=data_type, completion_state=completion_state)
        await self._duplex.input_stream.send(RequestStreamEventPayloadPart(value=part))

    async def control(self, kind, **fields):
        await self.send(json.dumps({"type": kind, **fields}).encode(), "UTF8")

    async def until(self, wanted):
        """Wait until ``wanted(messages)``."""

        def came():
            if self._reading.done():
                self._reading.result()
                assert wanted(self.messages), f"the stream ended; got {self.messages}"
            return wanted(self.messages)

        await until_async(came, "the message")

    @property
    def ended(self):
        """Whether the server's side has ended."""
        return self._reading.done()

    async def vanish(self):
        """Leave without a word."""
        self._reading.cancel()
        await self._duplex.close()

    async def end(self):
        """Read to the end; raises what the stream raised."""
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), WAIT_S)
        finally:
            await self.close()

    async def close(self):
        try:
            await asyncio.wait_for(self._duplex.input_stream.close(), 2)
        except Exception:
            # The client's own noise when the server ended first.
            pass


async def connect(url, *, endpoint="demo", path="v1/listen", query=QUERY, region="us-east-1", variant=None):
    config = await AsyncSageMakerRuntimeHTTP2Config.resolve(
        endpoint_uri=url,
        region=region,
        aws_credentials_identity_resolver=EnvironmentCredentialsResolver(),
        transport=AWSCRTHTTPClient(),
    )
    client = AsyncSageMakerRuntimeHTTP2Client(config=config)
    asked = InvokeEndpointWithBidirectionalStreamInput(
        endpoint_name=endpoint,
        target_variant=variant,
        model_invocation_path=path,
        model_query_string=query,
    )
    duplex = await asyncio.wait_for(client.invoke_endpoint_with_bidirectional_stream(asked), WAIT_S)
    output, receiver = await asyncio.wait_for(duplex.await_output(), WAIT_S)
    return Stream(duplex, receiver, output)


async def say(url, pcm, *, chunk_bytes=3200, **asked):
    """Send all of ``pcm`` as fast as it goes, then CloseStream; returns every message."""
    stream = await connect(url, **asked)
    for at in range(0, len(pcm), chunk_bytes):
        await stream.send(pcm[at : at + chunk_bytes])
    await stream.control("CloseStream")
    await stream.end()
    return stream.messages


def transcript(messages):
    """Finals, joined."""
    finals = [m for m in messages if m["type"] == "Results" and m["is_final"]]
    return " ".join(t for m in finals if (t := m["channel"]["alternatives"][0]["transcript"]))
