"""Finding the model package of a listing in a region, and whether the account is subscribed.

AWS documents no call that names a subscription's package in a region: the console does, under Configure. What can be
asked is asked: what SageMaker lists, the package of another region's ARN, and the account's agreements.
"""

from dataclasses import dataclass

from dgsm_helpers.aws.core.calls import call, pages
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import AccessDenied, DgsmError, NotFound
from dgsm_helpers.rules.package_arn import LISTINGS_URL, SUBSCRIPTIONS_URL, in_region, require_usable_arn
from dgsm_helpers.session import Workbook

_MOST = 20
"""Packages that are looked at one by one."""


@dataclass(frozen=True)
class FoundPackage:
    """A model package of the region. ``usable`` says whether this account may deploy it; ``source`` who named it."""

    arn: str
    source: str
    usable: bool
    detail: str


@dataclass(frozen=True)
class PackageSearch(Table):
    """What was found in a region. ``subscriptions`` are the products that the account is subscribed to, by id."""

    region: str
    rows: tuple[FoundPackage, ...]
    subscriptions: tuple[str, ...]
    notes: tuple[str, ...]

    _columns = ("model package ARN", "named by", "usable", "detail")

    @property
    def ok(self) -> bool:
        """True when a package is usable."""
        return any(row.usable for row in self.rows)

    def _caption(self) -> str:
        return f"Model packages in {self.region}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [(row.arn, row.source, "yes" if row.usable else "no", row.detail) for row in self.rows]

    def _notes(self) -> tuple[str, ...]:
        found = ", ".join(self.subscriptions) or "no product of machine learning"
        return (f"Subscribed to {found}.", *self.notes)


def search_packages(wb: Workbook) -> PackageSearch:
    """Look for packages that the workbook's account may deploy in its region; nothing is changed.

    The workbook's listing may be the ARN of another region: the same package is then looked for in this one.

    Raises:
        InvalidInput: the workbook's listing is no model package ARN, and what it is.
        DgsmError: AWS could be asked for nothing of it, and the first reason.
    """
    unread: list[DgsmError] = []
    notes: list[str] = []
    named: dict[str, str] = {}
    if wb.model_package_arn:
        other = in_region(wb.model_package_arn, wb.region)
        arn = other or require_usable_arn(wb.model_package_arn, wb.region)
        named[arn] = "you" if arn == wb.model_package_arn else "your ARN of another region"
    try:
        for row in pages(wb, "sagemaker", "ListModelPackages", "ModelPackageSummaryList"):
            named.setdefault(row["ModelPackageArn"], "SageMaker")
    except DgsmError as error:
        unread.append(error)
        notes.append(f"SageMaker's list could not be read: {error}")
    subscriptions: tuple[str, ...] = ()
    try:
        subscriptions = _subscriptions(wb)
    except DgsmError as error:
        unread.append(error)
        notes.append(f"Subscriptions could not be read: {error}")
    if len(unread) == 2 and not named:
        raise unread[0]
    rows = tuple(_looked_at(wb, arn, source) for arn, source in list(named.items())[:_MOST])
    if not any(row.usable for row in rows):
        notes += [f"Subscribe: {LISTINGS_URL}", f"The ARN of a subscription, under Configure: {SUBSCRIPTIONS_URL}"]
    return PackageSearch(wb.region, rows, subscriptions, tuple(notes))


def _looked_at(wb: Workbook, arn: str, source: str) -> FoundPackage:
    try:
        answer = call(wb, "sagemaker", "DescribeModelPackage", ModelPackageName=arn)
    except NotFound:
        return FoundPackage(arn, source, False, f"not there: no subscription, or not offered in {wb.region}")
    except AccessDenied as error:
        return FoundPackage(arn, source, False, error.message)
    status = answer.get("ModelPackageStatus", "Completed")
    return FoundPackage(arn, source, status == "Completed", status)


def _subscriptions(wb: Workbook) -> tuple[str, ...]:
    """The ids of the machine-learning products that the account has an active agreement about."""
    filters = [
        {"name": "PartyType", "values": ["Acceptor"]},
        {"name": "AgreementType", "values": ["PurchaseAgreement"]},
    ]
    agreements = pages(
        wb,
        "marketplace-agreement",
        "SearchAgreements",
        "agreementViewSummaries",
        catalog="AWSMarketplace",
        filters=filters,
    )
    ids = [
        resource["id"]
        for agreement in agreements
        if agreement.get("status") == "ACTIVE"
        for resource in (agreement.get("proposalSummary") or {}).get("resources") or ()
        if resource.get("type") == "MachineLearningProduct"
    ]
    return tuple(dict.fromkeys(ids))
