"""Endpoints as other tools make them, which the embedded AWS does not hold: a SageMaker that answers Describe calls.

Each answer is one that botocore's models allow. What else is sent is remembered, and refused.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

HERE = "arn:aws:sagemaker:us-east-1:123456789012"
PACKAGE = f"{HERE}:model-package/deepgram-stt-nova-3"
ROLE = "arn:aws:iam::123456789012:role/another-team"
_NOW = time.time() - 86400.0
_TIMES = {"CreationTime": _NOW, "LastModifiedTime": _NOW}

LIVE = {
    "VariantName": "AllTraffic",
    "CurrentWeight": 1.0,
    "DesiredWeight": 1.0,
    "CurrentInstanceCount": 1,
    "DesiredInstanceCount": 1,
}
MADE = {
    "VariantName": "AllTraffic",
    "ModelName": "m",
    "InitialInstanceCount": 1,
    "InstanceType": "ml.g6.2xlarge",
    "InitialVariantWeight": 1.0,
}
BUCKET = "s3://capture-of-another-team/calls"


@dataclass(frozen=True)
class Described:
    """One endpoint: what DescribeEndpoint and DescribeEndpointConfig add to a plain one; None: the config is gone."""

    live: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = field(default_factory=dict)


def _variant(base: Mapping[str, Any], without: tuple[str, ...] = (), **changed: Any) -> dict[str, Any]:
    return {**{key: value for key, value in base.items() if key not in without}, **changed}


_COUNTS = ("CurrentInstanceCount", "DesiredInstanceCount")
_ON_INSTANCES = ("InitialInstanceCount", "InstanceType")
_SIZE = {"MemorySizeInMB": 4096, "MaxConcurrency": 5}
_HELD = {**_SIZE, "ProvisionedConcurrency": 2}
_OUTPUT = {"OutputConfig": {"S3OutputPath": "s3://another-team/answers"}}
_MANAGED = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 4}


def _serverless(size: Mapping[str, int]) -> Described:
    live = _variant(LIVE, _COUNTS, CurrentInstanceCount=0, CurrentServerlessConfig=size)
    return Described(
        {"ProductionVariants": [live]},
        {"ProductionVariants": [_variant(MADE, _ON_INSTANCES, ServerlessConfig=size)]},
    )


UNSUPPORTED = {
    "serverless": _serverless(_SIZE),
    "serverless-held": _serverless(_HELD),
    # While it is created, DescribeEndpoint only says what it will be.
    "serverless-coming": Described(
        {"ProductionVariants": [_variant(LIVE, _COUNTS, DesiredServerlessConfig=_SIZE)]},
        {"ProductionVariants": [_variant(MADE, _ON_INSTANCES, ServerlessConfig=_SIZE)]},
    ),
    "async": Described({"AsyncInferenceConfig": _OUTPUT}, {"AsyncInferenceConfig": _OUTPUT}),
    "components": Described({}, {"ProductionVariants": [_variant(MADE, ("ModelName",))], "ExecutionRoleArn": ROLE}),
    "components-managed": Described(
        {"ProductionVariants": [_variant(LIVE, ManagedInstanceScaling=_MANAGED)]},
        {"ProductionVariants": [_variant(MADE, ("ModelName",), ManagedInstanceScaling=_MANAGED)]},
    ),
    "components-without-config": Described(
        {"ProductionVariants": [_variant(LIVE, ManagedInstanceScaling=_MANAGED)]}, None
    ),
}
"""By name, endpoints of kinds that no step works on."""

GONE = {
    "config-gone": Described({}, None),
    "model-gone": Described({}, {"ProductionVariants": [_variant(MADE, ModelName="deleted-model")]}),
}
"""Endpoints that serve on without what they were made from."""

_ROLLING = {
    "RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 60}
}
_RUNNING = [{"InstanceType": "ml.g6.2xlarge", "CurrentInstanceCount": 1}]
_POOLS = [
    {"InstanceType": "ml.g6.2xlarge", "Priority": 1},
    {"InstanceType": "ml.g5.2xlarge", "Priority": 2, "ModelNameOverride": "m2"},
]
SUPPORTED = {
    "plain": Described(),
    "shadow": Described(
        {"ShadowProductionVariants": [_variant(LIVE, VariantName="canary")]},
        {"ShadowProductionVariants": [_variant(MADE, VariantName="canary", ModelName="m2")]},
    ),
    "several": Described(
        {"ProductionVariants": [LIVE, _variant(LIVE, VariantName="second")]},
        {"ProductionVariants": [MADE, _variant(MADE, VariantName="second", ModelName="m2")]},
    ),
    "captured": Described(
        {
            "DataCaptureConfig": {
                "EnableCapture": True,
                "CaptureStatus": "Started",
                "CurrentSamplingPercentage": 100,
                "DestinationS3Uri": BUCKET,
                "KmsKeyId": "",
            }
        },
        {
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": BUCKET,
                "CaptureOptions": [{"CaptureMode": "Input"}],
            }
        },
    ),
    "pool": Described(
        {"ProductionVariants": [_variant(LIVE, InstancePools=_RUNNING)]},
        {"ProductionVariants": [_variant(MADE, ("InstanceType",), InstancePools=_POOLS)]},
    ),
    "pipeline": Described({}, {"ProductionVariants": [_variant(MADE, ModelName="two-containers")]}),
    "rolling": Described({"LastDeploymentConfig": _ROLLING}),
    "updating": Described({"EndpointStatus": "Updating"}),
}
"""Endpoints that the steps work on, with what other tools add to them."""

MODELS = {
    name: {
        "ModelName": name,
        "ModelArn": f"{HERE}:model/{name}",
        "ExecutionRoleArn": ROLE,
        "CreationTime": _NOW,
        "EnableNetworkIsolation": True,
        "PrimaryContainer": {"ModelPackageName": f"{PACKAGE}/{version}"},
    }
    for version, name in enumerate(("m", "m2"), 1)
}
_TWO = [{"ModelPackageName": f"{PACKAGE}/1"}, {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/after:1"}]
MODELS["two-containers"] = {
    **{key: value for key, value in MODELS["m"].items() if key != "PrimaryContainer"},
    "ModelName": "two-containers",
    "ModelArn": f"{HERE}:model/two-containers",
    "Containers": _TWO,
}


@dataclass
class Account:
    """The SageMaker of an account: its address, and the operations that changed or would have changed something."""

    url: str = ""
    sent: list[str] = field(default_factory=list)


@contextmanager
def described_account() -> Iterator[Account]:
    """Every endpoint above on a port of its own."""
    account = Account()
    answers = {**UNSUPPORTED, **GONE, **SUPPORTED}
    model = botocore.session.get_session().get_service_model("sagemaker")

    def answer(operation: str, request: Mapping[str, Any]) -> dict[str, Any] | str:
        name = request.get("EndpointName") or request.get("EndpointConfigName", "").removesuffix("-cfg")
        endpoint = answers.get(name)
        if operation == "DescribeEndpoint":
            return _endpoint(name, endpoint) if endpoint else f'Could not find endpoint "{HERE}:endpoint/{name}".'
        if operation == "DescribeEndpointConfig":
            gone = f'Could not find endpoint configuration "{HERE}:endpoint-config/{name}-cfg".'
            return _config(name, endpoint.config) if endpoint and endpoint.config is not None else gone
        if operation == "DescribeModel":
            return MODELS.get(request["ModelName"]) or f'Could not find model "{HERE}:model/{request["ModelName"]}".'
        if operation == "ListEndpoints":
            rows = [_endpoint(each, one) for each, one in answers.items()]
            members = ("EndpointName", "EndpointArn", "EndpointStatus", *_TIMES)
            return {"Endpoints": [{member: row[member] for member in members} for row in rows]}
        if operation.startswith("List"):
            return {member: [] for member in model.operation_model(operation).output_shape.required_members}
        account.sent.append(operation)
        return f"{operation} would have changed something."

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            given = answer(operation, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            refused = isinstance(given, str)
            if not refused:
                report = ParamValidator().validate(given, model.operation_model(operation).output_shape)
                assert not report.has_errors(), report.generate_report()
            body = json.dumps({"__type": "ValidationException", "message": given} if refused else given).encode()
            self.send_response(400 if refused else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    account.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield account
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _endpoint(name: str, endpoint: Described) -> dict[str, Any]:
    return {
        "EndpointName": name,
        "EndpointArn": f"{HERE}:endpoint/{name}",
        "EndpointConfigName": f"{name}-cfg",
        "EndpointStatus": "InService",
        **_TIMES,
        "ProductionVariants": [LIVE],
        **endpoint.live,
    }


def _config(name: str, added: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "EndpointConfigName": f"{name}-cfg",
        "EndpointConfigArn": f"{HERE}:endpoint-config/{name}-cfg",
        "CreationTime": _NOW,
        "ProductionVariants": [MADE],
        **added,
    }
