"""A control plane on a real port, over a fleet whose changes finish when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import boto3
from moto.moto_api._internal import moto_api_backend

from embedded_aws.clock import Clock
from embedded_aws.fleet.live_fleet import EndpointNotFound, FleetBusy
from embedded_aws.fleet.variants import EndpointView, VariantView
from embedded_aws.gateway.control_plane import ControlPlane
from embedded_aws.gateway.control_server import ControlServer
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.gateway import Gateway
from embedded_aws.listening import listen
from embedded_aws.listings import ACCESS_KEY_ID, LISTINGS, SECRET_ACCESS_KEY
from embedded_aws.other.service_quotas import Quotas

ROLE = "arn:aws:iam::123456789012:role/Execution"
PACKAGE = LISTINGS[0].arn("us-east-1")


class SteppedFleet:
    """A fleet whose changes finish at ``settle``: these tests are about what is refused and shown meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.views: dict[tuple[str, str], EndpointView] = {}
        self._next: dict[tuple[str, str], EndpointView] = {}

    def create(self, region, endpoint_name, config_name, specs):
        now = self._clock.now_s()
        variants = tuple(_variant(s, 0, s.initial_count, "Creating", now) for s in specs)
        self.views[region, endpoint_name] = EndpointView(
            name=endpoint_name,
            config_name=config_name,
            status="Creating",
            failure_reason="",
            created_s=now,
            modified_s=now,
            variants=variants,
        )
        ready = tuple(_variant(s, s.initial_count, s.initial_count, "", now) for s in specs)
        self._next[region, endpoint_name] = replace(
            self.views[region, endpoint_name], status="InService", variants=ready
        )

    def update(self, region, endpoint_name, config_name, specs, counts):
        view = self._idle(region, endpoint_name)
        now = self._clock.now_s()
        variants = tuple(_variant(s, counts[s.name], counts[s.name], "", now) for s in specs)
        self.views[region, endpoint_name] = replace(
            view, status="Updating", pending_config_name=config_name, pending_since_s=now
        )
        self._next[region, endpoint_name] = replace(view, config_name=config_name, variants=variants)

    def set_capacity(self, region, endpoint_name, desired):
        view = self._idle(region, endpoint_name)
        after = []
        for variant in view.variants:
            count, weight = desired.get(variant.name, (None, None))
            count = variant.desired_count if count is None else count
            weight = variant.weight if weight is None else weight
            first, *_ = variant.pools
            after.append(
                replace(
                    variant,
                    current_count=count,
                    desired_count=count,
                    weight=weight,
                    pools=dict.fromkeys(variant.pools, 0) | {first: count},
                )
            )
        self.views[region, endpoint_name] = replace(view, status="Updating")
        self._next[region, endpoint_name] = replace(view, variants=tuple(after))

    def delete(self, region, endpoint_name):
        if (region, endpoint_name) not in self.views:
            raise EndpointNotFound(endpoint_name)
        self.views[region, endpoint_name] = replace(self.views[region, endpoint_name], status="Deleting")
        self._next.pop((region, endpoint_name), None)

    def view(self, region, endpoint_name):
        return self.views.get((region, endpoint_name))

    def names(self, region):
        return [name for where, name in self.views if where == region]

    def settle(self):
        """Finish every change."""
        self.views = {key: self._next.get(key, v) for key, v in self.views.items() if v.status != "Deleting"}

    def fail(self, region, endpoint_name, reason):
        """End a creation in Failed."""
        self.views[region, endpoint_name] = replace(
            self.views[region, endpoint_name], status="Failed", failure_reason=reason
        )
        self._next.pop((region, endpoint_name), None)

    def _idle(self, region, endpoint_name):
        view = self.views[region, endpoint_name]
        if view.status != "InService":
            raise FleetBusy(view.status)
        return view


def _variant(spec, current, desired, status, now):
    pools = dict.fromkeys(spec.instance_types, 0) | {spec.instance_types[0]: current}
    return VariantView(
        name=spec.name,
        current_count=current,
        desired_count=desired,
        weight=spec.weight,
        pools=pools,
        status=status,
        status_since_s=now,
    )


@dataclass
class Plane:
    """A running control plane."""

    url: str
    fleet: SteppedFleet
    faults: Faults
    control: ControlPlane | None = None
    registered: set[str] = field(default_factory=set)
    clients: dict = field(default_factory=dict)

    def session(self, region="us-east-1"):
        """As a user would make it."""
        return boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=region
        )

    def client(self, service, region="us-east-1"):
        """One per service and region: making one takes longer than most tests."""
        if (service, region) not in self.clients:
            self.clients[service, region] = self.session(region).client(service, endpoint_url=self.url)
        return self.clients[service, region]

    def make_model(self, name="m", **changes):
        request = {
            "ModelName": name,
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"ModelPackageName": PACKAGE},
            "EnableNetworkIsolation": True,
        }
        return self.client("sagemaker").create_model(**request | changes)

    def make_config(self, name="c", *, variant=(), **changes):
        request = {"EndpointConfigName": name, "ProductionVariants": [pool_variant() | dict(variant)]}
        return self.client("sagemaker").create_endpoint_config(**request | changes)

    def make_endpoint(self, name="e", config="c", **changes):
        return self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config, **changes)

    def in_service(self):
        """Model ``m``, configuration ``c`` and endpoint ``e``, in service."""
        self.make_model()
        self.make_config()
        self.make_endpoint()
        self.fleet.settle()
        return self.client("sagemaker")


def pool_variant(*types):
    types = types or ("ml.g6.2xlarge", "ml.g5.2xlarge")
    return {
        "VariantName": "AllTraffic",
        "ModelName": "m",
        "InitialInstanceCount": 1,
        "InstancePools": [{"InstanceType": t, "Priority": rank} for rank, t in enumerate(types, start=1)],
        "InferenceAmiVersion": "al2023-ami-sagemaker-inference-gpu-4-1",
    }


@contextmanager
def running_plane(admin=None, **settings) -> Iterator[Plane]:
    """A control plane on a port of its own."""
    clock = Clock.starting_now(1.0)
    fleet, faults = SteppedFleet(clock), Faults()
    plane = Plane(url="", fleet=fleet, faults=faults)
    control = ControlPlane(
        fleet=fleet,
        clock=clock,
        quotas=Quotas(clock),
        faults=faults,
        is_registered=lambda _, resource: resource in plane.registered,
    )
    plane.control = control
    routes = {**control.admin_routes, **(admin or {})}
    app = Gateway(responders=control.responders, faults=faults, admin=routes, **settings)
    with listen() as listening:
        server = ControlServer(listening, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    plane.url = f"http://127.0.0.1:{server.port}"
    try:
        yield plane
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        moto_api_backend.reset()  # moto's users and roles are the process's: the next plane begins without them
