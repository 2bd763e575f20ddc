"""SageMaker of the embedded AWS: one region's control plane. Moto answers what is not here."""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import ServiceException

from embedded_aws.gateway.ports import Registered
from embedded_aws.sagemaker.endpoint_configs import ConfigOperations
from embedded_aws.sagemaker.endpoints import EndpointOperations
from embedded_aws.sagemaker.model_packages import ModelOperations
from embedded_aws.sagemaker.records import KINDS, Params, RegionState, Resource, not_found, refuse

MAX_TAGS = 50


class SageMaker(ModelOperations, ConfigOperations, EndpointOperations):
    """A region's SageMaker. Methods are the API's operations, ``params -> answer``; they raise AWS's refusals."""

    def __init__(self, state: RegionState, is_registered: Registered) -> None:
        self.state = state
        self.is_registered = is_registered

    def add_tags(self, p: Params) -> dict[str, Any]:
        """Tag a resource; the answer holds all its tags."""
        resource = self._tagged(p)
        with self.state.lock:
            merged = resource.tags | {tag["Key"]: tag["Value"] for tag in p["Tags"]}
            if len(merged) > MAX_TAGS:
                raise refuse(f"A resource can have at most {MAX_TAGS} tags, this would be {len(merged)}.")
            resource.tags = merged
        return {"Tags": _rows(merged)}

    def list_tags(self, p: Params) -> dict[str, Any]:
        """A resource's tags; there are at most 50, so always one page."""
        if ":model-package/" in p["ResourceArn"]:
            self.listing(p["ResourceArn"])
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


def _no_such_arn(arn: str) -> ServiceException:
    kind = arn.rpartition(":")[2].partition("/")[0]
    return not_found(kind, arn) if kind in KINDS else refuse(f"Could not find resource {arn}.", "ResourceNotFound")


def _rows(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
