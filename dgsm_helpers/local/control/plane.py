"""The control plane put together: what answers SageMaker, Service Quotas and the Price List, and its administration."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from moto.iam.models import iam_backends

from ...errors import InvalidInput
from ..listings import ACCOUNT_ID, LISTINGS, Listing
from .endpoints import ScalingHooks
from .faults import Faults
from .gateway import AdminRoute, Responder
from .ports import ClockPort, FleetPort
from .pricing import Pricing
from .quotas import Quotas, ServiceQuotas
from .records import RegionState
from .sagemaker import SageMaker

EXECUTION_ROLE = "DeepgramSageMakerExecutionRole"


class ControlPlane:
    """SageMaker in all regions, over one fleet.

    Args:
        fleet: the live endpoints.
        clock: local time.
        quotas: endpoint quotas.
        scaling: what endpoints must know of Application Auto Scaling.
        listings: the local Marketplace.
    """

    def __init__(
        self,
        *,
        fleet: FleetPort,
        clock: ClockPort,
        quotas: Quotas,
        scaling: ScalingHooks,
        listings: Iterable[Listing] = LISTINGS,
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._quotas = quotas
        self._scaling = scaling
        self._listings = tuple(listings)
        self._lock = threading.Lock()
        self._regions: dict[str, SageMaker] = {}

    def sagemaker(self, region: str) -> SageMaker:
        """The region's SageMaker; the autoscaler changes capacity through it as AWS's does."""
        with self._lock:
            if region not in self._regions:
                state = RegionState(
                    region, fleet=self._fleet, clock=self._clock, quotas=self._quotas, listings=self._listings
                )
                self._regions[region] = SageMaker(state, self._scaling)
            return self._regions[region]

    @property
    def responders(self) -> Mapping[str, Responder]:
        """For ``create_gateway``."""
        pricing = Pricing()
        return {
            "sagemaker": self.sagemaker,
            "service-quotas": lambda region: ServiceQuotas(region, self._quotas),
            "pricing": lambda _: pricing,
        }


def create_execution_role() -> str:
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


def admin_routes(faults: Faults, quotas: Quotas) -> Mapping[tuple[str, str], AdminRoute]:
    """Administration of faults and quotas, for ``create_gateway``.

    ``GET faults`` lists, ``POST faults`` sets one (``{"kind": …}``), ``DELETE faults`` clears all, or those of the
    body's ``kind`` or ``id``. ``PUT quotas`` sets one (``{"region", "instance_type", "value"}``).
    """
    return {
        ("GET", "faults"): lambda _: [fault.to_json() for fault in faults.list()],
        ("POST", "faults"): lambda body: faults.add_json(body).to_json(),
        ("DELETE", "faults"): lambda body: _clear(faults, body or {}),
        ("PUT", "quotas"): lambda body: _set_quota(quotas, body),
    }


def _clear(faults: Faults, body: Any) -> dict[str, int]:
    unknown = set(body) - {"kind", "id"} if isinstance(body, Mapping) else {str(body)}
    if unknown:
        raise InvalidInput(f"Faults are cleared by kind or id, not by {', '.join(sorted(unknown))}.")
    return {"cleared": faults.clear(body.get("kind"), fault_id=body.get("id"))}


def _set_quota(quotas: Quotas, body: Any) -> dict[str, Any]:
    if not isinstance(body, Mapping) or set(body) != {"region", "instance_type", "value"}:
        raise InvalidInput(
            "A quota is set by region, instance_type and value.",
            hint='Send {"region": …, "instance_type": …, "value": …}.',
        )
    quotas.set(body["region"], body["instance_type"], body["value"])
    return dict(body)
