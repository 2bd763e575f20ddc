"""What has to be in place before a deployment, asked of AWS without changing or billing anything.

Whether the installed AWS clients are recent enough, by the floors this package itself declares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from botocore.exceptions import UnknownRegionError
from packaging.requirements import Requirement

from dgsm_helpers.aws.account import permissions, simulation
from dgsm_helpers.aws.account.execution_role import execution_role_arn, role_name, trusts_sagemaker
from dgsm_helpers.aws.account.quotas import endpoint_quotas
from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.aws.core.denials import Denial
from dgsm_helpers.aws.core.tables import Table, mark
from dgsm_helpers.errors import (
    CredentialsProblem,
    DgsmError,
    InvalidInput,
    NotFound,
    NotReady,
)
from dgsm_helpers.rules.names import quota_name
from dgsm_helpers.rules.package_arn import LISTINGS_URL, SUBSCRIPTIONS_URL, require_usable_arn
from dgsm_helpers.session import Workbook

type CheckVerdict = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Check:
    """One question and its answer; ``fix`` says what to do when the answer is not yes."""

    name: str
    verdict: CheckVerdict
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class PreflightReport(Table):
    """All answers. ``unknown`` does not stop a deployment: it means that AWS would not say."""

    rows: tuple[Check, ...]

    _columns = ("name", "verdict", "detail", "fix")

    @property
    def ok(self) -> bool:
        """True when no answer is no."""
        return all(row.verdict != "no" for row in self.rows)

    def require(self) -> PreflightReport:
        """This report, if nothing speaks against deploying. Raises NotReady: every answer that is no, and its fix."""
        bad = [row for row in self.rows if row.verdict == "no"]
        if bad:
            raise NotReady(
                "Not ready to deploy: " + "; ".join(f"{row.name}: {row.detail}" for row in bad) + ".",
                hint=" ".join(row.fix for row in bad),
            )
        return self

    def _caption(self) -> str:
        counts = {v: sum(r.verdict == v for r in self.rows) for v in ("yes", "no", "unknown")}
        return "Preflight: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(r.name, mark(r.verdict), r.detail, r.fix if r.verdict != "yes" else "") for r in self.rows]


CLIENTS = {
    "boto3": "InstancePools and MetricsConfig are unknown to older releases",
    "sagemaker-core": "older releases ignore the session they are given",
    "aws-sdk-sagemaker-runtime-http2": "streams are opened with it",
}
"""The clients whose version matters, and why."""

_DISTRIBUTION = "dgsm-helpers"


def installed_versions() -> list[Check]:
    """One answer per client in ``CLIENTS``."""
    try:
        declared = {r.name: r for r in map(Requirement, metadata.requires(_DISTRIBUTION) or ())}
    except metadata.PackageNotFoundError:
        declared = {}
    return [_installed(name, reason, declared.get(name)) for name, reason in CLIENTS.items()]


def _installed(name: str, reason: str, requirement: Requirement | None) -> Check:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "no", "not installed", f"pip install '{requirement or name}'")
    if requirement is None:
        return Check(name, "unknown", f"{version}; this package's own metadata is not installed", "pip install -e .")
    floor = str(requirement.specifier)
    if requirement.specifier.contains(version, prereleases=True):
        return Check(name, "yes", f"{version} (wanted {floor})")
    return Check(name, "no", f"{version}, wanted {floor}: {reason}", f"pip install '{name}{floor}'")


def check(wb: Workbook, instance_types: Sequence[str] | None = None) -> PreflightReport:
    """Ask everything that can be asked before deploying; nothing is changed and nothing bills.

    Args:
        instance_types: the pool to check quotas for; default: the pool Deepgram recommends for the listing's family.
    """
    types = tuple(instance_types or wb.family.default_pool)
    caller, identity = _identity(wb)
    rows = [identity, _region(wb), _arn(wb)]
    if caller is None:
        names = ("subscription", "execution role", "quotas", "permissions")
        rows += [Check(name, "unknown", "not asked without an identity", "Sign in first.") for name in names]
    else:
        rows += [_subscription(wb), _role(wb), *_quotas(wb, types), *permission_checks(wb, caller, types)]
    return PreflightReport((*rows, *installed_versions()))


def _identity(wb: Workbook) -> tuple[str | None, Check]:
    try:
        answer = call(wb, "sts", "GetCallerIdentity")
    except CredentialsProblem as error:
        return None, Check("identity", "no", error.message, error.hint)
    except DgsmError as error:
        return None, Check("identity", "unknown", error.message, error.hint)
    return answer["Arn"], Check("identity", "yes", f"{answer['Arn']} in account {answer['Account']}")


def _region(wb: Workbook) -> Check:
    try:
        partition = wb.session.get_partition_for_region(wb.region)
    except UnknownRegionError:
        return Check("region", "no", f"{wb.region} is not the name of an AWS region", "Open the workbook with another.")
    known = wb.session.get_available_regions("sagemaker", partition_name=partition)
    if wb.region in known:
        return Check("region", "yes", f"{wb.region} offers SageMaker")
    return Check("region", "unknown", f"boto3 does not list SageMaker in {wb.region}", "Check the region's name.")


def _arn(wb: Workbook) -> Check:
    try:
        return Check("model package ARN", "yes", require_usable_arn(wb.model_package_arn, wb.region))
    except InvalidInput as error:
        return Check("model package ARN", "no", error.message, error.hint)


def _subscription(wb: Workbook) -> Check:
    name = "subscription"
    subscribe = f"Subscribe: {LISTINGS_URL} ; the ARN for this region: {SUBSCRIPTIONS_URL} ; check: `dgsm listing ARN`."
    try:
        arn = require_usable_arn(wb.model_package_arn, wb.region)
    except InvalidInput:
        return Check(name, "unknown", "not asked without a usable model package ARN", "Correct the ARN first.")
    try:
        answer = call(wb, "sagemaker", "DescribeModelPackage", ModelPackageName=arn)
    except NotFound as error:
        return Check(name, "no", error.message, subscribe)
    except DgsmError as error:
        if "not subscribed" in error.message.lower():
            return Check(name, "no", error.message, subscribe)
        return Check(name, "unknown", error.message, error.hint)
    status = answer.get("ModelPackageStatus", "Completed")
    if status != "Completed":
        return Check(name, "no", f"the package's status is {status}", "Wait, or ask the seller.")
    return Check(name, "yes", f"the package can be described, status {status}")


def _role(wb: Workbook) -> Check:
    name = "execution role"
    try:
        arn = execution_role_arn(wb)
        role = call(wb, "iam", "GetRole", RoleName=role_name(arn))["Role"]
    except InvalidInput as error:
        return Check(name, "no", error.message, error.hint)
    except NotFound:
        fix = "`dgsm role create --yes` makes one; then pass its ARN as role_arn= to open_workbook()."
        return Check(name, "no", f"{arn} does not exist", fix)
    except DgsmError as error:
        return Check(name, "unknown", error.message, error.hint)
    if role["Arn"] != arn:
        # Another account's, or with another path: SageMaker takes a role by its whole ARN, of its own account only.
        fix = "Pass that one as role_arn= to open_workbook(), or the ARN of another role of this account."
        return Check(name, "no", f"{arn} does not exist; the role of that name here is {role['Arn']}", fix)
    if not trusts_sagemaker(role.get("AssumeRolePolicyDocument") or {}):
        fix = (
            "Let sagemaker.amazonaws.com assume it (sts:AssumeRole in the role's trust policy), or pass another as "
            "role_arn= ; `dgsm role create --yes` makes one."
        )
        return Check(name, "no", f"{arn} does not trust sagemaker.amazonaws.com", fix)
    return Check(name, "yes", f"{arn} trusts sagemaker.amazonaws.com")


def _quotas(wb: Workbook, types: tuple[str, ...]) -> list[Check]:
    try:
        quotas = endpoint_quotas(wb, types)
    except DgsmError as error:
        return [Check(f"quota {t}", "unknown", error.message, error.hint) for t in types]
    rows = []
    for instance_type, value in quotas.items():
        name = f"quota {instance_type}"
        if value is None:
            rows.append(Check(name, "unknown", "Service Quotas does not list it", "Check the type's name."))
        elif value == 0:
            detail = "0 instances; one such type fails the whole deployment"
            request = f'ask for "{quota_name(instance_type)}": `dgsm quota {instance_type} --request N`'
            rows.append(Check(name, "no", detail, f"Drop {instance_type} from the pool, or {request}."))
        else:
            rows.append(Check(name, "yes", f"{value} instances"))
    return rows


def permission_checks(wb: Workbook, caller_arn: str, instance_types: Sequence[str]) -> list[Check]:
    """Whether the caller has the actions that each step needs: one answer per step, or one where AWS would not say."""
    if caller_arn.endswith(":root"):
        return [Check("permissions", "yes", "the account's root user may do anything")]
    try:
        denied = simulation.denied_actions(wb, caller_arn, instance_types)
    except DgsmError as error:
        fix = "Allow iam:SimulatePrincipalPolicy, or go on: a missing action is named when it is first refused."
        return [Check("permissions", "unknown", f"AWS would not say: {error.message}", fix)]
    return [_permission_check(step, actions, denied) for step, actions in permissions.ACTIONS.items()]


def _permission_check(step: str, actions: tuple[str, ...], denied: Mapping[str, Denial]) -> Check:
    missing = [action for action in actions if action in denied]
    if not missing:
        return Check(f"permissions: {step}", "yes", f"{len(actions)} actions allowed")
    by_policy: dict[tuple[str, bool], list[str]] = {}
    for action in missing:
        by_policy.setdefault((denied[action].kind, denied[action].explicit), []).append(action)
    steps = [
        Denial(", ".join(those), kind=kind, explicit=explicit).next_step
        for (kind, explicit), those in by_policy.items()
    ]
    if ("identity-based", False) in by_policy and set(missing) - permissions.NOT_IN_FULL_ACCESS:
        steps.append("AmazonSageMakerFullAccess covers most of what an identity needs.")
    return Check(f"permissions: {step}", "no", f"not allowed: {', '.join(missing)}", " ".join(steps))
