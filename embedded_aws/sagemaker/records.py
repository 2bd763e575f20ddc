"""What SageMaker's control plane remembers of a region, and the words in which it refuses."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from embedded_aws.clock import Clock
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.fleet.variants import EndpointView, VariantSpec
from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params
from embedded_aws.gateway.resource_tags import merged
from embedded_aws.listings import make_arn
from embedded_aws.other.service_quotas import Quotas

DEFAULT_PAGE = 10
"""How many rows SageMaker's lists hold when MaxResults is left out (API reference)."""

KINDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}
"""What the error texts call the resources whose ARNs have these types."""


def not_found(kind: str, arn: str) -> AwsRefusal:
    """What AWS says of a name it does not know."""
    return AwsRefusal(f'Could not find {KINDS[kind]} "{arn}".')


def arn_of(kind: str, region: str, name: str) -> str:
    """The ARN of a resource; SageMaker writes names in lower case there, and so tells names apart."""
    return make_arn("sagemaker", region, f"{kind}/{name.lower()}")


def tags_of(request: Params) -> dict[str, str]:
    """The tags of a request. Raises AwsRefusal: `merged` does."""
    return merged({}, {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())})


@dataclass
class Resource:
    """A model, an endpoint configuration or an endpoint: ``request`` is what it was made from."""

    kind: str
    name: str
    arn: str
    created: datetime
    request: Params
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class EndpointRecord(Resource):
    """An endpoint, with the configurations it has been given and their specs: a deleted one goes on serving.

    ``last_deployment`` is the DeploymentConfig of its newest update, or of its making.
    """

    configs: dict[str, Resource] = field(default_factory=dict)
    specs: dict[str, tuple[VariantSpec, ...]] = field(default_factory=dict)
    last_deployment: Mapping[str, Any] = field(default_factory=dict)


class RegionState:
    """A region's SageMaker resources; hold ``lock`` while changing them, never while asking the auto scaler.

    ``is_registered(region, "endpoint/NAME/variant/VARIANT")`` says whether a variant is a scalable target.
    """

    def __init__(
        self, region: str, fleet: Fleet, clock: Clock, quotas: Quotas, is_registered: Callable[[str, str], bool]
    ) -> None:
        self.region = region
        self.fleet = fleet
        self.clock = clock
        self.quotas = quotas
        self.is_registered = is_registered
        self.started = clock.now()
        self.lock = threading.RLock()
        self._resources: dict[str, Resource] = {}

    def add(self, resource: Resource) -> None:
        """Keep a new resource. Raises AwsRefusal: one of that name exists."""
        with self.lock:
            self._forget_ended_endpoints()
            if resource.arn in self._resources:
                raise AwsRefusal(f'Cannot create already existing {KINDS[resource.kind]} "{resource.arn}".')
            self._resources[resource.arn] = resource

    def find(self, kind: str, name: str) -> Resource:
        """The resource of that name. Raises AwsRefusal: there is none."""
        arn = arn_of(kind, self.region, name)
        resource = self.by_arn(arn)
        if resource is None:
            raise not_found(kind, arn)
        return resource

    def endpoint(self, name: str) -> EndpointRecord:
        """The endpoint of that name. Raises AwsRefusal: there is none."""
        endpoint = self.find("endpoint", name)
        assert isinstance(endpoint, EndpointRecord)
        return endpoint

    def by_arn(self, arn: str) -> Resource | None:
        """The resource of that ARN, whatever its kind, or None."""
        with self.lock:
            self._forget_ended_endpoints()
            return self._resources.get(arn.lower())

    def tagged(self, arn: str) -> Resource:
        """The resource of an ARN whose tags are asked for. Raises AwsRefusal: there is none."""
        resource = self.by_arn(arn)
        if resource is None:
            kind = arn.rpartition(":")[2].partition("/")[0]
            raise (
                not_found(kind, arn)
                if kind in KINDS
                else AwsRefusal(f"Could not find resource {arn}.", "ResourceNotFound")
            )
        return resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource."""
        with self.lock:
            self._resources.pop(resource.arn, None)

    def all(self, kind: str) -> list[Resource]:
        """All resources of a kind."""
        with self.lock:
            self._forget_ended_endpoints()
            return [r for r in self._resources.values() if r.kind == kind]

    def _forget_ended_endpoints(self) -> None:
        """Drop the endpoints whose deletion the fleet has finished."""
        alive = set(self.fleet.names(self.region))
        for resource in list(self._resources.values()):
            if resource.kind == "endpoint" and resource.name not in alive:
                del self._resources[resource.arn]

    def new_resource(self, kind: str, name: str, request: Params) -> Resource:
        """A resource that is made now from ``request``, with its tags; it is not kept yet."""
        return Resource(kind, name, arn_of(kind, self.region, name), self.clock.now(), request, tags_of(request))

    def view(self, endpoint: Resource) -> EndpointView:
        """The endpoint's live side. Raises AwsRefusal: it has gone meanwhile."""
        view = self.fleet.view(self.region, endpoint.name)
        if view is None:
            raise not_found("endpoint", endpoint.arn)
        return view


def as_made(resource: Resource) -> dict[str, Any]:
    """The members of the request that a model or endpoint configuration was made from, as Describe shows them."""
    return {key: value for key, value in resource.request.items() if key != "Tags" and value not in ({}, [])}


def page(
    rows: Iterable[dict[str, Any]], params: Params, *, result: str, sort: Mapping[str, str], default: tuple[str, str]
) -> dict[str, Any]:
    """One page of a list, filtered and sorted as the request says.

    Args:
        rows: all rows; ``CreationTime``, ``LastModifiedTime`` and the name are filtered where they have them.
        sort: row key by value of ``SortBy``; ``Name`` must be among them.
        default: ``SortBy`` and ``SortOrder`` when left out.
    """
    matching = [row for row in rows if _matches(row, params, sort["Name"])]
    by = sort[params.get("SortBy", default[0])]

    def key(row: Mapping[str, Any]) -> list[Any]:
        return [row[by].timestamp() if isinstance(row[by], datetime) else row[by], row[sort["Name"]]]

    descending = params.get("SortOrder", default[1]) == "Descending"
    matching.sort(key=key, reverse=descending)
    size, refusal = params.get("MaxResults", DEFAULT_PAGE), AwsRefusal("Invalid pagination token.")
    return one_page(matching, params, result, size=size, refusal=refusal, key=key, descending=descending)


def _matches(row: Mapping[str, Any], params: Params, name_key: str) -> bool:
    if params.get("NameContains", "").lower() not in row[name_key].lower():
        return False
    if "StatusEquals" in params and row.get("EndpointStatus") != params["StatusEquals"]:
        return False
    checks: tuple[tuple[str, Callable[[Any, Any], bool]], ...] = (
        ("After", lambda value, limit: value > limit),
        ("Before", lambda value, limit: value < limit),
    )
    return all(
        holds(row[key], params[f"{key}{suffix}"])
        for key in ("CreationTime", "LastModifiedTime")
        for suffix, holds in checks
        if key in row and f"{key}{suffix}" in params
    )
