"""Application Auto Scaling's operations on scheduled actions."""

from __future__ import annotations

import uuid
from typing import Any

from embedded_aws.autoscaling.region_scaling import Params, ScalingOperations, missing, one_at_a_time, page_of
from embedded_aws.autoscaling.scaling_records import NAMESPACE, ScheduledActionRecord
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.listings import ACCOUNT_ID


class ActionOperations(ScalingOperations):
    """Operations on scheduled actions."""

    @one_at_a_time
    def put_scheduled_action(self, p: Params) -> dict[str, Any]:
        """Make a scheduled action, or change what the request names of one."""
        target, state, name = self.target(p), self.state, p["ScheduledActionName"]
        former = state.actions.get((target.resource_id, name))
        request = {**(former.request if former else {}), **p}
        if "Schedule" not in request:
            raise AwsRefusal("Schedule is required for a new scheduled action")
        bounds = request.get("ScalableTargetAction", {})
        low, high = bounds.get("MinCapacity"), bounds.get("MaxCapacity")
        if low is None and high is None:
            raise AwsRefusal("ScalableTargetAction needs MinCapacity or MaxCapacity")
        if low is not None and high is not None and low > high:
            raise AwsRefusal(f"Maximum capacity cannot be less than minimum capacity: minimum {low}, maximum {high}")
        new_arn = (
            f"arn:aws:autoscaling:{state.region}:{ACCOUNT_ID}:scheduledAction:{uuid.uuid4()}:resource/"
            f"{NAMESPACE}/{target.resource_id}:scheduledActionName/{name}"
        )
        now_s = state.clock.now_s()
        action = ScheduledActionRecord(target.resource_id, name, former.arn if former else new_arn, request, now_s)
        try:
            action.next_s = action.firing_after(now_s)
        except ValueError as error:
            raise AwsRefusal(str(error)) from error
        if action.next_s is None:
            raise AwsRefusal(f"The scheduled action would never fire: {request['Schedule']} is in the past")
        state.actions[target.resource_id, name] = action
        return {}

    @one_at_a_time
    def delete_scheduled_action(self, p: Params) -> dict[str, Any]:
        """Forget a scheduled action; bounds that it has set stay."""
        resource_id = self.resource_id(p)
        if self.state.actions.pop((resource_id, p["ScheduledActionName"]), None) is None:
            raise missing(
                f"No scheduled action found for resource ID: {resource_id}, "
                f"scheduled action name: {p['ScheduledActionName']}"
            )
        return {}

    @one_at_a_time
    def describe_scheduled_actions(self, p: Params) -> dict[str, Any]:
        """Scheduled actions by name or resource."""
        actions = self.listed(p, self.state.actions, names="ScheduledActionNames")
        return page_of([action.row() for action in actions], p, "ScheduledActions")
