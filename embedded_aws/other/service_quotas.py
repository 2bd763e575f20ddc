"""Service Quotas of the embedded AWS: ``<type> for endpoint usage`` of every type, editable for tests and exercises."""

import hashlib
import math
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.names import quota_name
from embedded_aws.clock import Clock
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params
from embedded_aws.listings import make_arn

SERVICE = "sagemaker"
DEFAULT_QUOTA = 20.0
"""Instances per type unless set; a named choice of the embedded AWS: real accounts start at 0 for most GPU types."""

_PAGE = 100


def quota_code(instance_type: str) -> str:
    """A stable code of AWS's shape; AWS's own codes are looked up, never known beforehand, and so are these."""
    return "L-" + hashlib.sha256(quota_name(instance_type).encode()).hexdigest()[:8].upper()


class Quotas:
    """Endpoint quotas of all regions; every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self.instance_types = request_checks.enum_values("sagemaker", "ProductionVariantInstanceType")
        """Every instance type SageMaker can host on."""
        self._values: dict[tuple[str, str], float] = {}
        self._requests: dict[str, list[dict[str, Any]]] = {}

    def get(self, region: str, instance_type: str) -> float:
        """How many instances of the type the region's endpoints may have."""
        with self._lock:
            return self._values.get((region, instance_type), DEFAULT_QUOTA)

    def set(self, region: str, instance_type: str, value: float) -> None:
        """Set a quota.

        Raises:
            InvalidInput: SageMaker does not host on such a type, or the value is negative or no number.
        """
        if not isinstance(region, str) or not isinstance(instance_type, str):
            raise InvalidInput(f"{region!r} and {instance_type!r} are no region and instance type.", hint="Give texts.")
        if instance_type not in self.instance_types:
            raise InvalidInput(
                f"SageMaker hosts no instance type {instance_type!r}.", hint="Give one like ml.g6.2xlarge."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise InvalidInput(f"The quota of {instance_type} cannot be {value!r}.", hint="Give a number, 0 or more.")
        with self._lock:
            self._values[region, instance_type] = float(value)

    def request(self, region: str, row: dict[str, Any]) -> None:
        """Record a request for an increase. The emulator never grants one; it stays ``PENDING``."""
        with self._lock:
            self._requests.setdefault(region, []).append(row)

    def requests(self, region: str) -> list[dict[str, Any]]:
        """The region's requests for an increase, oldest first."""
        with self._lock:
            return list(self._requests.get(region, ()))


def limit_exceeded(quotas: Quotas, fleet: Fleet, region: str, instance_types: Iterable[str], added: int) -> str:
    """Why ``added`` more instances of a pool are refused, in AWS's words; empty when they are not.

    Every type of a pool needs quota for all of them: quota does not fall back, capacity does.
    """
    for instance_type in instance_types:
        quota = quotas.get(region, instance_type)
        views = (fleet.view(region, name) for name in fleet.names(region))
        used = sum(variant.pools.get(instance_type, 0) for view in views if view for variant in view.variants)
        if used + added > quota:
            return (
                f"The account-level service limit '{quota_name(instance_type)}' is {quota:g} Instances, with current "
                f"utilization of {used} Instances and a request delta of {added} Instances. Please use AWS Service "
                "Quotas to request an increase for this quota. If AWS Service Quotas is not available, contact AWS "
                "support to request an increase for this quota."
            )
    return ""


class ServiceQuotas:
    """What Service Quotas answers in a region; its methods are the API's operations."""

    def __init__(self, region: str, quotas: Quotas) -> None:
        self._region = region
        self._quotas = quotas

    def list_service_quotas(self, p: Params) -> dict[str, Any]:
        """The applied quotas, a page at a time."""
        return self._list(p, self._quota)

    def list_aws_default_service_quotas(self, p: Params) -> dict[str, Any]:
        """The default quotas, a page at a time."""
        return self._list(p, self._default)

    def get_service_quota(self, p: Params) -> dict[str, Any]:
        """One applied quota."""
        return {"Quota": self._quota(self._type(p))}

    def get_aws_default_service_quota(self, p: Params) -> dict[str, Any]:
        """One default quota."""
        return {"Quota": self._default(self._type(p))}

    def request_service_quota_increase(self, p: Params) -> dict[str, Any]:
        """Take a request down as PENDING."""
        instance_type = self._type(p)
        if p["DesiredValue"] <= self._quotas.get(self._region, instance_type):
            raise AwsRefusal(
                "You must provide a quota value greater than the current quota value", "IllegalArgumentException"
            )
        if any(r["QuotaCode"] == p["QuotaCode"] for r in self._quotas.requests(self._region)):
            raise AwsRefusal(
                "Only one open service quota increase request is allowed per quota.", "ResourceAlreadyExistsException"
            )
        now = self._quotas.clock.now()
        row = {
            key: self._quota(instance_type)[key]
            for key in ("QuotaCode", "QuotaName", "ServiceCode", "ServiceName", "QuotaArn", "Unit")
        }
        row |= {
            "Id": uuid.uuid4().hex,
            "DesiredValue": p["DesiredValue"],
            "Status": "PENDING",
            "Created": now,
            "LastUpdated": now,
            "GlobalQuota": False,
        }
        self._quotas.request(self._region, row)
        return {"RequestedQuota": row}

    def list_requested_service_quota_change_history(self, p: Params) -> dict[str, Any]:
        """The requests made so far."""
        rows = self._quotas.requests(self._region)
        if "ServiceCode" in p:
            rows = [r for r in rows if r["ServiceCode"] == p["ServiceCode"]]
        if "Status" in p:
            rows = [r for r in rows if r["Status"] == p["Status"]]
        return {"RequestedQuotas": rows}

    def list_services(self, _: Params) -> dict[str, Any]:
        """The services that have quotas here."""
        return {"Services": [{"ServiceCode": SERVICE, "ServiceName": "Amazon SageMaker"}]}

    def _list(self, p: Params, row: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        self._check_service(p)
        types = (self._type(p),) if "QuotaCode" in p else self._quotas.instance_types
        refusal = AwsRefusal("The pagination token is invalid.", "InvalidPaginationTokenException")
        return one_page(list(map(row, types)), p, "Quotas", size=p.get("MaxResults", _PAGE), refusal=refusal)

    def _quota(self, instance_type: str) -> dict[str, Any]:
        return self._default(instance_type) | {"Value": self._quotas.get(self._region, instance_type)}

    def _default(self, instance_type: str) -> dict[str, Any]:
        code = quota_code(instance_type)
        return {
            "ServiceCode": SERVICE,
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": make_arn("servicequotas", self._region, f"{SERVICE}/{code}"),
            "QuotaCode": code,
            "QuotaName": quota_name(instance_type),
            "Value": DEFAULT_QUOTA,
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def _type(self, p: Params) -> str:
        self._check_service(p)
        for instance_type in self._quotas.instance_types:
            if quota_code(instance_type) == p["QuotaCode"]:
                return instance_type
        raise AwsRefusal(
            "The request failed because the specified service quota does not exist.", "NoSuchResourceException"
        )

    def _check_service(self, p: Params) -> None:
        if p["ServiceCode"] != SERVICE:
            raise AwsRefusal(
                "The request failed because the specified service does not exist.", "NoSuchResourceException"
            )
