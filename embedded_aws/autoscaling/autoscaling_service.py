"""Application Auto Scaling of the embedded AWS: what can be asked of one region, with AWS's refusals.

When something scales is decided in ``beat``. Moto's own makes no alarms, fires no actions and keeps no activities, so
nothing of it is used.
"""

import uuid
from typing import Any

from embedded_aws.autoscaling.policy_operations import PolicyOperations
from embedded_aws.autoscaling.region_scaling import crossed, limit_reached, missing, one_at_a_time, page_of
from embedded_aws.autoscaling.scaling_records import ActivityRecord, TargetRecord
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params
from embedded_aws.gateway.resource_tags import merged
from embedded_aws.listings import make_arn

MOST_TARGETS = 500
"""Of one kind of resource in a region (Application Auto Scaling's quotas)."""
ACTIVITY_AGE_S = 42 * 24 * 3600.0
"""AWS keeps activities for six weeks."""


class AutoScaling(PolicyOperations):
    """A region's Application Auto Scaling: operations on targets, policies, scheduled actions, activities and tags."""

    def is_registered(self, resource_id: str) -> bool:
        """Whether ``endpoint/NAME/variant/VARIANT`` is a scalable target."""
        return resource_id in self.state.targets

    @one_at_a_time
    def register_scalable_target(self, p: Params) -> dict[str, Any]:
        """Register a variant, or change its bounds, suspension or tags."""
        resource_id, state = self.resource_id(p), self.state
        target = state.targets.get(resource_id)
        low = p.get("MinCapacity", target.min_capacity if target else None)
        high = p.get("MaxCapacity", target.max_capacity if target else None)
        if low is None or high is None:
            raise AwsRefusal("Both MinCapacity and MaxCapacity are required to register a new scalable target")
        if low < 0:
            raise AwsRefusal(f"Minimum capacity cannot be less than zero: {low}")
        if low > high:
            raise AwsRefusal(crossed(low, high))
        views = state.look(resource_id)
        if views is None:
            raise AwsRefusal(f"The resource does not exist or is not in service: {resource_id}")
        tags = merged(target.tags if target else {}, p.get("Tags", {}))
        if target is None:
            if len(state.targets) >= MOST_TARGETS:
                raise limit_reached("scalable targets", MOST_TARGETS)
            arn = make_arn("application-autoscaling", state.region, f"scalable-target/{uuid.uuid4().hex[:30]}")
            target = state.targets[resource_id] = TargetRecord(resource_id, arn, low, high, state.clock.now_s())
        target.min_capacity, target.max_capacity = low, high
        # Of a resource that is not active yet the operation does not change the capacity (API reference).
        target.bounds_act = views[0].status != "Creating"
        target.suspended.update(p.get("SuspendedState", {}))
        target.tags = tags
        return {"ScalableTargetARN": target.arn}

    @one_at_a_time
    def deregister_scalable_target(self, p: Params) -> dict[str, Any]:
        """Forget a target and everything that belongs to it."""
        self.state.drop_target(self.target(p))
        return {}

    @one_at_a_time
    def describe_scalable_targets(self, p: Params) -> dict[str, Any]:
        """Targets by resource ID."""
        chosen = p.get("ResourceIds")
        targets = self.state.targets.values() if self.is_of_variants(p) else ()
        named = [target for target in targets if not chosen or target.resource_id in chosen]
        return page_of(named, p, "ScalableTargets", TargetRecord.row)

    @one_at_a_time
    def describe_scaling_activities(self, p: Params) -> dict[str, Any]:
        """Activities, the newest first; those that did not scale on request only."""
        resource_id, also_not_scaled = p.get("ResourceId"), p.get("IncludeNotScaledActivities", False)
        oldest_s = self.state.clock.now_s() - ACTIVITY_AGE_S
        activities = [
            activity
            for activity in (self.state.activities if self.is_of_variants(p) else ())
            if (not resource_id or activity.resource_id == resource_id)
            and (also_not_scaled or not activity.text.not_scaled_reasons)
            and activity.start_s >= oldest_s
        ]
        return page_of(activities, p, "ScalingActivities", ActivityRecord.row, descending=True)

    @one_at_a_time
    def list_tags_for_resource(self, p: Params) -> dict[str, Any]:
        """A target's tags."""
        return {"Tags": dict(self._by_arn(p["ResourceARN"]).tags)}

    @one_at_a_time
    def tag_resource(self, p: Params) -> dict[str, Any]:
        """Tag a target."""
        target = self._by_arn(p["ResourceARN"])
        target.tags = merged(target.tags, p["Tags"], too_many="TooManyTagsException")
        return {}

    @one_at_a_time
    def untag_resource(self, p: Params) -> dict[str, Any]:
        """Take tags off a target."""
        tags = self._by_arn(p["ResourceARN"]).tags
        for key in p["TagKeys"]:
            tags.pop(key, None)
        return {}

    def _by_arn(self, arn: str) -> TargetRecord:
        for target in self.state.targets.values():
            if target.arn == arn:
                return target
        raise missing(f"No scalable target has the ARN {arn}", "ResourceNotFoundException")
