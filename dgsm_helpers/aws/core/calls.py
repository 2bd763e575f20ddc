"""The one place where AWS is called: requests checked beforehand, refusals translated into this package's errors.

botocore raises one class per transport problem and one generic ``ClientError`` for everything AWS says; callers here
get the error tree of ``dgsm_helpers.errors`` instead, with AWS's code, operation, request id and a next step.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import botocore.exceptions as boto
from botocore import xform_name
from botocore.config import Config
from botocore.parsers import ResponseParserError

from dgsm_helpers.aws.core import denials
from dgsm_helpers.errors import (
    AccessDenied,
    AwsCallFailed,
    CredentialsProblem,
    DgsmError,
    InvalidRequest,
    NotFound,
    NotReady,
    QuotaExceeded,
    Throttled,
)
from dgsm_helpers.places.aws_configuration import NO_ANSWER, no_answer
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.call_effects import BILLS, Effect, effect_of, iam_action
from dgsm_helpers.rules.error_codes import KIND_BY_CODE
from dgsm_helpers.session import Workbook

_MISSING_TEXT = re.compile(
    r"could not find|does not exist|cannot find|not found|no scalable target|no scaling policy", re.IGNORECASE
)
"""AWS's words for what is not there (SageMaker says so with a ValidationException)."""

NOT_ASSUMED = re.compile(r"could not assume role|cannot assume role|unable to assume", re.IGNORECASE)
"""AWS's words for an execution role that SageMaker may not assume, or not yet."""

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.LoginError,
    boto.NoAuthTokenError,
)
"""What may still go wrong with keys when a call is signed: `Clients.get` has read them a moment before."""


def call(wb: Workbook, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
    """Call one AWS operation and return its answer.

    Args:
        service: boto3's name of the service, such as ``sagemaker``.
        operation: the API's name of the operation, such as ``DescribeEndpoint``.
        params: the request, as boto3 takes it.

    Raises:
        InvalidRequest: AWS's service model refuses the request; nothing was sent.
        NotConfirmed: it does more than read, and the user did not agree to that; nothing was sent.
        DgsmError: what AWS answered, translated by :func:`translate`.
    """
    request_checks.validate(service, operation, params)
    require_agreement(wb, service, operation)
    with translated(service, operation):
        answer = getattr(wb.client(service), xform_name(operation))(**params)
    _require_aws(answer.get("ResponseMetadata", {}), service, operation)
    return answer


def require_agreement(wb: Workbook, service: str, operation: str) -> None:
    """The last gate before a call that does more than read, and on the user's account a word about whose it is.

    Every command asks before its first change, with a price; what forgets to is stopped here.

    Raises:
        NotConfirmed: the user did not agree.
    """
    effect = effect_of(operation)
    if not wb.bills or effect is Effect.READS:
        return
    what = iam_action(service, operation)
    if effect is Effect.BILLS:
        wb.require_spend(f"{what} of {wb.endpoint_name}", price=f"money: {BILLS[operation]}")
    elif not wb.confirm_spend:
        wb.require_delete(f"What {what} changes")
    if "account" not in wb.readings:
        wb.readings["account"] = _account(wb)
        print(f"{wb.readings['account']}, {wb.region}: this is what is changed.", file=sys.stderr)


def _account(wb: Workbook) -> str:
    """Whose account the workbook speaks to, in words."""
    try:
        caller = _caller(wb)
    except DgsmError as error:
        return f"An account of {wb.place} that does not say whose it is ({error.message})"
    return f"Account {caller['Account']} of {wb.place}, as {caller['Arn']}"


def account_id(wb: Workbook) -> str:
    """The number of the account that the workbook speaks to; empty where STS is out of reach."""
    try:
        return str(_caller(wb)["Account"])
    except DgsmError:
        return ""


def _caller(wb: Workbook) -> Mapping[str, str]:
    if "caller" not in wb.readings:
        # STS may be out of reach where everything else is not.
        hasty = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
        with translated("sts", "GetCallerIdentity"):
            wb.readings["caller"] = wb.clients.make("sts", hasty).get_caller_identity()
    return dict(wb.readings["caller"])


def call_or_none(wb: Workbook, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
    """:func:`call`, with None where AWS says that what is named does not exist. Other errors are raised."""
    try:
        return call(wb, service, operation, **params)
    except NotFound:
        return None


def call_tagged(wb: Workbook, service: str, operation: str, tags: Any, /, **params: Any) -> bool:
    """:func:`call` with ``Tags``, and once more without them where the identity may not set tags.

    Returns:
        False when the tags had to be left out.
    """
    try:
        call(wb, service, operation, **params, **({"Tags": tags} if tags else {}))
    except AccessDenied as error:
        if not tags or "TagResource" not in error.message:
            raise
        call(wb, service, operation, **params)
        return False
    return True


def pages(wb: Workbook, service: str, operation: str, key: str, /, **params: Any) -> Iterator[Any]:
    """The items of ``key`` over every page of an answer; pages are asked for only as the items are used.

    Raises: as :func:`call`.
    """
    request_checks.validate(service, operation, params)
    with translated(service, operation):
        for page in wb.client(service).get_paginator(xform_name(operation)).paginate(**params):
            _require_aws(page.get("ResponseMetadata", {}), service, operation)
            yield from page.get(key, ())


@contextmanager
def translated(service: str, operation: str) -> Iterator[None]:
    """Within it, botocore's exceptions leave as this package's errors (the original is their ``__cause__``)."""
    try:
        yield
    except (boto.BotoCoreError, boto.ClientError, ResponseParserError) as error:
        raise translate(error, service=service, operation=operation) from error


def translate(error: Exception, *, service: str, operation: str) -> DgsmError:
    """This package's error for one of botocore's; see ``dgsm_helpers.errors`` for the tree."""
    if isinstance(error, boto.ClientError):
        return _refusal(error, service, operation)
    what = f"{service}:{operation}"
    about = {"operation": operation, "code": type(error).__name__}
    if isinstance(error, boto.ParamValidationError):
        return InvalidRequest(f"{what} cannot be sent: {error}", hint="Correct the value named; nothing was sent.")
    if isinstance(error, ResponseParserError):
        return _no_aws(what, operation)
    if isinstance(error, _NO_CREDENTIALS):
        return CredentialsProblem(
            f"{what} could not be signed: {error}.",
            hint="Sign in (aws sso login, aws configure, or the notebook's execution role) and run the cell again.",
            **about,
        )
    if isinstance(error, NO_ANSWER):
        return no_answer(error, what, operation)
    return AwsCallFailed(
        f"{what} could not be made: {error}", hint="Check the profile and the AWS_… variables of this shell.", **about
    )


def _require_aws(answered: Mapping[str, Any], service: str, operation: str) -> None:
    """Raise AwsCallFailed where a page of text answers, and so not AWS: botocore takes it for an empty answer."""
    kind = answered.get("HTTPHeaders", {}).get("content-type", "")
    if kind.startswith("text/") and "xml" not in kind:
        raise _no_aws(f"{service}:{operation}", operation)


def _no_aws(what: str, operation: str) -> AwsCallFailed:
    return AwsCallFailed(
        f"{what} was answered with a page of text, so it is not AWS that answers.",
        hint="Check the endpoint URL (AWS_ENDPOINT_URL…, the profile's `services`), the proxy, the network's sign-in.",
        operation=operation,
    )


_AWS_IN_TROUBLE = (500, 502, 503, 504)
"""With these AWS's own front door may answer with a page."""


def _refusal(error: boto.ClientError, service: str, operation: str) -> DgsmError:
    body = error.response.get("Error", {})
    operation = getattr(error, "operation_name", "") or operation
    code, text = str(body.get("Code", "")), str(body.get("Message", "")).strip() or "no message"
    meta = error.response.get("ResponseMetadata", {})
    about = {"code": code, "operation": operation, "request_id": str(meta.get("RequestId", ""))}
    if meta.get("HTTPStatusCode", 0) not in _AWS_IN_TROUBLE:
        _require_aws(meta, service, operation)
    # Keys may be given out by a call of botocore's own.
    what = f"{'sts' if operation.startswith('AssumeRole') else service}:{operation} was refused ({code}): {text}"
    kind = KIND_BY_CODE.get(code)
    if kind == "expired":
        return CredentialsProblem(what, hint="The credentials expired: sign in again and rerun the cell.", **about)
    if kind == "bad credentials":
        return CredentialsProblem(
            what, hint="AWS does not know these credentials: check the profile and the machine's clock.", **about
        )
    if kind == "denied" or "not authorized to perform" in text:
        action = iam_action(service, operation)
        return AccessDenied(what, hint=denials.next_step(text, action), **about)
    if kind == "throttled":
        return Throttled(what, hint="AWS still throttles after botocore's retries: wait a minute and rerun.", **about)
    if kind == "quota":
        return QuotaExceeded(what, hint=_quota_hint(text), **about)
    if kind == "missing" or _MISSING_TEXT.search(text):
        return NotFound(what, hint="Check the name and the region.")
    if kind == "busy" or "in-progress" in text:
        return NotReady(what, hint="Wait until the endpoint is InService again, then repeat.")
    if NOT_ASSUMED.search(text):
        hint = "Its trust policy must let sagemaker.amazonaws.com assume it; `dgsm role create` makes a role that does."
        return AwsCallFailed(what, hint=hint, **about)
    if kind == "invalid value":
        return AwsCallFailed(what, hint="Correct the value AWS names and repeat the call.", **about)
    status = meta.get("HTTPStatusCode", 0)
    hint = (
        "This is AWS's side: repeat in a minute." if status >= 500 else "Look the code up in the operation's reference."
    )
    return AwsCallFailed(what, hint=hint, **about)


def _quota_hint(text: str) -> str:
    named = re.search(r"'([^']+)'", text)
    quota = f'"{named[1]}"' if named else "the quota named"
    return f"Request an increase of {quota} in Service Quotas, or leave the instance type out of the pool."
