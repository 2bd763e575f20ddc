"""AWS Signature Version 4 for SageMaker: signing and checking requests and event-stream frames.

botocore signs requests; it neither checks them nor knows frames. Frames chain: each signature covers the one before it,
beginning with the request's own. Source: AWS's General Reference ("Create a signed AWS API request") and its Transcribe
streaming guide (``AWS4-HMAC-SHA256-PAYLOAD``); the tests compare with botocore's and ``aws-sdk-signers``'s signatures.
"""

import hmac
import time
from binascii import hexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.wire import eventstream
from dgsm_helpers.wire.eventstream import FrameError, Message

SERVICE = "sagemaker"
ALGORITHM = "AWS4-HMAC-SHA256"
EVENTS_PAYLOAD = "STREAMING-AWS4-HMAC-SHA256-EVENTS"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_STREAMING = "STREAMING-"
EMPTY_SHA256 = sha256(b"").hexdigest()
MAX_SKEW_S = 300
"""AWS refuses a request dated more than five minutes away from its own clock."""

# The usual layout is {:date timestamp, :chunk-signature 32 bytes}; reading it by position keeps a check at a few
# microseconds.
_DATE_HEAD = b"\x05:date\x08"
_SIGNATURE_HEAD = b"\x10:chunk-signature\x06\x00\x20"
_DATE_LENGTH = len(_DATE_HEAD) + 8
_SIGNED_HEAD_LENGTH = _DATE_LENGTH + len(_SIGNATURE_HEAD) + 32


class SignatureRefused(InvalidInput):
    """A signature does not hold. ``code`` and ``status`` are what AWS answers with."""

    def __init__(self, code: str, message: str, *, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Credentials:
    """A key pair; ``session_token`` when it is temporary. Never printed."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return bool(self.access_key_id and self.secret_access_key)


@dataclass(frozen=True)
class Signed:
    """A request whose signature is known: what a frame chain starts from.

    ``signature`` is hexadecimal. ``headers`` are those a signer has to add to its request (empty when verified).
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    signature: str
    headers: Mapping[str, str]


@lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str = SERVICE) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _scope(date: str, region: str, service: str = SERVICE) -> str:
    return f"{date}/{region}/{service}/aws4_request"


@lru_cache(maxsize=64)
def _stamp(second: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


def sign_request(
    *,
    method: str,
    path: str,
    headers: Mapping[str, str],
    credentials: Credentials,
    region: str,
    payload_hash: str,
    query: str = "",
) -> Signed:
    """Sign a request.

    ``headers`` have lower-case names and include ``host``; all of them are signed. ``path`` is as it goes on the wire.
    ``payload_hash`` is the body's SHA-256 in hexadecimal, or `EVENTS_PAYLOAD` for an event stream.
    """
    url = f"https://{headers['host']}{path}{'?' if query else ''}{query}"
    request = AWSRequest(method, url, headers={**headers, "x-amz-content-sha256": payload_hash})
    key = credentials
    frozen = ReadOnlyCredentials(key.access_key_id, key.secret_access_key, key.session_token)
    SigV4Auth(frozen, SERVICE, region).add_auth(request)
    added = {name.lower(): value for name, value in request.headers.items() if name not in headers}
    signature = added["authorization"].rpartition("=")[2]
    return Signed(key.access_key_id, key.secret_access_key, region, signature, added)


def _parse_authorization(value: str) -> tuple[list[str], list[str], str]:
    if not value:
        raise SignatureRefused("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = value.partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not fields.get(name)]
    if algorithm != ALGORITHM or missing:
        raise SignatureRefused(
            "IncompleteSignatureException",
            f"Authorization header requires {' and '.join(repr(m) for m in missing) or repr(ALGORITHM)}.",
        )
    scope = fields["Credential"].split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        raise SignatureRefused(
            "IncompleteSignatureException",
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{fields['Credential']}'",
        )
    return scope, fields["SignedHeaders"].split(";"), fields["Signature"]


def _check_date(stamp: str, scope_date: str, now_s: float) -> None:
    if len(stamp) != 16 or stamp[:8] != scope_date:
        raise SignatureRefused(
            "InvalidSignatureException",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{scope_date}' != '{stamp[:8]}', from '{stamp}'.",
        )
    early, now, late = _stamp(int(now_s) - MAX_SKEW_S), _stamp(int(now_s)), _stamp(int(now_s) + MAX_SKEW_S)
    # Stamps of this format order as text.
    if stamp < early:
        text = f"Signature expired: {stamp} is now earlier than {early} ({now} - 5 min.)"
    elif stamp > late:
        text = f"Signature not yet current: {stamp} is still later than {late} ({now} + 5 min.)"
    else:
        return
    raise SignatureRefused("InvalidSignatureException", text)


def verify_request(
    *,
    method: str,
    path: str,
    headers: Mapping[str, str],
    secret_for: Callable[[str], str | None],
    service: str = SERVICE,
    query: str = "",
    body: bytes | None = None,
    now_s: float | None = None,
) -> Signed:
    """Check a request's signature as AWS does.

    ``headers`` have lower-case names, ``host`` among them. ``secret_for`` maps an access key to its secret. ``service``
    is the name that the called service signs with. ``body`` None means it has not arrived (an event stream): then the
    announced payload hash is taken as it is.

    Raises:
        SignatureRefused: with AWS's own code, status and text.
    """
    (key_id, date, region, signed_for, _), names, signature = _parse_authorization(headers.get("authorization", ""))
    secret = secret_for(key_id)
    if secret is None:
        raise SignatureRefused("UnrecognizedClientException", "The security token included in the request is invalid.")
    if signed_for != service:
        raise SignatureRefused(
            "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'."
        )
    stamp = headers.get("x-amz-date", "")
    _check_date(stamp, date, time.time() if now_s is None else now_s)
    announced = headers.get("x-amz-content-sha256", "")
    if announced.startswith((UNSIGNED_PAYLOAD, _STREAMING)) or body is None:
        payload_hash = announced or EMPTY_SHA256
    else:
        payload_hash = sha256(body).hexdigest()
    canonical = "\n".join(
        (
            method,
            # Everything but S3 encodes the path as sent once more.
            (path if service == "s3" else quote(path, safe="/-_.~")) or "/",
            _canonical_query(query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            payload_hash,
        )
    )
    text = f"{ALGORITHM}\n{stamp}\n{_scope(date, region, service)}\n{sha256(canonical.encode()).hexdigest()}"
    expected = hmac.digest(_signing_key(secret, date, region, service), text.encode(), "sha256").hex()
    # As bytes: of texts only those in ASCII are compared.
    if "host" not in names or not hmac.compare_digest(expected.encode(), signature.encode()):
        raise SignatureRefused(
            "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
        )
    return Signed(key_id, secret, region, signature, {})


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{key}={value}" for key, value in sorted((quote(k, safe=""), quote(v, safe="")) for k, v in pairs))


class _FrameChain:
    def __init__(self, signed: Signed) -> None:
        self._signed = signed
        self._prior = signed.signature.encode()
        self._second: int | None = None
        self._key = b""
        self._dated = b""

    def _signature(self, date_ms: int, unsigned_head: bytes, payload: bytes) -> bytes:
        if date_ms // 1000 != self._second:
            self._begin(date_ms // 1000)
        text = b"%b\n%b\n%b\n%b" % (
            self._dated,
            self._prior,
            hexlify(sha256(unsigned_head).digest()),
            hexlify(sha256(payload).digest()),
        )
        return hmac.digest(self._key, text, "sha256")

    def _begin(self, second: int) -> None:
        # A stream may run across midnight UTC: the key and the scope follow each frame's own date.
        stamp, signer = _stamp(second), self._signed
        self._key = _signing_key(signer.secret_access_key, stamp[:8], signer.region)
        self._dated = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{_scope(stamp[:8], signer.region)}".encode()
        self._second = second


class FrameSigner(_FrameChain):
    """Makes the signed frames of one request stream, in order."""

    def sign(self, payload: bytes, *, now_s: float | None = None) -> bytes:
        """The frame that carries ``payload`` (a whole inner message; empty ends the input). ``now_s`` is Unix time."""
        date_ms = int((time.time() if now_s is None else now_s) * 1000)
        date_head = _DATE_HEAD + date_ms.to_bytes(8, "big", signed=True)
        signature = self._signature(date_ms, date_head, payload)
        self._prior = hexlify(signature)
        return eventstream.encode(date_head + _SIGNATURE_HEAD + signature, payload)


class FrameVerifier(_FrameChain):
    """Checks the signed frames of one request stream, in order, and opens them."""

    def open(self, frame: Message) -> Message | None:
        """The inner message of a signed frame, or None for the empty frame that ends the input.

        Raises:
            SignatureRefused: the signature does not hold, or there is none.
            FrameError: the payload is not one message.
        """
        date_ms, unsigned_head, signature = _read_signed_head(frame.head)
        try:
            expected = self._signature(date_ms, unsigned_head, frame.payload)
        except (OverflowError, ValueError, OSError) as error:
            raise FrameError(f"Event date {date_ms} is out of range.") from error
        if not hmac.compare_digest(expected, signature):
            raise SignatureRefused(
                "InvalidSignatureException", "The signature of an event does not match the one we calculated."
            )
        self._prior = hexlify(signature)
        return eventstream.decode(frame.payload) if frame.payload else None


def _read_signed_head(head: bytes) -> tuple[int, bytes, bytes]:
    """The date in milliseconds, the header block that was signed, and the signature."""
    if (
        len(head) == _SIGNED_HEAD_LENGTH
        and head.startswith(_DATE_HEAD)
        and head.startswith(_SIGNATURE_HEAD, _DATE_LENGTH)
    ):
        date_ms = int.from_bytes(head[len(_DATE_HEAD) : _DATE_LENGTH], "big", signed=True)
        return date_ms, head[:_DATE_LENGTH], head[-32:]
    headers = eventstream.decode_headers(head)
    signature, date = headers.get(":chunk-signature"), headers.get(":date")
    if not isinstance(signature, bytes) or not isinstance(date, int):
        raise SignatureRefused("InvalidSignatureException", "An event must carry :date and :chunk-signature.")
    return date, head.replace(_SIGNATURE_HEAD + signature, b"", 1), signature
