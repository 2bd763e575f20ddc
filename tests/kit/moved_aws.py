"""The whole control plane over a bench on a moved clock, asked by unmodified boto3 clients without a socket."""

from __future__ import annotations

import io
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from werkzeug.test import EnvironBuilder, run_wsgi_app

from dgsm_helpers.rules.model import ScalingModel
from embedded_aws.gateway.control_plane import ControlPlane
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.gateway import Gateway
from embedded_aws.listings import ACCESS_KEY_ID, LISTINGS, SECRET_ACCESS_KEY
from kit.scaling_bench import REGION, Bench

ROLE = "arn:aws:iam::123456789012:role/Execution"
URL = "http://moved.amazonaws.com"


@cache
def _session(region: str) -> boto3.Session:
    """One for all: each reads the services' models anew."""
    return boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=region)


class _Raw(io.BytesIO):
    def stream(self, *_: object, **__: object) -> Any:
        while chunk := self.read(65536):
            yield chunk


class MovedAws(Bench):
    """Endpoint ``e`` of configuration ``c`` and model ``m``, made through the API, with ``instances`` in service."""

    def __init__(self, instances: int = 1, model: ScalingModel | None = None) -> None:
        self._instances = instances
        self._clients: dict[tuple[str, str], Any] = {}
        super().__init__(model=model)

    def begin(self, *types: str) -> None:
        plane = ControlPlane(
            fleet=self.fleet,
            clock=self.clock,
            quotas=self.quotas,
            faults=Faults(),
            is_registered=lambda _, resource: self.api.is_registered(resource),
        )
        self.gateway = Gateway(
            responders={
                **plane.responders,
                "cloudwatch": self.cloudwatch,
                "application-autoscaling": lambda _: self.api,
            },
            faults=Faults(),
            admin=plane.admin_routes,
        )
        self.make_endpoint()

    def make_endpoint(self) -> None:
        """Endpoint ``e``, through the API."""
        sagemaker = self.client("sagemaker")
        package = {"ModelPackageName": LISTINGS[0].arn(REGION)}
        sagemaker.create_model(
            ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=package, EnableNetworkIsolation=True
        )
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[self.variant()])
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")

    def variant(self, **changes: Any) -> dict[str, Any]:
        """A production variant of the model."""
        return {
            "VariantName": "AllTraffic",
            "ModelName": "m",
            "InitialInstanceCount": self._instances,
            "InstanceType": "ml.g6.2xlarge",
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        } | changes

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client whose requests are answered in this process."""
        if (service, region) not in self._clients:
            client = _session(region).client(service, endpoint_url=URL)
            client.meta.events.register("before-send", lambda request, **_: self._answered(request))
            self._clients[service, region] = client
        return self._clients[service, region]

    def send(self, method: str, path: str, headers: dict[str, Any], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request: status, headers and body of the answer."""
        parts = urlsplit(path)
        text = {name: v.decode() if isinstance(v, bytes) else str(v) for name, v in headers.items()}
        environ = EnvironBuilder(
            method=method, path=unquote(parts.path) or "/", query_string=parts.query, headers=text, data=body
        ).get_environ()
        chunks, status, answered = run_wsgi_app(self.gateway, environ, buffered=True)
        return int(status.partition(" ")[0]), dict(answered), b"".join(chunks)

    def _answered(self, request: AWSPreparedRequest) -> AWSResponse:
        parts = urlsplit(request.url)
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        status, headers, content = self.send(
            request.method, path, dict(request.headers.items()), body if isinstance(body, bytes) else body.encode()
        )
        return AWSResponse(request.url, status, headers, _Raw(content))
