"""SageMaker of the embedded AWS, one region's; with the tagging API over its resources, which clean-up searches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.gateway.resource_tags import merged
from embedded_aws.sagemaker.endpoint_configs import ConfigOperations
from embedded_aws.sagemaker.endpoints import EndpointOperations
from embedded_aws.sagemaker.model_packages import ModelOperations, listing_of
from embedded_aws.sagemaker.records import KINDS, RegionState, Resource

_PAGE = 50
_MOST_RESOURCES = 100
"""API reference, GetResources."""
_TAG_PAGE = 1000


class SageMaker(ModelOperations, ConfigOperations, EndpointOperations):
    """A region's SageMaker: operations on models, endpoint configurations, endpoints, and on the tags of all."""

    def add_tags(self, p: Params) -> dict[str, Any]:
        """Tag a resource; the answer holds all its tags."""
        resource = self._tagged(p)
        change_tags(self.state, resource, add={tag["Key"]: tag["Value"] for tag in p["Tags"]})
        return {"Tags": _rows(resource.tags)}

    def list_tags(self, p: Params) -> dict[str, Any]:
        """A resource's tags; there are at most 50, so always one page."""
        if ":model-package/" in p["ResourceArn"]:
            listing_of(self.state.region, p["ResourceArn"])
            return {"Tags": []}
        return {"Tags": _rows(self._tagged(p).tags)}

    def delete_tags(self, p: Params) -> dict[str, Any]:
        """Take tags off a resource."""
        change_tags(self.state, self._tagged(p), drop=p["TagKeys"])
        return {}

    def _tagged(self, p: Params) -> Resource:
        return self.state.tagged(p["ResourceArn"])


class TaggedResources(Operations[RegionState]):
    """What the Resource Groups Tagging API answers in a region."""

    def get_resources(self, p: Params) -> dict[str, Any]:
        """Tagged resources that match every filter."""
        others = [t for t in p.get("ResourceTypeFilters", ()) if t.partition(":")[0] != "sagemaker"]
        if others:
            raise AwsRefusal(
                f"The embedded AWS keeps the tags of SageMaker's resources here, not those of {', '.join(others)}.",
                "InvalidParameterException",
            )
        size = p.get("ResourcesPerPage", _PAGE)
        if not 1 <= size <= _MOST_RESOURCES:
            text = f"ResourcesPerPage must be between 1 and {_MOST_RESOURCES}, not {size}."
            raise AwsRefusal(text, "InvalidParameterException")
        resources = [r for kind in KINDS for r in self.state.all(kind) if r.tags and _matches(r, p)]
        rows = {r.arn: {"ResourceARN": r.arn, "Tags": _rows(r.tags)} for r in resources}
        page = _page(p, "ResourceTagMappingList", sorted(rows), size)
        return page | {"ResourceTagMappingList": [rows[arn] for arn in page["ResourceTagMappingList"]]}

    def get_tag_keys(self, p: Params) -> dict[str, Any]:
        """All keys of tags, in order."""
        return _page(p, "TagKeys", sorted({key for tags in self._all_tags() for key in tags}), _TAG_PAGE)

    def get_tag_values(self, p: Params) -> dict[str, Any]:
        """All values that a key has, in order."""
        values = {tags[p["Key"]] for tags in self._all_tags() if p["Key"] in tags}
        return _page(p, "TagValues", sorted(values), _TAG_PAGE)

    def tag_resources(self, p: Params) -> dict[str, Any]:
        """Tag resources; those that cannot be are in the answer."""
        return self._each(p["ResourceARNList"], lambda resource: change_tags(self.state, resource, add=p["Tags"]))

    def untag_resources(self, p: Params) -> dict[str, Any]:
        """Take tags off resources; those that are not there are in the answer."""
        return self._each(p["ResourceARNList"], lambda resource: change_tags(self.state, resource, drop=p["TagKeys"]))

    def _all_tags(self) -> list[dict[str, str]]:
        return [r.tags for kind in KINDS for r in self.state.all(kind)]

    def _each(self, arns: Sequence[str], change: Callable[[Resource], None]) -> dict[str, Any]:
        failed: dict[str, dict[str, Any]] = {}
        for arn in arns:
            try:
                change(self.state.tagged(arn))
            except AwsRefusal as refused:
                failed[arn] = {
                    "StatusCode": 400,
                    "ErrorCode": "InvalidParameterException",
                    "ErrorMessage": refused.message,
                }
        return {"FailedResourcesMap": failed}


def _page(p: Params, result: str, rows: Sequence[str], size: int) -> dict[str, Any]:
    """One page of sorted texts, under the tagging API's name of the token."""
    refusal = AwsRefusal("The pagination token is invalid.", "PaginationTokenExpiredException")
    page = one_page(rows, {"NextToken": p.get("PaginationToken")}, result, size=size, refusal=refusal, key=str)
    return {result: page[result], "PaginationToken": page.get("NextToken", "")}


def change_tags(
    state: RegionState, resource: Resource, *, add: Mapping[str, str] | None = None, drop: Iterable[str] = ()
) -> None:
    """Change a resource's tags. Raises AwsRefusal: `merged` does."""
    with state.lock:
        tags = merged(resource.tags, add or {}, too_many="ResourceLimitExceeded")
        resource.tags = {key: value for key, value in tags.items() if key not in drop}


def _matches(resource: Resource, p: Params) -> bool:
    types, arns = p.get("ResourceTypeFilters"), p.get("ResourceARNList")
    if types and not {"sagemaker", f"sagemaker:{resource.kind}"} & set(types):
        return False
    if arns and resource.arn not in arns:
        return False
    return all(_has(resource.tags, tag_filter) for tag_filter in p.get("TagFilters", ()))


def _has(tags: Mapping[str, str], tag_filter: Mapping[str, Any]) -> bool:
    if "Key" not in tag_filter:
        raise AwsRefusal("A tag filter needs a Key.", "InvalidParameterException")
    key, values = tag_filter["Key"], tag_filter.get("Values")
    return key in tags and (not values or tags[key] in values)


def _rows(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
