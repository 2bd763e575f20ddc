"""Endpoints: AWS's refusals in front of the live fleet, and the fleet as DescribeEndpoint shows it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from embedded_aws.clock import moment
from embedded_aws.fleet.live_fleet import EndpointNotFound, FleetBusy
from embedded_aws.fleet.variants import EndpointView, VariantSpec, VariantView
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.other.service_quotas import limit_exceeded
from embedded_aws.sagemaker.endpoint_configs import specs_of
from embedded_aws.sagemaker.model_packages import listing_of
from embedded_aws.sagemaker.records import (
    EndpointRecord,
    RegionState,
    Resource,
    arn_of,
    not_found,
    page,
    tags_of,
)

_IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


class EndpointOperations(Operations[RegionState]):
    """Operations on endpoints."""

    def create_endpoint(self, p: Params) -> dict[str, Any]:
        """Start an endpoint."""
        _check_deployment(p.get("DeploymentConfig"))
        state = self.state
        arn = arn_of("endpoint", state.region, p["EndpointName"])
        with state.lock:
            config = state.find("endpoint-config", p["EndpointConfigName"])
            if state.by_arn(arn):
                raise AwsRefusal(f'Cannot create already existing endpoint "{arn}".')
            specs = specs_of(state, config)
            _check_quota(state, specs, {spec.name: spec.initial_count for spec in specs})
            state.fleet.create(state.region, p["EndpointName"], config.name, specs)
            endpoint = EndpointRecord(
                kind="endpoint",
                name=p["EndpointName"],
                arn=arn,
                created=state.clock.now(),
                request=p,
                tags=tags_of(p),
                configs={config.name: config},
                specs={config.name: specs},
                last_deployment=p.get("DeploymentConfig", {}),
            )
            state.add(endpoint)
        return {"EndpointArn": arn}

    def update_endpoint(self, p: Params) -> dict[str, Any]:
        """Replace the fleet by one of another configuration, all at once."""
        _check_deployment(p.get("DeploymentConfig"))
        state = self.state
        endpoint, view = self._changeable(p)
        # SageMaker looks the former one up, too, and then says that it is gone (terraform-provider-aws #40048).
        state.find("endpoint-config", view.config_name)
        config = state.find("endpoint-config", p["EndpointConfigName"])
        specs = specs_of(state, config)
        self._check_registered(endpoint, view, specs)
        counts = {spec.name: spec.initial_count for spec in specs}
        if p.get("RetainAllVariantProperties"):
            excluded = {e["VariantPropertyType"] for e in p.get("ExcludeRetainedVariantProperties", ())}
            specs, counts = _retained(specs, counts, view, excluded)
        with state.lock:
            _check_quota(state, specs, counts)
            endpoint.configs[config.name], endpoint.specs[config.name] = config, specs
            with _busy_as_refusal(endpoint):
                state.fleet.update(state.region, endpoint.name, config.name, specs, counts)
            if "DeploymentConfig" in p or not p.get("RetainDeploymentConfig"):
                endpoint.last_deployment = p.get("DeploymentConfig", {})
        return {"EndpointArn": endpoint.arn}

    def update_endpoint_weights_and_capacities(self, p: Params) -> dict[str, Any]:
        """Change instance counts and weights."""
        state = self.state
        endpoint, view = self._changeable(p)
        specs = {spec.name: spec for spec in endpoint.specs[view.config_name]}
        desired: dict[str, tuple[int | None, float | None]] = {}
        more: dict[str, int] = {}
        names = [change["VariantName"] for change in p["DesiredWeightsAndCapacities"]]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise AwsRefusal(f'The variant name "{twice}" was non-unique within the request.')
        for change in p["DesiredWeightsAndCapacities"]:
            name, count = change["VariantName"], change.get("DesiredInstanceCount")
            variant = view.variant(name)
            if variant is None:
                raise AwsRefusal(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
            if "ServerlessUpdateConfig" in change:
                raise AwsRefusal(f'ServerlessUpdateConfig does not apply to variant "{name}", which has instances.')
            if count is not None and count < 1:
                raise AwsRefusal(
                    f"The desired instance count of production variant {name} must be at least 1, not {count}."
                )
            desired[name] = (count, change.get("DesiredWeight"))
            more[name] = (count or 0) - variant.desired_count
        with state.lock:
            _check_quota(state, [specs[name] for name, added in more.items() if added > 0], more)
            with _busy_as_refusal(endpoint):
                state.fleet.set_capacity(state.region, endpoint.name, desired)
        return {"EndpointArn": endpoint.arn}

    def delete_endpoint(self, p: Params) -> dict[str, Any]:
        """End an endpoint; its billing stops here."""
        state = self.state
        endpoint = state.endpoint(p["EndpointName"])
        if state.view(endpoint).status in _IN_PROGRESS:
            raise _in_progress(endpoint)
        with _busy_as_refusal(endpoint):
            state.fleet.delete(state.region, endpoint.name)
        return {}

    def describe_endpoint(self, p: Params) -> dict[str, Any]:
        """An endpoint as it is now."""
        endpoint = self.state.endpoint(p["EndpointName"])
        view = self.state.view(endpoint)
        request = endpoint.configs[view.config_name].request
        answer = {
            "EndpointName": endpoint.name,
            "EndpointArn": endpoint.arn,
            "EndpointConfigName": view.config_name,
            "EndpointStatus": view.status,
            "CreationTime": moment(view.created_s),
            "LastModifiedTime": moment(view.modified_s),
            "ProductionVariants": [
                _variant_row(v, _variant_request(request, v.name)) | self._images(endpoint, view, v.name)
                for v in view.variants
            ],
            "MetricsConfig": request["MetricsConfig"],
        }
        if endpoint.last_deployment:
            answer["LastDeploymentConfig"] = endpoint.last_deployment
        if view.failure_reason:
            answer["FailureReason"] = view.failure_reason[:1024]
        if request.get("DataCaptureConfig"):
            capture = request["DataCaptureConfig"]
            enabled = capture.get("EnableCapture", True)
            answer["DataCaptureConfig"] = {
                "EnableCapture": enabled,
                "CaptureStatus": "Started" if enabled else "Stopped",
                "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
                "DestinationS3Uri": capture["DestinationS3Uri"],
                "KmsKeyId": capture.get("KmsKeyId", ""),
            }
        if view.pending_config_name:
            answer["PendingDeploymentSummary"] = self._pending(endpoint, view)
        return answer

    def list_endpoints(self, p: Params) -> dict[str, Any]:
        """Endpoints by name, age or status."""
        rows = []
        for endpoint in self.state.all("endpoint"):
            view = self.state.view(endpoint)
            rows.append(
                {
                    "EndpointName": endpoint.name,
                    "EndpointArn": endpoint.arn,
                    "CreationTime": moment(view.created_s),
                    "LastModifiedTime": moment(view.modified_s),
                    "EndpointStatus": view.status,
                }
            )
        sort = {"Name": "EndpointName", "CreationTime": "CreationTime", "Status": "EndpointStatus"}
        return page(rows, p, result="Endpoints", sort=sort, default=("CreationTime", "Descending"))

    def _changeable(self, p: Params) -> tuple[EndpointRecord, EndpointView]:
        endpoint = self.state.endpoint(p["EndpointName"])
        view = self.state.view(endpoint)
        if view.status in _IN_PROGRESS:
            raise _in_progress(endpoint)
        if view.status != "InService":
            raise AwsRefusal(f'Cannot update endpoint "{endpoint.arn}" in status {view.status}.')
        return endpoint, view

    def _check_registered(self, endpoint: EndpointRecord, view: EndpointView, specs: Sequence[VariantSpec]) -> None:
        """A registered variant keeps its instance types.

        That is documented; whether a change of the pool list alone counts is not. Here it does.
        """
        types_now = {spec.name: set(spec.instance_types) for spec in endpoint.specs[view.config_name]}
        new_types = {spec.name: set(spec.instance_types) for spec in specs}
        for name, types in types_now.items():
            registered = self.state.is_registered(self.state.region, f"endpoint/{endpoint.name}/variant/{name}")
            if registered and name not in new_types:
                raise AwsRefusal(
                    f'Cannot remove variant "{name}" of endpoint "{endpoint.arn}": it is registered with Application '
                    "Auto Scaling. Deregister the scalable target first."
                )
            if registered and new_types[name] != types:
                raise AwsRefusal(
                    f'Cannot change the instance type of variant "{name}" of endpoint "{endpoint.arn}": the variant is '
                    "registered with Application Auto Scaling. Deregister the scalable target first."
                )

    def _images(self, endpoint: EndpointRecord, view: EndpointView, variant: str) -> dict[str, Any]:
        """The image of a variant's model package, as resolved when the endpoint was made."""
        spec = next(spec for spec in endpoint.specs[view.config_name] if spec.name == variant)
        listing, _ = listing_of(self.state.region, spec.model_package_arn)
        resolved = {"ResolvedImage": f"{listing.image}@{listing.digest}", "ResolutionTime": moment(view.created_s)}
        return {"DeployedImages": [{"SpecifiedImage": listing.image, **resolved}]}

    def _pending(self, endpoint: EndpointRecord, view: EndpointView) -> dict[str, Any]:
        variants = endpoint.configs[view.pending_config_name].request["ProductionVariants"]
        return {
            "EndpointConfigName": view.pending_config_name,
            "StartTime": moment(view.pending_since_s),
            "ProductionVariants": [
                {
                    "VariantName": v["VariantName"],
                    "DesiredInstanceCount": view.pending_counts.get(v["VariantName"], v["InitialInstanceCount"]),
                    "DesiredWeight": v["InitialVariantWeight"],
                }
                for v in variants
            ],
        }


@contextmanager
def _busy_as_refusal(endpoint: Resource) -> Iterator[None]:
    """The fleet's own refusals in AWS's words: another change may have begun since we looked."""
    try:
        yield
    except FleetBusy:
        raise _in_progress(endpoint) from None
    except EndpointNotFound:
        raise not_found("endpoint", endpoint.arn) from None


def _in_progress(endpoint: Resource) -> AwsRefusal:
    return AwsRefusal(f'Cannot update in-progress endpoint "{endpoint.arn}".')


def _check_deployment(config: Mapping[str, Any] | None) -> None:
    if not config:
        return
    routing = config.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {}).get("Type", "ALL_AT_ONCE")
    if routing != "ALL_AT_ONCE" or "RollingUpdatePolicy" in config or "AutoRollbackConfiguration" in config:
        raise AwsRefusal("Deployment guardrails are not supported for endpoints with AWS Marketplace containers.")


def _check_quota(state: RegionState, specs: Iterable[VariantSpec], added: Mapping[str, int]) -> None:
    for spec in specs:
        refusal = limit_exceeded(state.quotas, state.fleet, state.region, spec.instance_types, added[spec.name])
        if refusal:
            raise AwsRefusal(refusal, code="ResourceLimitExceeded")


def _retained(
    specs: Sequence[VariantSpec], counts: Mapping[str, int], view: EndpointView, excluded: set[str]
) -> tuple[tuple[VariantSpec, ...], dict[str, int]]:
    """Specs and counts with what the serving variants have now, except what the request excludes."""
    kept, kept_counts = [], dict(counts)
    for spec in specs:
        variant = view.variant(spec.name)
        if variant and "DesiredInstanceCount" not in excluded:
            kept_counts[spec.name] = variant.desired_count
        if variant and "DesiredWeight" not in excluded:
            spec = replace(spec, weight=variant.weight)
        kept.append(spec)
    return tuple(kept), kept_counts


def _variant_request(request: Params, name: str) -> Mapping[str, Any]:
    return next(v for v in request["ProductionVariants"] if v["VariantName"] == name)


def _variant_row(variant: VariantView, request: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": variant.current_count,
        "DesiredInstanceCount": variant.desired_count,
    }
    if "InstancePools" in request:
        row["InstancePools"] = [
            {"InstanceType": pool["InstanceType"], "CurrentInstanceCount": variant.pools.get(pool["InstanceType"], 0)}
            for pool in request["InstancePools"]
        ]
    if variant.status:
        status = {"Status": variant.status, "StartTime": moment(variant.status_since_s)}
        if variant.status_message:
            status["StatusMessage"] = variant.status_message
        row["VariantStatus"] = [status]
    for member in ("RoutingConfig", "ManagedInstanceScaling", "CapacityReservationConfig"):
        if request.get(member):
            row[member] = request[member]
    return row
