"""Endpoint configurations: kept as they were made, and read as the fleet's variants."""

from collections.abc import Mapping
from typing import Any

from embedded_aws.fleet.variants import VariantSpec
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.sagemaker.model_packages import FAMILIES
from embedded_aws.sagemaker.records import RegionState, Resource, arn_of, as_made, page

ASYNC_REFUSED = (
    "AsyncInferenceConfig cannot be used: asynchronous inference is temporarily not supported for Marketplace-hosted "
    "Deepgram."
)
METRICS_DEFAULTS = {
    "EnableEnhancedMetrics": False,
    "EnableDetailedObservability": True,
    "MetricPublishFrequencyInSeconds": 60,
}
"""What a new configuration has when it says nothing (API reference, MetricsConfig)."""

_NOT_HERE = {
    "ShadowProductionVariants": "Shadow variants are not supported with AWS Marketplace containers.",
    "ExplainerConfig": "ExplainerConfig is not supported with AWS Marketplace containers.",
    "AsyncInferenceConfig": ASYNC_REFUSED,
}


class ConfigOperations(Operations[RegionState]):
    """Operations on endpoint configurations."""

    def create_endpoint_config(self, p: Params) -> dict[str, Any]:
        """Keep a configuration."""
        for member, message in _NOT_HERE.items():
            if p.get(member):
                raise AwsRefusal(message)
        names = [variant["VariantName"] for variant in p["ProductionVariants"]]
        if len(set(names)) < len(names):
            raise AwsRefusal(f"Production variant names must be unique: {', '.join(names)}.")
        for index, variant in enumerate(p["ProductionVariants"], start=1):
            self._check_variant(index, variant)
        request = dict(p)
        request["MetricsConfig"] = METRICS_DEFAULTS | p.get("MetricsConfig", {})
        request["ProductionVariants"] = [{"InitialVariantWeight": 1.0} | v for v in p["ProductionVariants"]]
        config = self.state.new_resource("endpoint-config", p["EndpointConfigName"], request)
        self.state.add(config)
        return {"EndpointConfigArn": config.arn}

    def describe_endpoint_config(self, p: Params) -> dict[str, Any]:
        """A configuration as it was made."""
        config = self.state.find("endpoint-config", p["EndpointConfigName"])
        return as_made(config) | {"EndpointConfigArn": config.arn, "CreationTime": config.created}

    def list_endpoint_configs(self, p: Params) -> dict[str, Any]:
        """Configurations by name or age."""
        rows = [
            {"EndpointConfigName": c.name, "EndpointConfigArn": c.arn, "CreationTime": c.created}
            for c in self.state.all("endpoint-config")
        ]
        sort = {"Name": "EndpointConfigName", "CreationTime": "CreationTime"}
        return page(rows, p, result="EndpointConfigs", sort=sort, default=("CreationTime", "Descending"))

    def delete_endpoint_config(self, p: Params) -> dict[str, Any]:
        """Forget a configuration.

        Also of a live endpoint: AWS's documents say "must not", but the API does it, and the endpoint serves on and
        still names it (hashicorp/terraform-provider-aws #40048).
        """
        self.state.remove(self.state.find("endpoint-config", p["EndpointConfigName"]))
        return {}

    def _check_variant(self, index: int, variant: Mapping[str, Any]) -> None:
        if "ServerlessConfig" in variant:
            raise AwsRefusal("ServerlessConfig is not supported with AWS Marketplace model packages.")
        if "ManagedInstanceScaling" in variant and variant.get("ModelName"):
            # AWS's words (terraform-provider-aws #45926).
            raise AwsRefusal("ManagedInstanceScaling is only supported for inference component endpoints.")
        for member in ("ModelName", "InitialInstanceCount"):
            if variant.get(member) is None:
                raise AwsRefusal(
                    f"1 validation error detected: Value null at 'productionVariants.{index}.member."
                    f"{member[0].lower()}{member[1:]}' failed to satisfy constraint: Member must not be null"
                )
        package = package_arn(self.state, variant["ModelName"])
        for pool in variant.get("InstancePools", ()):
            override = pool.get("ModelNameOverride")
            if override and package_arn(self.state, override) != package:
                raise AwsRefusal(
                    f"ModelNameOverride {override} must be a model of the variant's own model package here."
                )
        unsupported = [t for t in instance_types(variant) if not t.startswith(FAMILIES)]
        if unsupported:
            raise AwsRefusal(
                f"The instance type {', '.join(unsupported)} is not supported by model package {package}. "
                f"Supported are the families {', '.join(family.rstrip('.') for family in FAMILIES)}."
            )


def package_arn(state: RegionState, model_name: str) -> str:
    """The model package ARN behind a model name. Raises AwsRefusal: there is no such model."""
    name = state.find("model", model_name).request["PrimaryContainer"]["ModelPackageName"]
    if name.startswith("arn:"):
        return name
    return f"{arn_of('model-package', state.region, '')}{name if '/' in name else f'{name}/1'}"


def instance_types(variant: Mapping[str, Any]) -> list[str]:
    """The types a variant may run on, in the order they are written."""
    if "InstancePools" in variant:
        return [pool["InstanceType"] for pool in variant["InstancePools"]]
    return [variant["InstanceType"]]


def specs_of(state: RegionState, config: Resource) -> tuple[VariantSpec, ...]:
    """The configuration as the fleet takes it. Raises AwsRefusal: a variant's model has been deleted."""
    enhanced = config.request["MetricsConfig"]["EnableEnhancedMetrics"]
    return tuple(_spec(state, variant, enhanced) for variant in config.request["ProductionVariants"])


def _spec(state: RegionState, variant: Mapping[str, Any], enhanced: bool) -> VariantSpec:
    pools = variant.get("InstancePools") or [{"InstanceType": variant.get("InstanceType"), "Priority": 1}]
    return VariantSpec(
        name=variant["VariantName"],
        model_package_arn=package_arn(state, variant["ModelName"]),
        instance_types=tuple(pool["InstanceType"] for pool in sorted(pools, key=lambda pool: pool["Priority"])),
        initial_count=variant["InitialInstanceCount"],
        weight=variant["InitialVariantWeight"],
        routing=variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM"),
        provision_timeout_s=float(variant.get("VariantInstanceProvisionTimeoutInSeconds", 300)),
        enhanced_metrics=enhanced,
    )
