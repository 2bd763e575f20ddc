"""Making an endpoint what it was before a command changed it, by what the command has written down.

``former`` holds, by the kind of change: for a measurement, a `Former`; for a suspension, the SuspendedState ``before``
and ``within`` and the ``bounds``; for all others ``setup``, a `Setup`, and for a change of settings (retarget, plan)
what it ``adds``, by name, and what it ``asks`` for, as calls.

Bounds are put back as the scheduled actions would have made them by now: AWS does not catch up on those that fell due
while there was no target, or while scheduled scaling was suspended (the latter is an assumption).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.core.calls import call, call_or_none, call_tagged
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import scalable_target, scaling_setup
from dgsm_helpers.aws.scaling.held_variant import ALL, Former, HeldVariant
from dgsm_helpers.aws.scaling.scalable_target import SERVICE, triple
from dgsm_helpers.aws.scaling.setup_calls import Setup, SetupCall, actions_rebound, policy_mark, unregister
from dgsm_helpers.rules.schedules import bounds_due, may_fire
from dgsm_helpers.session import Workbook

_TIMEOUT_S = 3600.0
_ADDED = {
    "PutScalingPolicy": ("DeleteScalingPolicy", "PolicyName"),
    "PutScheduledAction": ("DeleteScheduledAction", "ScheduledActionName"),
}
"""How what a change of settings added is removed: by the operation that added it."""


@dataclass(frozen=True)
class PutBack:
    """What an endpoint has again, in words, and what somebody else had changed ``meanwhile``, which was left."""

    restored: tuple[str, ...]
    meanwhile: tuple[str, ...] = ()

    def __str__(self) -> str:
        meanwhile = f"; meanwhile {' and '.join(self.meanwhile)}, which was left" if self.meanwhile else ""
        return f"{', '.join(self.restored) or 'nothing was left to put back'}{meanwhile}"


_OPERATIONS = {"PutMetricAlarm", "RegisterScalableTarget", *_ADDED}


def require_former(what: str, former: Mapping[str, Any]) -> None:
    """Raise ValueError, or what reading it raises, unless ``former`` is what a change of that kind writes down."""
    if what == "measurement":
        held = Former.from_json(former)
        right = all(type(n) is int for n in (held.desired_instances, held.min_capacity or 0, held.max_capacity or 0))
    elif what == "suspension":
        right = all(former[one].keys() == ALL.to_request().keys() for one in ("before", "within"))
        # Those of earlier versions have no bounds.
        bounds = former.get("bounds", dict.fromkeys(_BOUNDS, 1))
        right &= bounds.keys() == {*_BOUNDS} and all(type(n) is int for n in bounds.values())
    else:
        right = what in ("update", "roll-back", "pause", "retarget", "plan")
        setup = Setup.from_json(former["setup"])
        scaling = [step for step in (*setup.steps, *setup.alarms) if step.service != "sagemaker"]
        right &= all(step.operation in _OPERATIONS and bool(_key(step)) for step in scaling)
        right &= what != "pause" or len(setup.of("CreateEndpoint")) == 1
    if not right:
        raise ValueError(f"it is no {what} of an endpoint")


def put_back(
    wb: Workbook,
    what: str,
    former: Mapping[str, Any],
    since: datetime,
    *,
    held: HeldVariant | None = None,
    say: Callable[[str], object],
) -> PutBack:
    """Undo a change of the kind ``what`` that began at ``since``; may be repeated.

    Args:
        held: of a measurement, by the process that made it; it knows how far it came.

    Raises:
        DgsmError: AWS refused something, or it is not as it was afterwards.
    """
    if what == "measurement":
        return _variant_back(wb, Former.from_json(former), held, say, since)
    if what == "suspension":
        return _suspension_back(wb, former, since)
    setup = Setup.from_json(former["setup"])
    if "adds" in former:
        asked = [SetupCall(**step) for step in former["asks"]] if "asks" in former else None
        return settings_back(wb, setup, former["adds"], asked, since=since)
    # An update, a roll-back or a pause: the endpoint may still be in motion.
    if endpoint_state.settle(wb, timeout_s=_TIMEOUT_S, on_progress=None) is None:
        return PutBack((), ("the endpoint was deleted",))
    return restore_scaling(wb, setup, since)


def _variant_back(
    wb: Workbook, former: Former, held: HeldVariant | None, say: Callable[[str], object], since: datetime
) -> PutBack:
    if held is None:
        now = Former.of(wb, endpoint_state.status(wb), scalable_target.target(wb))
        if not former.was_held_still(now):
            return PutBack(())
        held = HeldVariant(wb, former, None, say)
    again, meanwhile = held.put_back(since)
    return PutBack((str(again),), meanwhile)


def _suspension_back(wb: Workbook, former: Mapping[str, Any], since: datetime) -> PutBack:
    there, before, within = scalable_target.target(wb), former["before"], former["within"]
    if there is None or there.suspension.to_request() != within:
        return PutBack((), ("somebody changed what is suspended",))
    bounds: dict[str, int] = {}
    if "bounds" in former and within[_SCHEDULED] and not before[_SCHEDULED]:
        due = scalable_target.scheduled_bounds(wb, former["bounds"], since)
        bounds = scalable_target.bounds_back(there.bounds, former["bounds"], due)
    scalable_target.change(wb, SuspendedState=before, **bounds)
    return PutBack(("what was suspended",))


def settings_back(
    wb: Workbook,
    setup: Setup,
    added: Mapping[str, Iterable[str]],
    asked: Iterable[SetupCall] | None = None,
    *,
    since: datetime,
) -> PutBack:
    """Bounds, policies and scheduled actions of the variant are what they were ``since`` then, and those added go.

    ``asked`` are the calls of the command that is undone: what is there in a form that neither those nor ``setup`` have
    is somebody's, and stays. None: whatever is there is replaced.
    """
    there, former = _there(wb, [wb.resource_id]), {_key(step) for step in setup.steps}
    of_target, ours = ("RegisterScalableTarget", wb.resource_id, ""), [*setup.steps, *(asked or ())]
    own = {(put, wb.resource_id, name) for put, names in added.items() for name in names}
    # What else was there before is not written down, and was not touched.
    concerned = there.keys() & {*own, *map(_key, ours)} if of_target in former else there.keys()
    theirs = [key for key in concerned if asked is not None and _is_anothers(there[key], ours, own)]
    if of_target not in former:
        if not theirs:
            unregister(wb)
        return PutBack((), _changed(there, theirs))
    registered = next(step.request for step in setup.steps if _key(step) == of_target)
    if of_target in there.keys() - theirs:
        _rebound(wb, there[of_target].request, _due(wb, setup, registered, since))
    for put, _, name in own - former - {*theirs}:
        operation, member = _ADDED[put]
        call_or_none(wb, SERVICE, operation, **triple(wb), **{member: name})
    return _restored(wb, setup, since, there, theirs)


def restore_scaling(wb: Workbook, setup: Setup, since: datetime) -> PutBack:
    """Register every variant of the set-up that is not, and put its policies and scheduled actions on it.

    ``since`` is when the set-up was read. May be repeated. What is there by now in another form is somebody's, and
    stays. Scheduled actions that will not fire any more are left out, as AWS would refuse them. The alarms of
    step-scaling policies are given the ARNs that the policies have now.
    """
    there = _there(wb, [request["ResourceId"] for request in setup.of("RegisterScalableTarget")])
    concerned = there.keys() & set(map(_key, setup.steps))
    theirs = [key for key in concerned if _is_anothers(there[key], setup.steps, set())]
    for registered in setup.of("RegisterScalableTarget"):
        key = ("RegisterScalableTarget", registered["ResourceId"], "")
        # Where its scheduled actions are all there, they have set the bounds themselves.
        gone = {_key(step) for step in setup.steps if step.operation == "PutScheduledAction"} - there.keys()
        if key in there.keys() - theirs and any(resource_id == key[1] for _, resource_id, _ in gone):
            _rebound(wb, there[key].request, _due(wb, setup, registered, since))
    return _restored(wb, setup, since, there, theirs)


type _Key = tuple[str, str, str]
"""An operation, its resource, and the name of what it puts there: a call of the same replaces it."""
_BOUNDS = ("MinCapacity", "MaxCapacity")
_SCHEDULED = "ScheduledScalingSuspended"


def _key(step: SetupCall) -> _Key:
    request = step.request
    name = request.get("PolicyName") or request.get("ScheduledActionName") or ""
    return step.operation, request.get("ResourceId", ""), name


def _there(wb: Workbook, resource_ids: Iterable[str]) -> dict[_Key, SetupCall]:
    return {_key(now): now for one in resource_ids for now in scaling_setup.scaling_now(wb, one)}


def _is_anothers(now: SetupCall, ours: Sequence[SetupCall], own: Set[_Key]) -> bool:
    """Whether what is there is none of ``ours``: of what was written down. Of ``own`` the form may not be."""
    if now.operation == "RegisterScalableTarget":
        # Scheduled actions set bounds, too.
        limits = [step.request.get("ScalableTargetAction") or step.request for step in ours]
        known = {bound: {one[bound] for one in limits if bound in one} for bound in _BOUNDS}
        return any(now.request[bound] not in known[bound] for bound in _BOUNDS if known[bound])
    forms = [step.request for step in ours if _key(step) == _key(now)]
    return not any(_agrees(form, now.request) for form in forms) if forms else _key(now) not in own


def _agrees(asked: Any, now: Any) -> bool:
    """Whether it is as asked for, but for what AWS adds as its default."""
    if isinstance(asked, Mapping) and isinstance(now, Mapping):
        return all(_agrees(asked.get(key), now.get(key)) for key in {*asked, *now})
    return bool(asked == now or not (asked or now))


def _changed(there: Mapping[_Key, SetupCall], theirs: Iterable[_Key]) -> tuple[str, ...]:
    """What somebody changed, in words."""
    words = {"PutScalingPolicy": "put policy {2}", "PutScheduledAction": "put scheduled action {2}"}
    bounds = "registered {1} for {MinCapacity} to {MaxCapacity} instances"
    return tuple("somebody " + words.get(key[0], bounds).format(*key, **there[key].request) for key in sorted(theirs))


def _due(wb: Workbook, setup: Setup, registered: Mapping[str, Any], since: datetime) -> dict[str, int]:
    """The bounds of a RegisterScalableTarget request as the set-up's scheduled actions have made them by now."""
    bounds = {bound: registered[bound] for bound in _BOUNDS}
    if registered.get("SuspendedState", {}).get(_SCHEDULED):
        return bounds
    actions = [a for a in setup.of("PutScheduledAction") if a["ResourceId"] == registered["ResourceId"]]
    return bounds_due(bounds, map(_with_times, actions), since, wb.now())


def _rebound(wb: Workbook, now: Mapping[str, Any], due: Mapping[str, int]) -> None:
    """Give a target that is there, by the request that would make it, the bounds that are due."""
    if due != {bound: now[bound] for bound in _BOUNDS}:
        call(wb, SERVICE, "RegisterScalableTarget", **{**triple(wb), "ResourceId": now["ResourceId"]}, **due)


def _restored(
    wb: Workbook, setup: Setup, since: datetime, there: Mapping[_Key, SetupCall], theirs: Collection[_Key]
) -> PutBack:
    """Put back what of the set-up's scaling is not ``theirs``."""
    done, arns = [], {}
    for step in setup.steps:
        request = dict(step.request)
        if step.service != SERVICE or _key(step) in theirs:
            continue
        if step.operation == "RegisterScalableTarget":
            request |= _due(wb, setup, request, since)
            if _key(step) not in there:
                call_tagged(wb, SERVICE, step.operation, request.pop("Tags", {}), **request)
            done.append(f"{request['ResourceId']} ({request['MinCapacity']} to {request['MaxCapacity']} instances)")
        elif step.operation == "PutScalingPolicy":
            arns[policy_mark(request)] = call(wb, SERVICE, step.operation, **request)["PolicyARN"]
            done.append(f"policy {request['PolicyName']}")
        elif may_fire(timed := _with_times(request), wb.now()):
            call(wb, SERVICE, step.operation, **timed)
            done.append(f"scheduled action {request['ScheduledActionName']}")
    for alarm in setup.alarms:
        name = alarm.request["AlarmName"]
        # As it is by now: it stayed, and somebody may have changed it.
        now = scaling_setup.alarm_now(wb, name) or alarm.request
        call(wb, alarm.service, alarm.operation, **actions_rebound(now, arns))
        done.append(f"alarm {name}")
    return PutBack(tuple(done), _changed(there, theirs))


def _with_times(request: Mapping[str, Any]) -> dict[str, Any]:
    times = {key: datetime.fromisoformat(request[key]) for key in ("StartTime", "EndTime") if key in request}
    return {**request, **times}
