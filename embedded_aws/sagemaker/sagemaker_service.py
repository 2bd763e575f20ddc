"""SageMaker of the embedded AWS, one region's; with the tagging API over its resources, which clean-up searches.

Moto answers the operations that are not here.
"""

from collections.abc import Mapping
from typing import Any

from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Operations, Params
from embedded_aws.sagemaker.endpoint_configs import ConfigOperations
from embedded_aws.sagemaker.endpoints import EndpointOperations
from embedded_aws.sagemaker.model_packages import ModelOperations, listing_of
from embedded_aws.sagemaker.records import KINDS, RegionState, Resource, not_found

MAX_TAGS = 50
_PAGE = 50


class SageMaker(ModelOperations, ConfigOperations, EndpointOperations):
    """A region's SageMaker: operations on models, endpoint configurations, endpoints, and on the tags of all."""

    def add_tags(self, p: Params) -> dict[str, Any]:
        """Tag a resource; the answer holds all its tags."""
        resource = self._tagged(p)
        with self.state.lock:
            merged = resource.tags | {tag["Key"]: tag["Value"] for tag in p["Tags"]}
            if len(merged) > MAX_TAGS:
                raise AwsRefusal(f"A resource can have at most {MAX_TAGS} tags, this would be {len(merged)}.")
            resource.tags = merged
        return {"Tags": _rows(merged)}

    def list_tags(self, p: Params) -> dict[str, Any]:
        """A resource's tags; there are at most 50, so always one page."""
        if ":model-package/" in p["ResourceArn"]:
            listing_of(self.state.region, p["ResourceArn"])
            return {"Tags": []}
        return {"Tags": _rows(self._tagged(p).tags)}

    def delete_tags(self, p: Params) -> dict[str, Any]:
        """Take tags off a resource."""
        resource = self._tagged(p)
        with self.state.lock:
            resource.tags = {key: value for key, value in resource.tags.items() if key not in p["TagKeys"]}
        return {}

    def _tagged(self, p: Params) -> Resource:
        arn = p["ResourceArn"]
        resource = self.state.by_arn(arn)
        if resource is None:
            raise _no_such_arn(arn)
        return resource


class TaggedResources(Operations[RegionState]):
    """What the Resource Groups Tagging API answers in a region."""

    def get_resources(self, p: Params) -> dict[str, Any]:
        """Tagged resources that match every filter."""
        resources = [r for kind in KINDS for r in self.state.all(kind) if r.tags and _matches(r, p)]
        rows = [{"ResourceARN": r.arn, "Tags": _rows(r.tags)} for r in resources]
        answer = one_page(
            rows,
            result="ResourceTagMappingList",
            token=p.get("PaginationToken"),
            size=p.get("ResourcesPerPage", _PAGE),
            refusal=AwsRefusal("The pagination token is invalid.", "PaginationTokenExpiredException"),
        )
        return {
            "ResourceTagMappingList": answer["ResourceTagMappingList"],
            "PaginationToken": answer.get("NextToken", ""),
        }


def _matches(resource: Resource, p: Params) -> bool:
    types, arns = p.get("ResourceTypeFilters"), p.get("ResourceARNList")
    if types and not {"sagemaker", f"sagemaker:{resource.kind}"} & set(types):
        return False
    if arns and resource.arn not in arns:
        return False
    return all(_has(resource.tags, tag_filter) for tag_filter in p.get("TagFilters", ()))


def _has(tags: Mapping[str, str], tag_filter: Mapping[str, Any]) -> bool:
    key, values = tag_filter["Key"], tag_filter.get("Values")
    return key in tags and (not values or tags[key] in values)


def _no_such_arn(arn: str) -> AwsRefusal:
    kind = arn.rpartition(":")[2].partition("/")[0]
    return not_found(kind, arn) if kind in KINDS else AwsRefusal(f"Could not find resource {arn}.", "ResourceNotFound")


def _rows(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
