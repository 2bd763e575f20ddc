"""What will be deployed, written down before anything is made: requests, names and price."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.account.execution_role import execution_role_arn
from dgsm_helpers.aws.core import money
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.families import Family
from dgsm_helpers.prices import Price
from dgsm_helpers.rules import request_checks
from dgsm_helpers.rules.package_arn import require_usable_arn
from dgsm_helpers.session import Workbook

INFERENCE_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
"""Driver 580, CUDA 13; on an unpinned host the container's CUDA preflight fails (Deepgram's deployment manual)."""

MAX_POOLS = 5
_NAME_CHARACTERS = 63
_HASH_CHARACTERS = 8

ASYNC_REFUSAL = (
    "Asynchronous endpoints, which do scale to zero, are temporarily not supported for Deepgram models hosted from AWS "
    "Marketplace (Deepgram's manual, autumn 2026)."
)
ZERO_REFUSAL = "Real-time endpoints keep at least one instance and cannot scale to zero (Deepgram's manual)."
_IDLE_HINT = "To save money when idle, delete the endpoint and create it again on a schedule or on demand."


@dataclass(frozen=True, kw_only=True)
class DeploymentPlan(Table):
    """One deployment, complete: what is sent to SageMaker follows from these values alone.

    ``instance_types`` are in order of preference; ``prices`` pairs each with its on-demand price. Names of model and
    endpoint config end in a hash of their content, so that the same plan always finds what an earlier run made.
    """

    endpoint_name: str
    variant_name: str
    region: str
    model_package_arn: str
    role_arn: str
    instance_types: tuple[str, ...]
    initial_count: int
    environment: tuple[tuple[str, str], ...]
    download_timeout_s: int
    health_check_timeout_s: int
    provision_timeout_s: int
    metric_publish_s: int
    tags: tuple[dict[str, str], ...]
    prices: tuple[tuple[str, Price], ...]
    single_type_reason: str = ""

    _columns = ("priority", "instance type", "USD per hour", "price from", "as of")

    @property
    def model_name(self) -> str:
        """``<endpoint>-<hash of the model's content>``."""
        return self._named(self._model())

    @property
    def config_name(self) -> str:
        """``<endpoint>-<hash of the whole content>``."""
        return self._named({"model": self._model(), "config": self._config("")})

    @property
    def usd_per_hour(self) -> float | None:
        """Price of the instances at the start if all were of the dearest type; None when a price is unknown."""
        return money.usd_per_hour(self.prices, self.initial_count)

    @property
    def longest_s(self) -> int:
        """Seconds after which SageMaker itself must have given up, by the plan's own timeouts, plus ten minutes.

        Whether the provisioning timeout is per type or for all is unsettled (AWS's pages disagree): per type, assumed.
        """
        per_type_s = len(self.instance_types) * self.provision_timeout_s
        return per_type_s + self.download_timeout_s + self.health_check_timeout_s + 600

    def model_request(self) -> dict[str, Any]:
        """CreateModel's parameters."""
        return {"ModelName": self.model_name, **self._model(), "Tags": list(self.tags)}

    def endpoint_config_request(self) -> dict[str, Any]:
        """CreateEndpointConfig's parameters."""
        config = self._config(self.model_name)
        return {"EndpointConfigName": self.config_name, **config, "Tags": list(self.tags)}

    def endpoint_request(self) -> dict[str, Any]:
        """CreateEndpoint's parameters."""
        return {"EndpointName": self.endpoint_name, "EndpointConfigName": self.config_name, "Tags": list(self.tags)}

    def _model(self) -> dict[str, Any]:
        container: dict[str, Any] = {"ModelPackageName": self.model_package_arn}
        if self.environment:
            container["Environment"] = dict(self.environment)
        # SageMaker rejects a model made from a Marketplace package without network isolation.
        return {"PrimaryContainer": container, "ExecutionRoleArn": self.role_arn, "EnableNetworkIsolation": True}

    def _config(self, model_name: str) -> dict[str, Any]:
        variant: dict[str, Any] = {
            "VariantName": self.variant_name,
            "ModelName": model_name,
            "InitialInstanceCount": self.initial_count,
            "InferenceAmiVersion": INFERENCE_AMI,
            "ModelDataDownloadTimeoutInSeconds": self.download_timeout_s,
            "ContainerStartupHealthCheckTimeoutInSeconds": self.health_check_timeout_s,
            # The default, RANDOM, loads a weak fallback type like a strong one, and piles streams up by chance.
            "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
        }
        if len(self.instance_types) == 1:
            variant["InstanceType"] = self.instance_types[0]
        else:
            variant["InstancePools"] = [
                {"InstanceType": instance_type, "Priority": priority}
                for priority, instance_type in enumerate(self.instance_types, start=1)
            ]
            variant["VariantInstanceProvisionTimeoutInSeconds"] = self.provision_timeout_s
        metrics = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": self.metric_publish_s}
        return {"ProductionVariants": [variant], "MetricsConfig": metrics}

    def _named(self, content: Mapping[str, Any]) -> str:
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH_CHARACTERS]
        return f"{name_stem(self.endpoint_name)}-{digest}"

    def _caption(self) -> str:
        count = f"{self.initial_count} instance{'s' if self.initial_count > 1 else ''}"
        return f"Plan for endpoint {self.endpoint_name} in {self.region}: {count} behind variant {self.variant_name}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            (priority, instance_type, _dollars(price.amount_usd), price.source, price.as_of)
            for priority, (instance_type, price) in enumerate(self.prices, start=1)
        ]

    def _notes(self) -> list[str]:
        total, (first, price) = _dollars(self.usd_per_hour), self.prices[0]
        each = _dollars(None if price.amount_usd is None else price.amount_usd * self.initial_count)
        stated = (
            f"{each} per hour at the start on {first}, which is tried first; at most {total} on another of the pool"
        )
        if each == total:
            stated = f"At most {total} per hour for the instances at the start"
        notes = [f"{stated}. The Marketplace software fee is extra."]
        if self.single_type_reason:
            notes.append(f"One type only: {self.single_type_reason}")
        notes.append(f"Model {self.model_name}, endpoint config {self.config_name}.")
        return notes


def name_stem(endpoint_name: str) -> str:
    """How the names of an endpoint's models and configs begin: its own name, cut so that the hash still fits."""
    return endpoint_name[: _NAME_CHARACTERS - _HASH_CHARACTERS - 1].rstrip("-")


def plan(
    wb: Workbook,
    instance_types: Sequence[str] | None = None,
    *,
    initial_count: int = 1,
    single_type_reason: str = "",
    environment: Mapping[str, str] | None = None,
    download_timeout_s: int = 600,
    health_check_timeout_s: int = 300,
    provision_timeout_s: int = 300,
    metric_publish_s: int = 60,
    async_inference_config: Mapping[str, Any] | None = None,
) -> DeploymentPlan:
    """Write a deployment down and state its price; nothing is made.

    Args:
        instance_types: one to five types in order of preference; default: Deepgram's pool for the listing's family.
        initial_count: instances at the start, at least 1.
        single_type_reason: why there is no fallback; needed when only one type is given.
        environment: variables such as ``DEEPGRAM_ENGINE_01``; most listings refuse any.
        download_timeout_s: for the model's data, 60–3600 s (1800 for large multilingual bundles).
        health_check_timeout_s: for the container's start, 60–3600 s.
        provision_timeout_s: for finding an instance before the pool falls back, 300–3600 s.
        metric_publish_s: how often enhanced metrics are published: 10, 30, 60, 120, 180, 240 or 300 s.
        async_inference_config: always refused; asynchronous endpoints are not offered for these models.

    Raises:
        InvalidInput: wrong region's ARN; unknown, repeated, unsuitable or too many types; one type without a reason.
        InvalidRequest: a value is outside what SageMaker's model admits.
        UnsupportedFeature: asynchronous inference, or no instance at all.
    """
    if async_inference_config is not None:
        raise UnsupportedFeature(ASYNC_REFUSAL, hint=_IDLE_HINT)
    if initial_count < 1:
        raise UnsupportedFeature(f"initial_count is {initial_count}. {ZERO_REFUSAL}", hint=_IDLE_HINT)
    arn = require_usable_arn(wb.model_package_arn, wb.region)
    types = tuple(wb.family.default_pool if instance_types is None else instance_types)
    _require_usable_types(wb.family, types, single_type_reason)
    made = DeploymentPlan(
        endpoint_name=wb.endpoint_name,
        variant_name=wb.variant_name,
        region=wb.region,
        model_package_arn=arn,
        role_arn=execution_role_arn(wb),
        instance_types=types,
        initial_count=initial_count,
        environment=tuple(sorted((environment or {}).items())),
        download_timeout_s=download_timeout_s,
        health_check_timeout_s=health_check_timeout_s,
        provision_timeout_s=provision_timeout_s,
        metric_publish_s=metric_publish_s,
        tags=tuple(wb.tags),
        prices=money.prices_of(wb, types),
        single_type_reason=single_type_reason,
    )
    request_checks.validate("sagemaker", "CreateModel", made.model_request())
    request_checks.validate("sagemaker", "CreateEndpointConfig", made.endpoint_config_request())
    request_checks.validate("sagemaker", "CreateEndpoint", made.endpoint_request())
    return made


def _require_usable_types(family: Family, types: tuple[str, ...], single_type_reason: str) -> None:
    if not types:
        raise InvalidInput("The pool is empty.", hint="Give one to five instance types.")
    if len(types) > MAX_POOLS:
        raise InvalidInput(
            f"{len(types)} instance types were given and SageMaker takes {MAX_POOLS}: {', '.join(types)}.",
            hint="Drop the least wanted ones from the end.",
        )
    known = request_checks.enum_values("sagemaker", "ProductionVariantInstanceType")
    unknown = [t for t in types if t not in known]
    if unknown:
        raise InvalidInput(
            f"SageMaker knows no instance type {', '.join(map(repr, unknown))}.",
            hint="Types look like ml.g6.2xlarge; a newer one may need a newer boto3.",
        )
    repeated = sorted({t for t in types if types.count(t) > 1})
    if repeated:
        raise InvalidInput(f"{', '.join(repeated)} is in the pool twice.", hint="Name each type once.")
    objections = [text for t in types if (text := family.objection(t))]
    if objections:
        raise InvalidInput(
            f"{'; '.join(objections)} (Deepgram's manual).", hint=f"It recommends {', '.join(family.default_pool)}."
        )
    if len(types) == 1 and not single_type_reason:
        raise InvalidInput(
            f"{types[0]} alone leaves SageMaker nothing to fall back to when it has no capacity.",
            hint="Give more types, or single_type_reason= (a Savings Plan, a target measured on that GPU).",
        )


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"${amount:.3f}"
