"""SigV4, held to botocore (requests) and to AWS's Python signer (frames)."""

import asyncio
import time
from dataclasses import replace
from hashlib import sha256

import pytest
from aws_sdk_signers import AsyncEventSigner, AWSCredentialIdentity
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st
from smithy_aws_event_stream.events import EventHeaderEncoder, EventMessage

from dgsm_helpers.wire import sigv4
from dgsm_helpers.wire.eventstream import (
    Decoder,
    FrameError,
    Message,
    decode,
    decode_headers,
    encode,
    payload_part,
)
from dgsm_helpers.wire.sigv4 import (
    Credentials,
    FrameSigner,
    FrameVerifier,
    SignatureRefused,
    sign_request,
    verify_request,
)

KEYS = Credentials("AKIATEST", "secret")
PATH = "/endpoints/demo/invocations"
SECRETS = {"AKIATEST": "secret"}.get


def boto_signed(*, body=b"audio", token=None, region="eu-west-1", service="sagemaker", secret="secret", path=PATH):
    request = AWSRequest("POST", f"https://127.0.0.1:8443{path}", data=body, headers={"Content-Type": "audio/wav"})
    SigV4Auth(BotoCredentials("AKIATEST", secret, token), service, region).add_auth(request)
    prepared = request.prepare()
    headers = {k.lower(): v if isinstance(v, str) else v.decode() for k, v in prepared.headers.items()}
    return headers | {"host": "127.0.0.1:8443"}


def verify(headers, body=b"audio", path=PATH, **more):
    return verify_request(method="POST", path=path, headers=headers, body=body, secret_for=SECRETS, **more)


@pytest.mark.parametrize("token", [None, "temporary"])
@pytest.mark.parametrize("path", [PATH, "/endpoints/a%20b/invocations"])
def test_botocores_signature_is_accepted_and_gives_the_region(token, path):
    signed = verify(boto_signed(token=token, path=path), path=path)
    assert signed.region == "eu-west-1" and signed.access_key_id == "AKIATEST"


@pytest.mark.parametrize("query", ["", "b=2&a=1&a=0", "empty=&space=a%20b&plus=a%2Bb", "a=1&a-=2"])
@pytest.mark.parametrize("token", [None, "temporary"])
def test_own_signature_verifies(query, token):
    host = {"host": "h", "content-type": "audio/wav"}
    signed = sign_request(
        method="POST",
        path=PATH,
        headers=host,
        credentials=replace(KEYS, session_token=token),
        region="us-east-1",
        payload_hash=sha256(b"x").hexdigest(),
        query=query,
    )
    assert verify(host | signed.headers, body=b"x", query=query).signature == signed.signature
    assert "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date" in signed.headers["authorization"]
    assert ("x-amz-security-token" in signed.headers) == (token is not None)


def test_secrets_are_not_printed():
    keys = Credentials("AKIATEST", "hidden", "hidden")
    signed = sign_request(
        method="POST", path=PATH, headers={"host": "h"}, credentials=keys, region="us-east-1", payload_hash=""
    )
    assert "hidden" not in repr((keys, replace(signed, headers={})))


def refusal(headers, **more):
    with pytest.raises(SignatureRefused) as caught:
        verify(headers, **more)
    return caught.value


def test_wrong_secret_changed_body_changed_path_and_changed_header_are_refused():
    good = boto_signed()
    wrong = [
        refusal(boto_signed(secret="other")),
        refusal(good, body=b"other"),
        refusal(good, path="/endpoints/other/invocations"),
        refusal(good | {"content-type": "audio/flac"})
        if "content-type" in good["authorization"]
        else refusal(good | {"host": "elsewhere"}),
    ]
    assert {w.code for w in wrong} == {"InvalidSignatureException"} and {w.status for w in wrong} == {403}


def test_unknown_key_missing_header_and_malformed_header_have_their_own_codes():
    good = boto_signed()
    unknown = good | {"authorization": good["authorization"].replace("AKIATEST", "AKIAOTHER")}
    assert refusal(unknown).code == "UnrecognizedClientException"
    assert (
        refusal({k: v for k, v in good.items() if k != "authorization"}).code == "MissingAuthenticationTokenException"
    )
    assert refusal(good | {"authorization": "AWS4-HMAC-SHA256 Credential=x"}).code == "IncompleteSignatureException"
    assert refusal(good | {"authorization": "Basic abc"}).code == "IncompleteSignatureException"
    assert refusal(boto_signed(service="s3")).message.endswith("correct service: 'sagemaker'.")


@pytest.mark.parametrize(("skew_s", "accepted"), [(-290, True), (290, True), (-310, False), (310, False)])
def test_dates_beyond_five_minutes_are_refused(skew_s, accepted):
    good = boto_signed()
    now = time.time() + skew_s
    if accepted:
        verify(good, now_s=now)
    else:
        assert refusal(good, now_s=now).message.startswith(
            "Signature expired" if skew_s > 0 else "Signature not yet current"
        )


def chain(region="us-east-1"):
    return sign_request(
        method="POST",
        path="/endpoints/demo/invocations-bidirectional-stream",
        headers={"host": "h"},
        credentials=KEYS,
        region=region,
        payload_hash=sigv4.EVENTS_PAYLOAD,
    )


def sdk_frames(start, parts):
    async def run():
        signer = AsyncEventSigner(initial_signature=start.signature.encode(), event_encoder_cls=EventHeaderEncoder)
        identity = AWSCredentialIdentity(access_key_id="AKIATEST", secret_access_key="secret")
        properties = {"region": start.region, "service": "sagemaker"}
        frames = []
        for part in parts:
            event = EventMessage(
                headers={
                    ":message-type": "event",
                    ":event-type": "PayloadPart",
                    "DataType": "BINARY",
                    ":content-type": "application/octet-stream",
                },
                payload=part,
            )
            frames.append((await signer.sign(event=event, identity=identity, properties=properties)).encode())
        end = await signer.sign_empty(event=EventMessage(), identity=identity, properties=properties)
        return [*frames, end.encode()]

    return asyncio.run(run())


def test_the_official_signers_frames_open_in_order():
    start = chain()
    frames = sdk_frames(start, [b"one", b"two" * 1000])
    verifier = FrameVerifier(start)
    opened = [verifier.open(decode(frame)) for frame in frames]
    assert [m and m.payload for m in opened] == [b"one", b"two" * 1000, None]
    assert opened[0].headers["DataType"] == "BINARY"


def test_own_frames_are_byte_identical_to_the_official_signers():
    start = chain()
    parts = [b"one", b"two" * 1000]
    theirs = sdk_frames(start, parts)
    signer = FrameSigner(start)
    dates = [decode(frame).headers[":date"] for frame in theirs]
    payloads = [*(payload_part(p, "BINARY") for p in parts), b""]
    # A quarter of a millisecond keeps the division exact whichever way the float rounds.
    ours = [signer.sign(p, now_s=(d + 0.25) / 1000) for p, d in zip(payloads, dates, strict=True)]
    assert ours == theirs


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_signed_frames_open_to_what_was_signed(parts):
    start = chain()
    signer, verifier = FrameSigner(start), FrameVerifier(start)
    wire = b"".join(signer.sign(payload_part(p, "BINARY")) for p in parts) + signer.sign(b"")
    assert [m and m.payload for m in map(verifier.open, Decoder().feed(wire))] == [*parts, None]


def test_a_stream_may_run_across_midnight_utc():
    start = chain()
    signer, verifier = FrameSigner(start), FrameVerifier(start)
    midnight = 1_795_478_400
    frames = [signer.sign(payload_part(b"x"), now_s=midnight + at) for at in (-1, 1)]
    assert [verifier.open(decode(f)).payload for f in frames] == [b"x", b"x"]


def test_reordered_tampered_unsigned_and_foreign_frames_are_refused():
    start = chain()
    signer = FrameSigner(start)
    first, second = (decode(signer.sign(payload_part(p))) for p in (b"1", b"2"))
    for frame in (
        second,
        Message(first.head, second.payload),
        decode(payload_part(b"1")),
        decode(FrameSigner(chain("eu-west-1")).sign(payload_part(b"1"))),
    ):
        with pytest.raises(SignatureRefused):
            FrameVerifier(start).open(frame)


def test_other_header_orders_verify_too():
    start = chain()
    frame = decode(FrameSigner(start).sign(payload_part(b"1")))
    date, signature = frame.head[:15], frame.head[15:]
    swapped = signature + date
    assert decode_headers(swapped) == frame.headers
    assert FrameVerifier(start).open(decode(encode(swapped, frame.payload))).payload == b"1"


def test_an_absurd_date_is_a_frame_error():
    frame = decode(FrameSigner(chain()).sign(b""))
    head = frame.head[:7] + (1 << 62).to_bytes(8, "big") + frame.head[15:]
    with pytest.raises((FrameError, SignatureRefused)):
        FrameVerifier(chain()).open(Message(head, b""))
