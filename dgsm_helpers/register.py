"""Step 2, ``02_register``: what may be scaled, and by which rule.

`register` makes the variant's instance count a scalable target with bounds.

`ScalingPolicy` is the guide's policy as a value; `apply` puts it on the target, `verify` reads back what AWS made of
it, `cli_commands` prints the same as the AWS CLI takes it.

`suspended` pauses scaling inside a ``with`` block, `resume` ends what suspended it otherwise; `schedule` changes the
bounds at set hours; `remove` takes target and policy away.
"""

from dgsm_helpers.aws.scaling.policy import ScalingPolicy, cli_commands
from dgsm_helpers.aws.scaling.registration import apply, register, remove, verify
from dgsm_helpers.aws.scaling.scheduled_actions import put as schedule
from dgsm_helpers.aws.scaling.suspending import resume_scaling as resume
from dgsm_helpers.aws.scaling.suspending import suspended

__all__ = ["ScalingPolicy", "apply", "cli_commands", "register", "remove", "resume", "schedule", "suspended", "verify"]
