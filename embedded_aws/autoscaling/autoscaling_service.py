"""Application Auto Scaling of the embedded AWS: what can be asked of one region, with AWS's refusals.

When something scales is decided in ``beat``. Moto's own makes no alarms, fires no actions and keeps no activities, so
nothing of it is used.
"""

from __future__ import annotations

from embedded_aws.autoscaling.action_operations import ActionOperations
from embedded_aws.autoscaling.policy_operations import PolicyOperations
from embedded_aws.autoscaling.target_operations import TargetOperations


class AutoScaling(TargetOperations, PolicyOperations, ActionOperations):
    """A region's Application Auto Scaling. Methods are the API's operations; they raise ``AwsRefusal``."""

    def is_registered(self, resource_id: str) -> bool:
        """Whether ``endpoint/NAME/variant/VARIANT`` is a scalable target."""
        return resource_id in self.state.targets
