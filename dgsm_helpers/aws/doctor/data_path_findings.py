"""The doctor's findings about the way of a stream: what was seen on it, told apart by what the account says.

A stream that is refused shows what AWS did not find or allow, not why: of a wrong name, region and account the runtime
says the same. Only then is the control plane asked, within the time that is left.
"""

import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Self

import botocore.exceptions as boto
from botocore.config import Config

from dgsm_helpers.aws.core.calls import call, pages, translate
from dgsm_helpers.aws.doctor.examine import Diagnosis, Finding
from dgsm_helpers.aws.doctor.snapshot import RuleVerdict
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.processes.background import in_background
from dgsm_helpers.rules.path_steps import Cause, PathStep, known_region
from dgsm_helpers.session import Workbook

OPERATION = "InvokeEndpointWithBidirectionalStream"
_STREAMING = "Deepgram, invoke-sagemaker-endpoint"
_IAM = "AWS, Service Authorization Reference: SageMaker"
_SOURCES = {
    Cause.DNS: "AWS, SageMaker endpoints and quotas",
    Cause.REGION: "AWS, SageMaker endpoints and quotas",
    Cause.PORT: _STREAMING,
    Cause.VPC_ENDPOINT: "AWS PrivateLink: security groups of interface endpoints",
    Cause.PROXY: _STREAMING,
    Cause.AUTHORITY: "AWS SDKs and Tools: AWS_CA_BUNDLE",
    Cause.CLOCK: "AWS, Signature Version 4: five minutes",
    Cause.CREDENTIALS: "AWS SDKs and Tools: credential providers",
    Cause.ACTION: _IAM,
}


def diagnose_path(wb: Workbook, steps: Sequence[PathStep], *, within_s: float) -> Diagnosis:
    """The findings about a way that was followed (`load.transport.data_path.follow`); the worst first.

    A finding is named after its cause, or after what was looked at where that is in order. What lies behind a barred
    step was not looked at and has no finding.

    Args:
        steps: what was seen.
        within_s: how long the account may be asked.
    """
    told = [_told_apart(wb, step, within_s) if step.cause else step for step in steps]
    findings = sorted((_finding(step) for step in told), key=lambda finding: -finding.verdict.rank)
    return Diagnosis(wb.endpoint_name, wb.now(), tuple(findings))


def _finding(step: PathStep) -> Finding:
    if step.cause is None:
        return Finding(step.looked_at, RuleVerdict.OK, step.saw, "", _STREAMING)
    verdict = RuleVerdict.STOP if step.barred else RuleVerdict.WARN
    source = _SOURCES.get(step.cause, "AWS, SageMaker Runtime: errors")
    return Finding(str(step.cause), verdict, f"{step.looked_at}: {step.saw}", step.fix, source)


def _told_apart(wb: Workbook, step: PathStep, within_s: float) -> PathStep:
    if step.cause is Cause.DNS:
        return known_region(step, wb.stream_url, wb.region, _regions(wb))
    if step.cause in (Cause.ENDPOINT, Cause.ACTION, Cause.FULL, Cause.OTHER):
        return _by_account(wb, step, _Account.asked(wb, time.monotonic() + within_s))
    return step


@dataclass(frozen=True)
class _Account:
    """What the control plane says; None for what it did not say in time, or may not be asked."""

    caller: dict[str, Any] | None
    endpoint: EndpointState | None
    names: tuple[str, ...] | None
    until_s: float

    @classmethod
    def asked(cls, wb: Workbook, until_s: float) -> Self:
        """Ask for caller, endpoint and endpoints' names at once, until ``until_s`` of the monotonic clock."""
        # Clients are made one after the other: boto3's sessions are not made for threads.
        made = in_background(lambda: [wb.client(service) for service in ("sts", "sagemaker")])
        if _answer(made, until_s) is None:
            return cls(None, None, None, until_s)
        caller = in_background(partial(call, wb, "sts", "GetCallerIdentity"))
        endpoint = in_background(partial(endpoint_state.find, wb))
        names = in_background(lambda: tuple(_names(pages(wb, "sagemaker", "ListEndpoints", "Endpoints"))))
        return cls(_answer(caller, until_s), _answer(endpoint, until_s), _answer(names, until_s), until_s)


def _names(endpoints: Iterable[dict[str, Any]]) -> list[str]:
    return [endpoint["EndpointName"] for endpoint in endpoints]


def _answer[T](asked: Future[T], until_s: float) -> T | None:
    """What came back in time; None for nothing, and for an error: the stream itself has said more."""
    try:
        return asked.result(max(0.0, until_s - time.monotonic()))
    except Exception:
        return None


def _by_account(wb: Workbook, step: PathStep, account: _Account) -> PathStep:
    """The step with the cause that the account's view makes of it."""
    if step.cause in (Cause.ENDPOINT, Cause.ACTION) and (other := _other_account(wb, step, account)):
        return other
    if step.cause is Cause.ACTION:
        return replace(step, fix=_denial_hint(step))
    if step.cause is Cause.ENDPOINT and account.endpoint is None:
        return _not_here(wb, step, account)
    if account.endpoint is not None:
        return _known(wb, step, account.endpoint)
    return step


def _other_account(wb: Workbook, step: PathStep, account: _Account) -> PathStep | None:
    """Whether these credentials belong to another account than the endpoint does."""
    if account.caller is None:
        return None
    here, arn = account.caller["Account"], account.caller["Arn"]
    role = re.match(r"arn:[\w-]+:iam::(\d{12}):", wb.role_arn or "")
    meant = role[1] if role else here
    if meant != here:
        saw = f"the credentials are {arn} of account {here}; the execution role {wb.role_arn} is of {meant}"
    elif step.refusal is not None and step.refusal.account not in ("", here):
        saw = f"streams are signed for account {step.refusal.account}, other calls for {here} ({arn})"
    else:
        return None
    return _as(step, Cause.ACCOUNT, saw, f"Use a profile of account {meant}: profile= or AWS_PROFILE.")


def _as(step: PathStep, cause: Cause, saw: str, fix: str) -> PathStep:
    return replace(step, cause=cause, saw=f"{step.saw}; {saw}", fix=fix)


def _denial_hint(step: PathStep) -> str:
    """What to do about a denial, as for every other call."""
    refusal = step.refusal
    if refusal is None:
        return step.fix
    error = boto.ClientError({"Error": {"Code": refusal.code, "Message": refusal.text}}, OPERATION)
    return translate(error, service="sagemaker-runtime", operation=OPERATION).hint or step.fix


def _known(wb: Workbook, step: PathStep, endpoint: EndpointState) -> PathStep:
    """The endpoint is there: what is wrong with its variant or its instances."""
    variants = {variant.name: variant for variant in endpoint.variants}
    if step.cause is Cause.ENDPOINT and wb.variant_name not in variants:
        fix = f"Open the workbook with variant_name= one of {', '.join(variants) or 'its variants'}."
        return _as(step, Cause.ENDPOINT, f"{endpoint.name} has no variant {wb.variant_name}", fix)
    state = f"{endpoint.name} is {endpoint.status} with {endpoint.running} of {endpoint.desired} instances running"
    if endpoint.status != "InService" or not endpoint.running:
        return _as(step, Cause.FULL, state, "Wait until it is InService; dgsm doctor says what holds it back.")
    return replace(step, saw=f"{step.saw}; {state}")


def _not_here(wb: Workbook, step: PathStep, account: _Account) -> PathStep:
    """No such endpoint in this account and region: it is elsewhere, has another name, or is another account's."""
    found, asked = _elsewhere(wb, account.until_s)
    if found:
        saw = f"{wb.region} has no endpoint {wb.endpoint_name}, {found} has"
        return _as(step, Cause.REGION, saw, f'Open the workbook with region="{found}" (or AWS_REGION={found}).')
    if account.caller is None or account.names is None:
        return step
    who = f"account {account.caller['Account']} ({account.caller['Arn']})"
    if near := get_close_matches(wb.endpoint_name, account.names, 3) or account.names[:3]:
        saw = f"{who} has no endpoint {wb.endpoint_name} in {wb.region}; it has {', '.join(near)}"
        return _as(step, Cause.ENDPOINT, saw, f"Is {near[0]} meant? Names count letter by letter.")
    saw = f"{who} has no endpoint at all in {wb.region}, and none of this name in {asked} other regions"
    return _as(
        step,
        Cause.ACCOUNT,
        saw,
        "Sign in to the account that has it (profile= or AWS_PROFILE), or deploy it: 01_deploy.",
    )


def _elsewhere(wb: Workbook, until_s: float) -> tuple[str | None, int]:
    """Another region of the account that has the endpoint, and how many answered in time."""
    answers: SimpleQueue[tuple[str, bool | None]] = SimpleQueue()
    # Where most endpoints are comes first, for the case that time does not suffice for all.
    regions = sorted(_regions(wb) - {wb.region}, key=lambda region: (not region.startswith(("us-", "eu-")), region))
    in_background(partial(_ask_each, wb, regions, answers))
    asked = 0
    for _ in regions:
        try:
            region, has_it = answers.get(timeout=max(0.0, until_s - time.monotonic()))
        except Empty:
            break
        if has_it:
            return region, asked
        asked += has_it is False
    return None, asked


def _ask_each(wb: Workbook, regions: Sequence[str], answers: SimpleQueue[tuple[str, bool | None]]) -> None:
    """Ask all regions at once; only the clients are made one after the other."""
    config = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1})
    for region in regions:
        client = wb.session.client("sagemaker", region_name=region, config=config)

        def ask(region: str = region, client: Any = client) -> None:
            answers.put((region, _has(client, wb.endpoint_name)))

        in_background(ask)


def _has(client: Any, endpoint_name: str) -> bool | None:
    try:
        client.describe_endpoint(EndpointName=endpoint_name)
    except boto.ClientError as error:
        # A region that the account has not enabled, or that a policy denies, says nothing about the endpoint.
        return False if "not find" in str(error) else None
    except boto.BotoCoreError:
        return None
    return True


def _regions(wb: Workbook) -> frozenset[str]:
    """The regions of the workbook's partition in which botocore knows SageMaker."""
    try:
        partition = wb.session.get_partition_for_region(wb.region)
    except boto.UnknownRegionError:
        partition = "aws"
    return frozenset(wb.session.get_available_regions("sagemaker", partition_name=partition))
