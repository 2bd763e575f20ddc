"""What the runtime refuses: unknown callers, unknown endpoints, and what the container says no to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from kit.client_setup import ACCOUNT, SAMPLE_WAV, refused


@pytest.fixture
def invoke(boto, endpoint) -> Callable[..., Any]:
    def run(client: Any = None, **changes: Any) -> Any:
        whole = {"EndpointName": endpoint, "ContentType": "audio/wav", "CustomAttributes": "v1/listen?model=nova-3"}
        body = {"Body": SAMPLE_WAV.read_bytes()}
        return (client or boto("sagemaker-runtime")).invoke_endpoint(**{**whole, **body, **changes})

    return run


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"CustomAttributes": ""}, 404, "No such path"),
        ({"CustomAttributes": "v2/listen?model=flux-general-en"}, 404, "v2/listen"),
        ({"CustomAttributes": "v1/listen?no_such_parameter=1"}, 400, "unsupported_parameter"),
        ({"Body": b"this is no recording"}, 400, "corrupt or unsupported data"),
        ({"Body": b""}, 400, "corrupt or unsupported data"),
    ],
    ids=["no-path", "other-path", "unsupported-parameter", "no-audio", "empty"],
)
def test_what_the_container_refuses_is_a_model_error_with_its_own_words(invoke, changes, status, words):
    with pytest.raises(ClientError) as caught:
        invoke(**changes)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert words in answer["OriginalMessage"]
    assert f"Received client error ({status}) from primary with message" in answer["Error"]["Message"]
    assert answer["LogStreamArn"].startswith(f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/")


def test_a_file_over_25_mb_is_refused_before_the_container_sees_it(invoke):
    with pytest.raises(ClientError) as caught:
        invoke(Body=bytes(26_000_000))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    message = refused(invoke, code="ModelError", Body=bytes(24_900_000))
    assert "from primary" in message


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"aws_secret_access_key": "not-the-secret"}, "InvalidSignatureException"),
        ({"aws_access_key_id": "AKIANOBODY", "aws_secret_access_key": "x"}, "UnrecognizedClientException"),
        ({"config": Config(signature_version=UNSIGNED)}, "MissingAuthenticationTokenException"),
    ],
    ids=["bad-signature", "unknown-key", "unsigned"],
)
def test_who_cannot_be_told_is_refused(boto, embedded, invoke, given, code):
    if "aws_secret_access_key" in given:
        given = {"aws_access_key_id": embedded.env["AWS_ACCESS_KEY_ID"], **given}
    with pytest.raises(ClientError) as caught:
        invoke(boto("sagemaker-runtime", **given))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_variant_that_is_not_there_is_named(invoke, endpoint):
    message = refused(invoke, code="ValidationError", TargetVariant="Other")
    assert message == f"Variant Other of endpoint {endpoint} of account {ACCOUNT} not found."


def test_custom_attributes_longer_than_1024_characters_are_refused(invoke):
    fits = "v1/listen?tag="
    message = refused(invoke, code="ValidationError", CustomAttributes=fits + "x" * (1025 - len(fits)))
    assert "customAttributes" in message and "1024" in message
    invoke(CustomAttributes=fits + "x" * (1024 - len(fits)))


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_an_endpoint_is_found_in_its_own_region_only(boto, invoke, endpoint, region):
    name = endpoint if region != "us-east-1" else "no-such-endpoint"
    message = refused(
        invoke, code="ValidationError", client=boto("sagemaker-runtime", region_name=region), EndpointName=name
    )
    assert message == f"Endpoint {name} of account {ACCOUNT} not found."


def test_a_target_model_is_for_endpoints_of_several_models(invoke, endpoint):
    message = refused(invoke, code="ValidationError", TargetModel="model.tar.gz")
    assert message == f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
    unknown = refused(invoke, code="ValidationError", EndpointName="nowhere", TargetModel="model.tar.gz")
    assert unknown == f"Endpoint nowhere of account {ACCOUNT} not found."
