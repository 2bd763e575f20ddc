"""Traffic through a fleet under a plan, in virtual time, beat by beat as the embedded AWS does it.

At each beat of ten seconds: the fleet moves on, the interval's metric is published, alarms are evaluated, bounds and
policies decide (`rules.target_tracking`). The same seed gives the same run; two plans on the same traffic and seed
differ in nothing but what the plans do.
"""

from dgsm_helpers.errors import InvalidInput, UnsupportedFeature
from dgsm_helpers.rules.policies import TargetTracking
from dgsm_helpers.rules.weighted_metrics import form_named
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.events import Events, lay_out
from dgsm_helpers.simulate.runs import Run
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic


def check_playable(traffic: Traffic, plan: ScalingPlan) -> None:
    """Refuse what a run could not say anything true about.

    Raises:
        InvalidInput: the traffic is not longer than the plan's longest cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    if traffic.horizon_s <= plan.longest_cooldown_s:
        raise InvalidInput(
            f"Traffic {traffic.name!r} lasts {traffic.horizon_s:g} s, no longer than the cooldown of "
            f"{plan.longest_cooldown_s:g} s of plan {plan.name!r}.",
            hint="Give longer traffic or a shorter cooldown.",
        )
    for policy in plan.policies:
        if not isinstance(policy, TargetTracking) or policy.metric != "metric-math":
            continue
        if not policy.form:
            raise UnsupportedFeature(
                f"Policy {policy.name!r} follows a metric-math expression; the planner plays concurrency alone.",
                hint="Plan with metric='one-minute', whose alarms are the same, or name its form over the pool.",
            )
        if form_named(policy.form).in_streams and len(policy.weights) != len(plan.instance_types):
            raise InvalidInput(
                f"Policy {policy.name!r} has {len(policy.weights)} weights, plan {plan.name!r} has "
                f"{len(plan.instance_types)} instance types.",
                hint="Give one weight for each type.",
            )


def simulate(traffic: Traffic, plan: ScalingPlan, conditions: Conditions, *, events: Events | None = None) -> Run:
    """Play ``traffic`` under ``plan``.

    Args:
        events: from `lay_out`, with the same traffic, stream limit and seed.

    Raises:
        NotReady: a capacity has not been measured.
        InvalidInput: the traffic is shorter than a cooldown.
        UnsupportedFeature: a policy follows a metric-math expression of no known form.
    """
    capacities = conditions.capacities_of(plan)
    check_playable(traffic, plan)
    # Only here, since numba takes a second to import and, once for every release, some seconds to compile.
    from dgsm_helpers.simulate.player import Player

    return Player(plan, conditions, capacities, events or lay_out(traffic, conditions)).play(traffic)
