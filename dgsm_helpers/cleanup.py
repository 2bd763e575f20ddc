"""Step 99, ``99_clean_up``: nothing is left that bills.

`find` lists what belongs to the endpoint; `delete` removes it in the order AWS needs; `prove_empty` asks AWS again.

Idle hours: `pause` records the whole set-up and deletes the endpoint, `resume` makes it again; `pause_schedule` is the
same as EventBridge schedules that need no workbook.
"""

from dgsm_helpers.aws.account.deletion import delete, prove_empty
from dgsm_helpers.aws.account.inventory import find
from dgsm_helpers.aws.endpoint.pause import pause_endpoint as pause
from dgsm_helpers.aws.endpoint.pause import recreate_endpoint as resume
from dgsm_helpers.aws.endpoint.pause_recipe import recipe as pause_schedule

__all__ = ["delete", "find", "pause", "pause_schedule", "prove_empty", "resume"]
