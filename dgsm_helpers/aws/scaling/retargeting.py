"""A new TargetValue for the policy that is there."""

from dataclasses import asdict, dataclass, replace

from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.aws.scaling import journal, scaling_setup, step_in_policy
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.registration import (
    policy_in_the_way,
    put_tracking_policy,
    register,
    require_spend_on_policy,
    tracking_request,
)
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, PolicyState, policy_alarms
from dgsm_helpers.aws.scaling.scaling_state import ScalingState
from dgsm_helpers.aws.scaling.setup_calls import SetupCall
from dgsm_helpers.errors import NotReady
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.rules.step_in import STEP_IN
from dgsm_helpers.session import Workbook


@dataclass(frozen=True)
class Retargeted:
    """The policy with its new TargetValue, as AWS took it; ``former_value`` is None where there was no policy."""

    policy: ScalingPolicy
    former_value: float | None
    state: ScalingState

    def __str__(self) -> str:
        before = "new" if self.former_value is None else f"it was {self.former_value:g}"
        most_cut = self.policy.most_cut
        spares = f" A scale-in cuts at most {most_cut} call{'s' * (most_cut != 1)}." if most_cut else ""
        return f"TargetValue of {self.policy.name} is {self.policy.target_value:g} ({before}).{spares}"


def retarget(wb: Workbook, target_value: float) -> Retargeted:
    """Set the TargetValue of the policy that is there, keep its cooldowns, and verify.

    A variant that is not registered is registered with the bounds of the settings or the guide's (1 to 4); a missing
    policy gets the guide's other values. Where a policy of another name follows concurrent requests, that one is
    changed: AWS takes one for each metric. Scale-ins that cut at most so many calls cut no more than the new target
    allows. Whatever goes wrong, scaling is then as it was before.

    Raises:
        InvalidInput: the policy of the workbook's name is no target-tracking policy, or the target is too small for
            scale-ins that cut at most so many calls.
        NotReady: the policy follows a metric of its own, an alarm of it is missing afterwards, or scaling is
            suspended; the message says what.
        SpendNotConfirmed: the workbook was opened without ``confirm_spend=True``.
    """
    journal.finish(wb)
    endpoint = EndpointReading(wb)
    for one in endpoint.policies:
        if one.name == POLICY_NAME and not one.tracks:
            raise policy_in_the_way(one, POLICY_NAME)
    # Of the alarms before, only that of scale-ins held to so many calls says anything.
    alarms = endpoint.alarms if any(one.name == STEP_IN for one in endpoint.policies) else ()
    held = ScalingState.judged(wb.resource_id, endpoint.target, endpoint.policies, alarms, expected=POLICY_NAME)
    policy, former = held.policy(target_value=target_value), held.followed
    require_spend_on_policy(wb, endpoint, policy.name)
    before = {
        "setup": asdict(scaling_setup.of_variant(wb, endpoint)),
        "adds": {"PutScalingPolicy": [policy.name]},
        "asks": [asdict(SetupCall(SERVICE, "PutScalingPolicy", tracking_request(wb, policy)))],
    }
    arn = endpoint.target.arn if endpoint.target else ""
    with journal.written(wb, "retarget", None, before, arn=arn) as page:
        if endpoint.target is None:
            register(wb)
            endpoint = EndpointReading(wb)
        applied = put_tracking_policy(wb, policy)
        # AWS took the policy as it was sent; what it made of it are the alarms, and those are read.
        taken = PolicyState(policy.name, applied.arn, "TargetTrackingScaling", policy.to_request(), applied.alarm_names)
        held_now = (*(one for one in endpoint.policies if one.name != policy.name), taken)
        alarms = policy_alarms(wb, held_now)
        state = ScalingState.judged(wb.resource_id, endpoint.target, held_now, alarms, expected=policy.name)
        if not state.ok:
            raise NotReady(
                f"The policy was put, but {'; '.join(state.problems)}",
                hint="Correct what is named, then apply it again.",
            )
        if policy.most_cut is not None and policy.most_cut != step_in_policy.most_cut_of(held.alarms):
            # Last, as its alarm cannot be put back from what is written down.
            step_in_policy.put(wb, policy.most_cut)
            state = replace(state, alarms=policy_alarms(wb, held_now))
        page.clear()
    return Retargeted(policy, former.configuration["TargetValue"] if former else None, state)
