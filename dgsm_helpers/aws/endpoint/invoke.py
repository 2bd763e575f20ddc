"""One request, one whole answer: a file's transcript; and whole requests as load."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import botocore.exceptions as boto
from botocore.config import Config

from dgsm_helpers.aws.core.calls import translated
from dgsm_helpers.errors import AwsCallFailed, InvalidInput
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.call_effects import LOAD_PRICE
from dgsm_helpers.session import Workbook

MAX_BODY_BYTES = 25_000_000
"""What InvokeEndpoint takes: 25 MB (Deepgram's manual and AWS's quotas; botocore's model still says 6 MB)."""


def transcribe_file(
    wb: Workbook, audio: bytes, *, path: str = "v1/listen", content_type: str = "audio/wav", **query: Any
) -> dict[str, Any]:
    """Transcribe one file in one answer (InvokeEndpoint, Deepgram's "batch").

    Args:
        path: path inside the container; without one the container answers 404.
        query: Deepgram's query parameters, such as ``model="nova-3", language="en", punctuate=True``.

    Returns:
        Deepgram's answer; the text is at ``results.channels[0].alternatives[0].transcript`` (:func:`transcript_of`).

    Raises:
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
        InvalidInput: the file is empty or over 25 MB, or the query does not fit into CustomAttributes; nothing is sent.
        AwsCallFailed: code ``ModelError``: the container refused it, in its own words.
        DgsmError: any other refusal, see ``calls.translate``.
    """
    request, client = _request(wb, audio, path, content_type, query), wb.client("sagemaker-runtime")
    with translated("sagemaker-runtime", "InvokeEndpoint"):
        try:
            body = client.invoke_endpoint(**request)["Body"].read()
        except client.exceptions.ModelError as error:
            raise _container_refusal(error) from error
        except boto.ReadTimeoutError as error:
            raise AwsCallFailed(
                "The container did not answer within SageMaker's 60 s.",
                hint="Send a shorter file, or stream it.",
                code="ReadTimeout",
                operation="InvokeEndpoint",
            ) from error
    try:
        return json.loads(body)
    except ValueError as error:
        raise AwsCallFailed(
            f"The container's answer is not JSON: {body[:200]!r}.",
            hint="Check path= and the listing: it may serve another API.",
            operation="InvokeEndpoint",
        ) from error


def spoken_body(text: str) -> bytes:
    """The body of a request to speak a text.

    Raises:
        InvalidInput: it is empty.
    """
    if not text.strip():
        raise InvalidInput("There is no text.", hint="Give what is to be said.")
    return json.dumps({"text": text}, ensure_ascii=False).encode()


def file_sender(
    wb: Workbook, body: bytes, *, path: str = "v1/listen", content_type: str = "audio/wav", **query: Any
) -> Callable[[], None]:
    """A function that sends a file, or a text to speak, to the workbook's variant once and waits: for load.

    It does not retry: a refusal is a fact to record, and a silent second try would be a second request in flight.

    Args:
        body: the bytes of an audio file, or `spoken_body`.
        path, content_type, query: as `transcribe_file`.

    Raises:
        InvalidInput: as `transcribe_file`. The function itself raises what AWS answers, translated.
    """
    request = {**_request(wb, body, path, content_type, query), "TargetVariant": wb.variant_name}
    once = Config(read_timeout=90, connect_timeout=10, retries={"total_max_attempts": 1}, max_pool_connections=200)
    client = wb.clients.make("sagemaker-runtime", once)

    def send() -> None:
        with translated("sagemaker-runtime", "InvokeEndpoint"):
            client.invoke_endpoint(**request)["Body"].read()

    return send


def transcript_of(answer: dict[str, Any]) -> str:
    """The transcript in the answer of :func:`transcribe_file`; the first channel's best alternative."""
    return answer["results"]["channels"][0]["alternatives"][0]["transcript"]


def _request(wb: Workbook, audio: bytes, path: str, content_type: str, query: dict[str, Any]) -> dict[str, Any]:
    """The request, checked but for its body: the model's maximum of 6 MB is out of date."""
    wb.require_spend(f"Sending audio to {wb.endpoint_name}", price=LOAD_PRICE)
    if not audio:
        raise InvalidInput("The file is empty.", hint="Give the bytes of an audio file.")
    if len(audio) > MAX_BODY_BYTES:
        raise InvalidInput(
            f"The file has {len(audio) / 1e6:.1f} MB and InvokeEndpoint takes 25 MB.",
            hint="Cut it, compress it (FLAC, MP3), or stream it.",
        )
    # Deepgram reads true and false in lower case, and a parameter with several values repeated (keyterm=a&keyterm=b).
    plain = {key: str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
    attributes = f"{path}?{urlencode(plain, doseq=True)}" if query else path
    request = {"EndpointName": wb.endpoint_name, "ContentType": content_type, "CustomAttributes": attributes}
    request_checks.validate("sagemaker-runtime", "InvokeEndpoint", {**request, "Body": b""})
    return {**request, "Body": audio}


def _container_refusal(error: boto.ClientError) -> AwsCallFailed:
    response = error.response
    status = response.get("OriginalStatusCode")
    said = response.get("OriginalMessage") or response.get("Error", {}).get("Message", "")
    hint = {
        400: "Correct the query parameter or the audio that Deepgram names.",
        404: "Give path=, such as v1/listen (Flux: v2/listen).",
    }.get(status, "Read the container's log; the same request may succeed again when the container has recovered.")
    return AwsCallFailed(
        f"The container answered {status}: {said}",
        hint=hint,
        code="ModelError",
        operation="InvokeEndpoint",
        request_id=response.get("ResponseMetadata", {}).get("RequestId", ""),
    )
