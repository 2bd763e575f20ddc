"""Plays an observation of AWS against the embedded AWS, on a moved clock: `tests/recorded/README.md` has the format."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from botocore import xform_name
from botocore.exceptions import ClientError

from dgsm_helpers.load.ladder.verdict import streams_needed
from dgsm_helpers.rules.model import ScalingModel, recorded_model
from dgsm_helpers.rules.policies import Bounds, TargetTracking
from dgsm_helpers.simulate.conditions import Capacity, Conditions
from dgsm_helpers.simulate.engine import simulate
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic
from kit.moved_aws import MovedAws

BEAT_S = 10.0
LONGEST_S = 3600.0
"""How long ``until`` waits at most, in local time."""


def _sticky_calls(statistic: str, calls: int, target: float, largest: int, knee: int) -> int:
    """Instances in the end, when calls come at once and stay."""
    model = dataclasses.replace(
        ScalingModel(), statistic=statistic, provision_cached_spread=0.0, uncached_share=0.0, shortage_share=0.0
    )
    traffic = Traffic(name="calls", starts_s=np.zeros(calls), durations_s=np.full(calls, 1700.0), horizon_s=1700.0)
    plan = ScalingPlan(
        name="p",
        instance_types=("ml.g6.2xlarge",),
        bounds=Bounds(min_capacity=1, max_capacity=largest),
        policies=(TargetTracking(name="p", target_value=target, scale_out_cooldown_s=60.0),),
        initial_count=1,
    )
    run = simulate(traffic, plan, Conditions(capacity=Capacity(knee=knee), model=model))
    return int(run.serving[-1])


QUESTIONS: Mapping[str, Callable[..., Any]] = {
    "streams needed": lambda share, confidence, failed: streams_needed(share, confidence, failed=failed),
    "assumption": lambda name: getattr(ScalingModel(), name),
    "sticky calls": _sticky_calls,
}
"""What a recording may ask of the rules beside the embedded AWS."""


class Mismatch(AssertionError):
    """The embedded AWS answers otherwise than was observed."""


class Replay:
    """One recording, step by step."""

    def __init__(self, recording: Mapping[str, Any]) -> None:
        self._steps, self._recording = recording["steps"], recording
        self._begin()

    def _begin(self) -> None:
        """A new embedded AWS, which goes by the recording's own values where it has some."""
        model = recorded_model(self._recording) if self._recording.get("values") else None
        self.aws = MovedAws(**self._recording.get("begin", {}), model=model)
        self.aws.run(60 - self.aws.clock.s % 60)  # times of recordings are counted from a whole minute
        self._began_s = self.aws.clock.s
        self._kept: dict[str, Any] = {}
        self._standing: list[Mapping[str, Any]] = []

    def run(self) -> None:
        """Play all steps.

        Raises:
            Mismatch: with the number of the step and the place in the answer.
        """
        for number, step in enumerate(self._steps, start=1):
            try:
                self._step(step)
            except Mismatch as problem:
                raise Mismatch(f"step {number}: {problem}") from None

    def _step(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"call": _}:
                self._check(step, self._call(step))
            case {"until": until, "within_s": (least, most)}:
                waited = self._until(until)
                if not least <= waited <= most:
                    raise Mismatch(f"it took {waited:g} s, observed were {least} to {most} s")
            case {"anew": True}:
                self._begin()
            case {"wait_s": seconds}:
                self._wait(seconds)
            case {"streams": number}:
                self.aws.load(number)
            case {"publish": metric}:
                self._standing.append(metric)
            case {"ask": question, "with": given, "answers": expected}:
                compare(expected, QUESTIONS[question](**given), question, self)
            case _:
                raise Mismatch(f"there is no such step: {step}")

    def _wait(self, seconds: float) -> None:
        for _ in range(round(seconds / BEAT_S)):
            for metric in self._standing:
                self.aws.watch.store.put(
                    metric["Namespace"],
                    metric["MetricName"],
                    metric.get("Dimensions", {}),
                    timestamp_s=self.aws.clock.s,
                    values=[metric["Value"]],
                    resolution_s=10,
                )
            self.aws.run(BEAT_S)

    def _until(self, step: Mapping[str, Any]) -> float:
        began_s = self.aws.clock.s
        while True:
            try:
                self._check(step, self._call(step))
                return self.aws.clock.s - began_s
            except Mismatch:
                if self.aws.clock.s - began_s > LONGEST_S:
                    raise
            self._wait(BEAT_S)

    def _call(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        service, _, operation = step["call"].partition(".")
        call = getattr(self.aws.client(service, step.get("region", "us-east-1")), xform_name(operation))
        try:
            return {"answer": call(**self.given(step.get("with", {})))}
        except ClientError as error:
            return {"refusal": error.response["Error"]}

    def _check(self, step: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        kind, expected = ("refusal", step["refuses"]) if "refuses" in step else ("answer", step.get("answers", {}))
        if kind not in found:
            raise Mismatch(f"{step['call']}: observed was a {kind}, this is {found}")
        compare(expected, found[kind], step["call"], self)
        for name, path in step.get("keep", {}).items():
            value = found[kind]
            for part in path.split("."):
                value = value[int(part)] if part.isdigit() else value[part]
            self._kept[name] = value

    def given(self, value: Any) -> Any:
        """A value of the recording as it is sent: times relative to the beginning, what was kept filled in."""
        match value:
            case {"at_s": seconds}:
                return datetime.fromtimestamp(self._began_s + seconds, UTC)
            case {"text_of": inner}:
                return json.dumps(self.given(inner))
            case dict():
                return {key: self.given(item) for key, item in value.items()}
            case list():
                return [self.given(item) for item in value]
            case str():
                return re.sub(r"<(\w+)>", lambda hole: str(self._kept.get(hole[1], hole[0])), value)
        return value


def compare(expected: Any, found: Any, place: str, replay: Replay) -> None:
    """Raise ``Mismatch`` unless ``found`` holds all that ``expected`` says."""
    match expected:
        case {"starts": text}:
            fits = isinstance(found, str) and found.startswith(replay.given(text))
        case {"contains": text}:
            fits = isinstance(found, str) and replay.given(text) in found
        case {"between": (least, most)}:
            fits = isinstance(found, (int, float)) and least <= found <= most
        case {"json": inner}:
            compare(inner, json.loads(found), f"{place} (JSON)", replay)
            return
        case {"has": items}:
            for item in items:
                if not any(_fits(item, one, replay) for one in found):
                    raise Mismatch(f"{place} has nothing like {item}: {found}")
            return
        case {"at_s": _}:
            fits = found == replay.given(expected)
        case {"absent": names, **rest}:
            if there := [name for name in names if name in found]:
                raise Mismatch(f"{place} has {', '.join(there)}, which AWS's answer has not")
            compare(rest, found, place, replay)
            return
        case dict():
            for name, item in expected.items():
                if not isinstance(found, Mapping) or name not in found:
                    raise Mismatch(f"{place} has no {name}: {found}")
                compare(item, found[name], f"{place}.{name}", replay)
            return
        case list():
            if not isinstance(found, list) or len(found) != len(expected):
                raise Mismatch(f"{place} should have {len(expected)} items: {found}")
            for index, (item, one) in enumerate(zip(expected, found, strict=True)):
                compare(item, one, f"{place}[{index}]", replay)
            return
        case bool() | str() | None:
            fits = found == replay.given(expected)
        case _:
            fits = isinstance(found, (int, float)) and abs(found - expected) <= 1e-9 * max(1.0, abs(expected))
    if not fits:
        raise Mismatch(f"{place} is {found!r}, observed was {expected!r}")


def _fits(expected: Any, found: Any, replay: Replay) -> bool:
    try:
        compare(expected, found, "", replay)
    except Mismatch:
        return False
    return True
