"""The Resource Groups Tagging API over SageMaker's resources: what clean-up searches the account with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import ServiceException

from embedded_aws.gateway.paging import one_page
from embedded_aws.sagemaker.records import KINDS, Params, RegionState, Resource

_PAGE = 50


class TaggedResources:
    """What the tagging API answers in a region; its methods are the API's operations."""

    def __init__(self, state: RegionState) -> None:
        self._state = state

    def get_resources(self, p: Params) -> dict[str, Any]:
        """Tagged resources that match every filter."""
        resources = [r for kind in KINDS for r in self._state.all(kind) if r.tags and _wanted(r, p)]
        rows = [
            {"ResourceARN": r.arn, "Tags": [{"Key": key, "Value": value} for key, value in r.tags.items()]}
            for r in resources
        ]
        answer = one_page(
            rows,
            result="ResourceTagMappingList",
            token=p.get("PaginationToken") or None,
            size=p.get("ResourcesPerPage", _PAGE),
            refusal=ServiceException("PaginationTokenExpiredException", "The pagination token is invalid."),
        )
        return {
            "ResourceTagMappingList": answer["ResourceTagMappingList"],
            "PaginationToken": answer.get("NextToken", ""),
        }


def _wanted(resource: Resource, p: Params) -> bool:
    types, arns = p.get("ResourceTypeFilters"), p.get("ResourceARNList")
    if types and not {"sagemaker", f"sagemaker:{resource.kind}"} & set(types):
        return False
    if arns and resource.arn not in arns:
        return False
    return all(_has(resource.tags, wanted) for wanted in p.get("TagFilters", ()))


def _has(tags: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    return wanted["Key"] in tags and (not wanted.get("Values") or tags[wanted["Key"]] in wanted["Values"])
