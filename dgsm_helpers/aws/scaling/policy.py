"""The target-tracking policy of the guide, as a value and as the guide's AWS CLI commands."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.rules.step_in import most_to_cut
from dgsm_helpers.session import Workbook
from dgsm_helpers.settings.parameters import require_type
from dgsm_helpers.wire.whole_file import write_whole

PREDEFINED_METRIC = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
POLICY_FILE = "scaling-policy.json"
NAMESPACE = "sagemaker"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@dataclass(frozen=True, kw_only=True)
class ScalingPolicy(Table):
    """Target tracking on concurrent requests per instance; the defaults are the guide's.

    Args:
        target_value: wanted concurrent requests per instance: 70–80 % of the measured limit.
        scale_in_cooldown_s: seconds after a scale-in before the next; high, so that live streams keep their instance.
        scale_out_cooldown_s: seconds that a scale-out counts before the next; low, so that spikes are met.
        disable_scale_in: True to never remove an instance.
        most_cut: calls that one scale-in may cut, at most half the target. Target tracking, which cannot be held to
            that, then only adds; a step-scaling policy removes one instance at a time, while none has had more calls
            for ten minutes. None: target tracking removes.
        name: the policy's name.

    Raises:
        InvalidInput: a target that is not above zero, a negative cooldown, ``most_cut`` out of range, or another type.
    """

    target_value: float = 5.0
    scale_in_cooldown_s: int = 300
    scale_out_cooldown_s: int = 60
    disable_scale_in: bool = False
    most_cut: int | None = None
    name: str = POLICY_NAME

    _columns = ("setting", "value")

    def __post_init__(self) -> None:
        require_type(float, target_value=self.target_value)
        require_type(int, scale_in_cooldown_s=self.scale_in_cooldown_s, scale_out_cooldown_s=self.scale_out_cooldown_s)
        require_type(bool, disable_scale_in=self.disable_scale_in)
        if not 0 < self.target_value < float("inf"):
            raise InvalidInput(
                f"target_value is {self.target_value}.", hint="Give concurrent requests per instance, above 0."
            )
        if self.most_cut is not None:
            require_type(int, most_cut=self.most_cut)
            if not 1 <= self.most_cut <= most_to_cut(self.target_value):
                raise InvalidInput(
                    f"most_cut is {self.most_cut}.",
                    hint=f"Give at least 1, and at most half the target of {self.target_value:g}: else what is removed "
                    "would come back at once.",
                )
        for what, value in (("scale_in", self.scale_in_cooldown_s), ("scale_out", self.scale_out_cooldown_s)):
            if value < 0:
                raise InvalidInput(f"{what}_cooldown_s is {value}.", hint="Give seconds, 0 or more.")

    def metric(self) -> dict[str, Any]:
        """The part of the configuration that says what is followed."""
        return {"PredefinedMetricSpecification": {"PredefinedMetricType": PREDEFINED_METRIC}}

    def to_request(self) -> dict[str, Any]:
        """What PutScalingPolicy and the AWS CLI take as TargetTrackingScalingPolicyConfiguration."""
        request: dict[str, Any] = {
            "TargetValue": float(self.target_value),
            **self.metric(),
            "ScaleInCooldown": self.scale_in_cooldown_s,
            "ScaleOutCooldown": self.scale_out_cooldown_s,
        }
        # Left out while False, as in the guide: False is what AWS assumes.
        only_adds = self.disable_scale_in or self.most_cut is not None
        return {**request, "DisableScaleIn": True} if only_adds else request

    def to_json(self) -> str:
        """The text of ``scaling-policy.json``."""
        return json.dumps(self.to_request(), indent=2) + "\n"

    def write_json(self, path: str | Path = POLICY_FILE) -> Path:
        """Write ``scaling-policy.json`` for ``--target-tracking-scaling-policy-configuration file://…``."""
        written = Path(path)
        write_whole(written, self.to_json())
        return written

    @property
    def _scale_in(self) -> str:
        if self.most_cut is not None:
            return f"one instance at a time, while none has more than {self.most_cut} calls"
        return "never" if self.disable_scale_in else "allowed"

    def _caption(self) -> str:
        return f"Policy {self.name}"

    def _rows(self) -> list[tuple[object, ...]]:
        return [
            ("target value", f"{self.target_value:g} concurrent requests per instance"),
            ("scale-out cooldown", f"{self.scale_out_cooldown_s} s"),
            ("scale-in cooldown", f"{self.scale_in_cooldown_s} s"),
            ("scale in", self._scale_in),
            ("metric", PREDEFINED_METRIC),
        ]


def cli_commands(
    wb: Workbook,
    policy: ScalingPolicy | None = None,
    *,
    min_capacity: int = 1,
    max_capacity: int = 4,
) -> str:
    """The guide's AWS CLI lines for this endpoint, to paste into a shell beside ``scaling-policy.json``."""
    resource = {"service-namespace": NAMESPACE, "resource-id": wb.resource_id}
    variant = {**resource, "scalable-dimension": DIMENSION}
    put = {
        "policy-name": (policy or ScalingPolicy()).name,
        **variant,
        "policy-type": "TargetTrackingScaling",
        "target-tracking-scaling-policy-configuration": f"file://{POLICY_FILE}",
    }
    commands: dict[str, Mapping[str, object]] = {
        "register-scalable-target": {**variant, "min-capacity": min_capacity, "max-capacity": max_capacity},
        "put-scaling-policy": put,
        "describe-scaling-policies": resource,
        "describe-scaling-activities": resource,
    }
    blocks = []
    for command, options in commands.items():
        words = [f"--{name} {shlex.quote(str(value))}" for name, value in {**options, "region": wb.region}.items()]
        blocks.append(" \\\n    ".join([f"aws application-autoscaling {command}", *words]))
    if policy is not None and policy.most_cut is not None:
        exported = f"dgsm export {shlex.quote(wb.endpoint_name)}"
        blocks.append(f"# The policy that removes instances, and its alarm, once they are there: {exported}")
    return "\n\n".join(blocks) + "\n"
