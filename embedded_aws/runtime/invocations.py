"""One ``InvokeEndpoint``: a whole request in, the container's whole answer out."""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any

from dgsm_helpers.errors import LocalError
from embedded_aws.runtime.exchange import Refused, Request, Response, respond
from embedded_aws.runtime.gate import FILE, STREAM, Admitted, Gate, Limits, route
from embedded_aws.runtime.query_string import ContainerRefused
from embedded_aws.runtime.services import Whole, answer_whole


async def invoke(gate: Gate, limits: Limits, request: Request, body: bytes) -> Response:
    """Answer one whole request, whatever it asks for. Never raises what a client could cause."""
    try:
        operation, endpoint = route(request)
        if operation == STREAM:
            raise Refused(
                400, "InputValidationError", "Bidirectional streaming needs HTTP/2.", ErrorCode="HTTP2_REQUIRED"
            )
        admitted = gate.admit(request, FILE, endpoint, body=body)
        lease = admitted.lease
        try:
            started_s = time.monotonic()
            answer = await _answer(admitted, limits, request, body)
            lease.model_latency((time.monotonic() - started_s) * 1000)
            variant = ("x-amzn-invoked-production-variant", lease.variant_name)
            return respond(200, answer.body, variant, content_type=answer.content_type)
        finally:
            lease.on_kill = None
            lease.release()
    except Refused as refused:
        return refused.response()


async def _answer(admitted: Admitted, limits: Limits, request: Request, body: bytes) -> Whole:
    request_id = admitted.lease.request_id = str(uuid.uuid4())
    path, _, query = request.headers.get("x-amzn-sagemaker-custom-attributes", "").partition("?")
    instance = admitted.lease.instance
    if instance.engine is None or instance.listing is None:
        raise admitted.container_failed("the container has ended")
    work = answer_whole(
        path,
        query,
        body,
        engine=instance.engine,
        listing=instance.listing,
        request_id=request_id,
        lease=admitted.lease,
    )
    try:
        return await _within(admitted, limits, work)
    except ContainerRefused as refused:
        raise admitted.model_error(refused, request_id, "file") from refused


async def _within(admitted: Admitted, limits: Limits, answering: Coroutine[Any, Any, Whole]) -> Whole:
    """The answer, unless time runs out or the instance goes away first."""
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[str] = loop.create_future()
    admitted.lease.on_kill = lambda reason: loop.call_soon_threadsafe(_settle, gone, reason)
    work = loop.create_task(answering)
    try:
        awaited: set[asyncio.Future[Any]] = {work, gone}
        done, _ = await asyncio.wait(awaited, timeout=limits.response_s, return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            return work.result()
        if gone in done:
            admitted.lease.error("5xx")
            raise Refused(503, "ServiceUnavailable", f"The instance that held this request is gone: {gone.result()}.")
        raise admitted.timed_out()
    except LocalError as error:
        raise admitted.container_failed(str(error)) from error
    finally:
        work.cancel()


def _settle(future: asyncio.Future[str], reason: str) -> None:
    if not future.done():
        future.set_result(reason)
