"""Scaling as it was read back from AWS, and what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.aws.scaling.policy import PREDEFINED_METRIC, ScalingPolicy
from dgsm_helpers.aws.scaling.scalable_target import AlarmState, PolicyState, Target, metric_of
from dgsm_helpers.aws.scaling.step_in_policy import most_cut_of
from dgsm_helpers.errors import InvalidInput, NotReady
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.rules.step_in import most_to_cut
from dgsm_helpers.settings.parameters import require_type


@dataclass(frozen=True)
class ScalingState(Table):
    """Target, policies and alarms, with ``problems`` in words; ``ok`` when there are none."""

    resource_id: str
    target: Target | None
    policies: tuple[PolicyState, ...]
    alarms: tuple[AlarmState, ...]
    problems: tuple[str, ...]

    _columns = ("what", "name", "as AWS has it")

    @classmethod
    def judged(
        cls,
        resource_id: str,
        target: Target | None,
        policies: tuple[PolicyState, ...],
        alarms: tuple[AlarmState, ...],
        *,
        expected: ScalingPolicy | str,
        min_capacity: int | None = None,
        max_capacity: int | None = None,
    ) -> ScalingState:
        """The state with its problems. ``expected`` is the policy to compare with, or only the name to look for."""
        problems = [
            *_target_problems(target, min_capacity, max_capacity),
            *_policy_problems(policies, expected),
            *_alarm_problems(policies, alarms),
            *([] if isinstance(expected, str) else _step_in_problems(expected, alarms)),
        ]
        return cls(resource_id, target, policies, alarms, tuple(problems))

    @property
    def ok(self) -> bool:
        """True when everything is there and as asked for."""
        return not self.problems

    @property
    def followed(self) -> PolicyState | None:
        """The target-tracking policy that scales; None where there is none, or several to choose from.

        The guide's by its name, else the one that follows concurrent requests, else the only one.
        """
        tracking = [policy for policy in self.policies if policy.tracks]
        named = [policy for policy in tracking if policy.name == POLICY_NAME]
        streams = [policy for policy in tracking if policy.metric == metric_of(ScalingPolicy().to_request())]
        return next(iter(named or streams or (tracking if len(tracking) == 1 else ())), None)

    def policy(self, **changes: float | None) -> ScalingPolicy:
        """The target-tracking policy that is there, with changes; the guide's where there is none.

        Args:
            changes: settings of `ScalingPolicy`, such as ``target_value``; None leaves one as it is, and a
                ``most_cut`` of 0 lets target tracking scale in again. One that is there becomes as small as the target
                asks for.

        Raises:
            InvalidInput: a value that a policy cannot have; a target too small for the ``most_cut`` that is there.
            NotReady: it follows a metric of its own, for which a target in streams means nothing.
        """
        held, guide = self.followed, ScalingPolicy()
        wanted: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        if held is None:
            return replace(guide, **wanted)
        configuration = held.configuration
        if held.metric != metric_of(guide.to_request()):
            raise NotReady(
                f"Policy {held.name} follows a metric of its own and not {PREDEFINED_METRIC}.",
                hint="Put the guide's policy in its place first: register.apply(wb).",
            )
        as_it_is = {
            "target_value": configuration["TargetValue"],
            "scale_in_cooldown_s": configuration.get("ScaleInCooldown", guide.scale_in_cooldown_s),
            "scale_out_cooldown_s": configuration.get("ScaleOutCooldown", guide.scale_out_cooldown_s),
            "disable_scale_in": configuration.get("DisableScaleIn", False),
            "name": held.name,
        }
        most_cut = wanted.pop("most_cut", None)
        if most_cut is None and (held_cut := most_cut_of(self.alarms)) is not None:
            most_cut = min(held_cut, _most_to_cut(wanted.get("target_value", as_it_is["target_value"])))
        if most_cut is not None:
            as_it_is |= {"disable_scale_in": False, "most_cut": most_cut or None}
        return ScalingPolicy(**{**as_it_is, **wanted})

    def _caption(self) -> str:
        return f"Scaling of {self.resource_id}: {'as it should be' if self.ok else 'not as it should be'}"

    def _notes(self) -> list[str]:
        return [f"✗ {problem}" for problem in self.problems]

    def _rows(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        if self.target is not None:
            rows.append(
                ("target", self.resource_id, f"{self.target.min_capacity} to {self.target.max_capacity} instances")
            )
        for policy in self.policies:
            rows.append(("policy", policy.name, str(policy)))
        # The random end of an alarm's name tells a reader nothing; `alarms` holds the whole name.
        rows += [("alarm", re.sub(r"(-Alarm(?:High|Low))-.*", r"\1", alarm.name), str(alarm)) for alarm in self.alarms]
        return rows


def _most_to_cut(target_value: float) -> int:
    require_type(float, target_value=target_value)
    if 0 < target_value < 2:
        raise InvalidInput(
            f"Scale-ins are held to so many calls, and at a target of {target_value:g} that cannot be: what is removed "
            "would come back at once.",
            hint="Give a target of 2 or more, or let them cut any number first: `dgsm register ENDPOINT --most-cut 0`.",
        )
    return max(1, most_to_cut(target_value))


def _target_problems(target: Target | None, min_capacity: int | None, max_capacity: int | None) -> list[str]:
    if target is None:
        return ["The variant is not registered as a scalable target: register.register(wb)."]
    bounds = (("min", min_capacity, target.min_capacity), ("max", max_capacity, target.max_capacity))
    problems = [
        f"The registered {bound} capacity is {registered}, not {expected}: register.register(wb, …)."
        for bound, expected, registered in bounds
        if expected is not None and expected != registered
    ]
    kinds = (
        ("Scale-in", target.suspension.scale_in),
        ("Scale-out", target.suspension.scale_out),
        ("Scheduled scaling", target.suspension.scheduled),
    )
    problems += [f"{kind} is suspended: register.resume(wb)." for kind, is_suspended in kinds if is_suspended]
    return problems


def _policy_problems(policies: tuple[PolicyState, ...], expected: ScalingPolicy | str) -> list[str]:
    name = expected if isinstance(expected, str) else expected.name
    state = next((policy for policy in policies if policy.name == name), None)
    if state is None:
        others = ", ".join(policy.name for policy in policies)
        return [f"There is no policy {name}{f' (but {others})' if others else ''}: register.apply(wb, policy)."]
    if isinstance(expected, str):
        return []
    asked = {"DisableScaleIn": False, **expected.to_request()}
    held = {"DisableScaleIn": False, **state.configuration}
    return [
        f"{key} of policy {name} is {held.get(key)}, not {value}: register.apply(wb, policy)."
        for key, value in asked.items()
        if held.get(key) != value
    ]


def _step_in_problems(expected: ScalingPolicy, alarms: tuple[AlarmState, ...]) -> list[str]:
    held = most_cut_of(alarms)
    if held == expected.most_cut or (expected.most_cut is None and expected.disable_scale_in):
        return []
    return [
        f"A scale-in may cut {held or 'any number of'} calls, not {expected.most_cut or 'any number'}: apply again."
    ]


def _alarm_problems(policies: tuple[PolicyState, ...], alarms: tuple[AlarmState, ...]) -> list[str]:
    problems = []
    for policy in policies:
        if not policy.tracks:
            continue
        missing = policy.missing_alarms(alarms)
        problems += [f"Alarm {name} is missing: register.apply(wb, policy) makes it again." for name in missing]
        if not missing and (sides := policy.missing_sides(alarms)):
            lacking = " and ".join(sides)
            problems.append(f"Policy {policy.name} has no {lacking} alarm: register.apply(wb, policy) makes it again.")
    return problems
