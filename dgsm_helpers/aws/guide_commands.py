"""The guide's AWS CLI commands, for one endpoint."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from .scaling_policy import DIMENSION, NAMESPACE, POLICY_FILE, ScalingPolicy

if TYPE_CHECKING:
    from ..session import Workbook


def cli_commands(
    wb: Workbook,
    policy: ScalingPolicy | None = None,
    *,
    min_capacity: int = 1,
    max_capacity: int = 4,
    policy_file: str = POLICY_FILE,
) -> str:
    """The guide's AWS CLI lines for this endpoint, to paste into a shell beside ``scaling-policy.json``."""
    name = (policy or ScalingPolicy(name=wb.policy_name)).name
    space = f"--service-namespace {NAMESPACE}"
    on = [space, f"--resource-id {shlex.quote(wb.resource_id)}"]
    variant = [*on, f"--scalable-dimension {DIMENSION}"]
    commands = (
        ("register-scalable-target", [*variant, f"--min-capacity {min_capacity}", f"--max-capacity {max_capacity}"]),
        (
            "put-scaling-policy",
            [
                f"--policy-name {shlex.quote(name)}",
                *variant,
                "--policy-type TargetTrackingScaling",
                f"--target-tracking-scaling-policy-configuration file://{shlex.quote(policy_file)}",
            ],
        ),
        ("describe-scaling-policies", on),
        ("describe-scaling-activities", on),
    )
    region = f"--region {wb.region}"
    blocks = (
        " \\\n    ".join([f"aws application-autoscaling {command}", *options, region]) for command, options in commands
    )
    return "\n\n".join(blocks) + "\n"
