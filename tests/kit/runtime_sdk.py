"""AWS's own bidirectional client, driven the way its traps demand: response headers before audio, bounded waits."""

import asyncio
import json
import time

from aws_sdk_sagemaker_runtime_http2.client import AsyncSageMakerRuntimeHTTP2Client
from aws_sdk_sagemaker_runtime_http2.config import AsyncSageMakerRuntimeHTTP2Config
from aws_sdk_sagemaker_runtime_http2.models import (
    InvokeEndpointWithBidirectionalStreamInput,
    RequestPayloadPart,
    RequestStreamEventPayloadPart,
)
from smithy_aws_core.identity import EnvironmentCredentialsResolver
from smithy_http.aio.crt import AWSCRTHTTPClient

from embedded_aws.runtime.gate import Limits

SHORT = Limits(connection_s=0.6, response_s=0.4, idle_s=0.4, max_body_bytes=500_000)
QUERY = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true&punctuate=true"
WAIT_S = 10


class Stream:
    """One open stream: send audio or control messages, collect what comes."""

    def __init__(self, duplex, receiver, output):
        self._duplex = duplex
        self.output = output
        self.messages = []
        self.times = []
        self._reading = asyncio.create_task(self._read(receiver))

    async def _read(self, receiver):
        while (event := await receiver.receive()) is not None:
            self.times.append(time.monotonic())
            self.messages.append(json.loads(event.value.bytes_))

    async def send(self, data, data_type="BINARY"):
        part = RequestPayloadPart(bytes_=data, data_type=data_type)
        await self._duplex.input_stream.send(RequestStreamEventPayloadPart(value=part))

    async def control(self, kind):
        await self.send(json.dumps({"type": kind}).encode(), "UTF8")

    async def until(self, wanted):
        """Wait until ``wanted(messages)``."""
        deadline = time.monotonic() + WAIT_S
        while not wanted(self.messages):
            assert time.monotonic() < deadline, f"never came; got {self.messages}"
            if self._reading.done():
                self._reading.result()
                assert wanted(self.messages), f"the stream ended; got {self.messages}"
            await asyncio.sleep(0.01)

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
