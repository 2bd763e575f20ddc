"""The control plane put together: what answers SageMaker, Service Quotas and the Price List, and its administration."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dgsm_helpers.errors import InvalidInput
from embedded_aws.clock import Clock
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.gateway import moto_inside
from embedded_aws.gateway.faults import Faults, kinds_to_json
from embedded_aws.gateway.gateway import AdminRoute, Responder
from embedded_aws.gateway.regions import Regions
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.other.marketplace_service import Agreements
from embedded_aws.other.price_list_service import Pricing
from embedded_aws.other.service_quotas import Quotas, ServiceQuotas
from embedded_aws.sagemaker.records import RegionState
from embedded_aws.sagemaker.sagemaker_service import SageMaker, TaggedResources

IDENTITY = "local"
EXECUTION_ROLE = "DeepgramSageMakerExecutionRole"


class ControlPlane:
    """SageMaker, Service Quotas and the Price List in all regions, over one fleet.

    ``is_registered(region, "endpoint/NAME/variant/VARIANT")`` says whether a variant is a scalable target.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        clock: Clock,
        quotas: Quotas,
        faults: Faults,
        is_registered: Callable[[str, str], bool],
    ) -> None:
        self.quotas = quotas
        self._faults = faults
        self.sagemaker = Regions(
            lambda region: SageMaker(RegionState(region, fleet, clock, quotas, is_registered)),
        )

    @property
    def responders(self) -> dict[str, Responder]:
        """What answers these services, for ``Gateway``."""
        pricing, agreements = Pricing(), Agreements()
        return {
            "sagemaker": self.sagemaker,
            "service-quotas": lambda region: ServiceQuotas(region, self.quotas),
            "pricing": lambda _: pricing,
            "marketplace-agreement": lambda _: agreements,
            "resourcegroupstaggingapi": lambda region: TaggedResources(self.sagemaker(region).state),
        }

    @property
    def admin_routes(self) -> dict[tuple[str, str], AdminRoute]:
        """Administration of faults and quotas, for ``Gateway``.

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
        return moto_inside.create_user(IDENTITY, ACCESS_KEY_ID, SECRET_ACCESS_KEY)

    def create_execution_role(self) -> str:
        """Make the role that SageMaker assumes, as a set-up guide would; returns its ARN."""
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        return moto_inside.create_role(
            EXECUTION_ROLE,
            json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            "Execution role of the embedded AWS's endpoints",
        )

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
