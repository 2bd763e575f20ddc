"""Scale-in of at most so many calls at a time.

Target tracking cannot be held back: it removes as many instances as its formula says, with whatever calls are on them.
What Application Auto Scaling does offer is a policy that never removes (DisableScaleIn) beside a step-scaling policy
that removes one instance when an alarm says so. The alarm is on the fullest instance: while none has had more calls
than that for ten minutes, no removal cuts more, whichever instance SageMaker takes.
"""

from dgsm_helpers.rules.alarms import AlarmSpec
from dgsm_helpers.rules.policies import StepAdjustment, StepScaling

STEP_IN = "dgsm-step-in"
"""Name of the step-scaling policy."""
_MINUTES = 10
_COOLDOWN_S = 300.0


def step_in(most_cut: int) -> StepScaling:
    """The policy that removes one instance while the fullest has at most ``most_cut`` calls, with its alarm."""
    alarm = AlarmSpec(
        threshold=float(most_cut),
        comparison="<=",
        period_s=60,
        evaluation_periods=_MINUTES,
        datapoints_to_alarm=_MINUTES,
        statistic="Maximum",
    )
    one_less = StepAdjustment(adjustment=-1, upper=0.0)
    return StepScaling(name=STEP_IN, alarm=alarm, steps=(one_less,), aggregation="Maximum", cooldown_s=_COOLDOWN_S)


def most_to_cut(target_value: float) -> int:
    """How many calls a removal may cut at most without the others' load bringing the instance back at once.

    Two instances with so many each become one with twice as many, which is not above the target.
    """
    return int(target_value // 2)
