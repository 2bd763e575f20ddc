"""The control plane put together: what answers SageMaker, Service Quotas and the Price List, and its administration."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from moto.iam.models import iam_backends

from dgsm_helpers.errors import InvalidInput
from embedded_aws.credentials import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.gateway.faults import Faults, kinds_to_json
from embedded_aws.gateway.gateway import AdminRoute, Responder
from embedded_aws.gateway.ports import ClockPort, FleetPort, Registered
from embedded_aws.listings import ACCOUNT_ID, LISTINGS, Listing
from embedded_aws.other.price_list import Pricing
from embedded_aws.other.service_quotas import Quotas, ServiceQuotas
from embedded_aws.sagemaker.records import RegionState
from embedded_aws.sagemaker.region_control import SageMaker
from embedded_aws.sagemaker.tagging import TaggedResources

IDENTITY = "local"
EXECUTION_ROLE = "DeepgramSageMakerExecutionRole"


class ControlPlane:
    """SageMaker, Service Quotas and the Price List in all regions, over one fleet.

    Args:
        fleet: the live endpoints.
        clock: local time.
        quotas: instances that each region may have.
        faults: what the operator may set through ``admin_routes``.
        is_registered: whether a variant is a scalable target.
        listings: the local Marketplace.
    """

    def __init__(
        self,
        *,
        fleet: FleetPort,
        clock: ClockPort,
        quotas: Quotas,
        faults: Faults,
        is_registered: Registered,
        listings: Iterable[Listing] = LISTINGS,
    ) -> None:
        self.quotas = quotas
        self._fleet = fleet
        self._clock = clock
        self._faults = faults
        self._is_registered = is_registered
        self._listings = tuple(listings)
        self._lock = threading.Lock()
        self._regions: dict[str, SageMaker] = {}

    def sagemaker(self, region: str) -> SageMaker:
        """The region's SageMaker; capacity can be changed through it with the refusals the API would give."""
        with self._lock:
            if region not in self._regions:
                state = RegionState(
                    region, fleet=self._fleet, clock=self._clock, quotas=self.quotas, listings=self._listings
                )
                self._regions[region] = SageMaker(state, self._is_registered)
            return self._regions[region]

    @property
    def responders(self) -> dict[str, Responder]:
        """For ``create_gateway``."""
        pricing = Pricing()
        return {
            "sagemaker": self.sagemaker,
            "service-quotas": lambda region: ServiceQuotas(region, self.quotas),
            "pricing": lambda _: pricing,
            "resourcegroupstaggingapi": lambda region: TaggedResources(self.sagemaker(region).state),
        }

    @property
    def admin_routes(self) -> dict[tuple[str, str], AdminRoute]:
        """Administration of faults and quotas, for ``create_gateway``.

        - ``GET faults/kinds``: which faults there are (``kinds_to_json``).
        - ``GET faults``: the faults in force.
        - ``POST faults``: sets one, ``{"kind": …, parameter: value …}``.
        - ``DELETE faults``: clears all, or those of the body's ``kind`` or ``id``.
        - ``PUT quotas``: sets one, ``{"region", "instance_type", "value"}``.
        """
        return {
            ("GET", "faults/kinds"): lambda _: kinds_to_json(),
            ("GET", "faults"): lambda _: [fault.to_json() for fault in self._faults.list()],
            ("POST", "faults"): lambda body: self._faults.add_json(body).to_json(),
            ("DELETE", "faults"): lambda body: self._clear(body or {}),
            ("PUT", "quotas"): self._set_quota,
        }

    def create_identity(self) -> str:
        """Make the IAM user whose key pair `dgsm local env` exports; returns its ARN."""
        iam = iam_backends[ACCOUNT_ID]["aws"]
        user = iam.create_user(region_name="us-east-1", user_name=IDENTITY)
        key = iam.create_access_key(IDENTITY)
        key.access_key_id, key.secret_access_key = ACCESS_KEY_ID, SECRET_ACCESS_KEY
        return user.arn

    def create_execution_role(self) -> str:
        """Make the role that SageMaker assumes, as a set-up guide would; returns its ARN."""
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam_backends[ACCOUNT_ID]["aws"].create_role(
            role_name=EXECUTION_ROLE,
            assume_role_policy_document=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            path="/",
            permissions_boundary=None,
            description="Execution role of the embedded AWS's endpoints",
            tags=[],
            max_session_duration=3600,
        )
        return role.arn

    def _clear(self, body: Any) -> dict[str, int]:
        unknown = set(body) - {"kind", "id"} if isinstance(body, Mapping) else {str(body)}
        if unknown:
            raise InvalidInput(f"Faults are cleared by kind or id, not by {', '.join(sorted(unknown))}.")
        return {"cleared": self._faults.clear(body.get("kind"), fault_id=body.get("id"))}

    def _set_quota(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, Mapping) or set(body) != {"region", "instance_type", "value"}:
            raise InvalidInput("A quota is set by a JSON object of region, instance_type and value, and no more.")
        self.quotas.set(body["region"], body["instance_type"], body["value"])
        return dict(body)
