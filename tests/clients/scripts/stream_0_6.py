"""Streams a recording through aws-sdk-sagemaker-runtime-http2 0.6 and prints as JSON what came back.

This release does not look for the endpoint's address and region in the environment; as its users do, the script passes
them on.
"""

import asyncio
import json
import os
from argparse import Namespace
from importlib.metadata import version

from aws_sdk_sagemaker_runtime_http2.client import SageMakerRuntimeHTTP2Client
from aws_sdk_sagemaker_runtime_http2.config import Config
from aws_sdk_sagemaker_runtime_http2.models import (
    InvokeEndpointWithBidirectionalStreamInput,
    RequestPayloadPart,
    RequestStreamEventPayloadPart,
)
from recording import END_TIMEOUT_S, OPEN_TIMEOUT_S, chunks, main
from smithy_aws_core.identity import EnvironmentCredentialsResolver


async def stream(options: Namespace, got: dict) -> None:
    """Send the recording, then CloseStream; read to the end."""
    config = Config(
        endpoint_uri=os.environ["DGSM_STREAM_URL"],
        region=os.environ["AWS_REGION"],
        aws_credentials_identity_resolver=EnvironmentCredentialsResolver(),
    )
    request = InvokeEndpointWithBidirectionalStreamInput(
        endpoint_name=options.endpoint, model_invocation_path=options.path, model_query_string=options.query
    )
    opening = SageMakerRuntimeHTTP2Client(config=config).invoke_endpoint_with_bidirectional_stream(request)
    call = await asyncio.wait_for(opening, OPEN_TIMEOUT_S)
    output, events = await asyncio.wait_for(call.await_output(), OPEN_TIMEOUT_S)
    got["variant"] = output.invoked_production_variant

    async def receive() -> None:
        while (event := await events.receive()) is not None:
            got["messages"].append(json.loads(event.value.bytes_))

    async def send(data: bytes, kind: str) -> None:
        part = RequestPayloadPart(bytes_=data, data_type=kind)
        await call.input_stream.send(RequestStreamEventPayloadPart(value=part))

    reader = asyncio.create_task(receive())
    async for chunk in chunks(options):
        await send(chunk, "BINARY")
    await send(b'{"type":"CloseStream"}', "UTF8")
    await asyncio.wait_for(reader, END_TIMEOUT_S)
    got["ended"] = True
    await asyncio.wait_for(call.input_stream.close(), 5)


if __name__ == "__main__":
    main(version("aws-sdk-sagemaker-runtime-http2"), stream)
