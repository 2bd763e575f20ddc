"""What the buttons of ``dgsm show`` make happen: callers who come and go, and what can go wrong on the embedded AWS."""

import threading
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from dgsm_helpers.aws.endpoint import update
from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.rules.guide import POLICY_NAME
from dgsm_helpers.session import Workbook

CALL_S = (15.0, 45.0)
"""Shortest and longest call: long enough to be read, short enough that new instances soon have some."""
QUIET_CALLS = 3
_GUIDE_TARGET = 5.0

BUTTONS: Mapping[str, tuple[str, str]] = {
    "rush": ("morning rush", "callers come one after the other, until there are too many for one instance"),
    "campaign": ("campaign", "as many callers as all instances together are meant for, at once"),
    "quiet": ("quiet again", "all callers but a few hang up"),
    "crash": ("an instance dies", "one that serves crashes; its calls go on elsewhere"),
    "sold_out": ("the type is sold out", "no more instances of the preferred type; press again to end it"),
    "new_version": ("new version", "another version of the model package, blue/green"),
}
"""By method of `ShowEvents`: what a button says, and what it does."""


class ShowEvents:
    """Callers and faults of one endpoint. Its methods may be called from any thread.

    Where the workbook has an administration, instances can be made to fail.

    Raises:
        NotFound: there is no such endpoint or variant.
        UnsupportedFeature: it has no instances of its own.
    """

    def __init__(self, wb: Workbook) -> None:
        self.wb = wb
        self.load: Load | None = None
        self.note = ""
        """What a button did, in words, or why it did nothing."""
        self._goal: int | None = None
        self._sold_out = ""
        self._updating: threading.Thread | None = None
        reading = EndpointReading(wb)
        reading.kind.require_supported()
        self._types = reading.instance_types
        target = reading.target
        self.most_instances = target.max_capacity if target else 1
        tracked = [policy for policy in reading.policies if policy.name == POLICY_NAME]
        self.target_value = float(tracked[0].configuration["TargetValue"]) if tracked else _GUIDE_TARGET
        self.rush_calls = ceil(self.target_value * max(self.most_instances - 1, 1))
        self._more = ceil(self.rush_calls / 8)
        self.campaign_calls = ceil(self.target_value * self.most_instances)

    def press(self, button: str) -> None:
        """Do what a button says; what comes of it, or what keeps it from being done, is in ``note``."""
        try:
            self.note = getattr(self, button)()
        except DgsmError as error:
            self.note = str(error)

    def hold(self, calls: int) -> None:
        """So many callers at once, from now on."""
        self._goal = None
        if calls or self.load is not None:
            self._calls().set(calls)

    def step(self) -> None:
        """A rush goes on: some more callers, until there are enough."""
        if self._goal is not None and self.load is not None and not self.load.ended:
            if self.load.wanted < self._goal:
                self.load.set(min(self.load.wanted + self._more, self._goal))
            else:
                self._goal = None

    def rush(self) -> str:
        """More callers, one after the other."""
        self._calls()
        self._goal = self.rush_calls
        return f"The morning rush: up to {self.rush_calls} callers at once."

    def campaign(self) -> str:
        """Many callers at once."""
        self.hold(self.campaign_calls)
        return f"A campaign begins: {self.campaign_calls} callers within a second."

    def quiet(self) -> str:
        """All but a few hang up."""
        self.hold(QUIET_CALLS)
        return f"Quiet again: {QUIET_CALLS} callers."

    def crash(self) -> str:
        """An instance is lost."""
        self._fault(kind="crash", endpoint=self.wb.endpoint_name)
        return "An instance dies. SageMaker replaces it by itself; its calls go on elsewhere."

    def sold_out(self) -> str:
        """The preferred type cannot be had; again: it can be had."""
        if self._sold_out:
            freed, self._sold_out = self._sold_out, ""
            self._ask("DELETE", "faults", {"kind": "shortage"})
            return f"{freed} can be had again."
        self._sold_out = self._types[0]
        self._fault(kind="shortage", instance_type=self._sold_out)
        then = f"then it becomes {self._types[1]}" if len(self._types) > 1 else "as the pool has no other type"
        return f"{self._sold_out} is sold out: the next instance that is asked for waits, {then}."

    def new_version(self) -> str:
        """The other of the package's two versions."""
        if self._updating is not None and self._updating.is_alive():
            return "The new version is still coming."
        arn = EndpointReading(self.wb).model_package_arn or ""
        name, _, version = arn.rpartition("/")
        other = "2" if version == "1" else "1"
        self._updating = threading.Thread(target=self._update, args=(f"{name}/{other}",), daemon=True)
        self._updating.start()
        return (
            f"Version {other} comes: a second fleet starts, takes over when all of it serves, and the first one goes."
        )

    def close(self) -> None:
        """No more callers, and nothing sold out any more."""
        if self.load is not None:
            self.load.stop()
        self.end_shortage()

    def end_shortage(self) -> None:
        """What is sold out can be had again."""
        if self._sold_out:
            self.sold_out()

    def _update(self, arn: str) -> None:
        try:
            update.update_endpoint(self.wb, update.plan_change(self.wb, arn), on_warning=lambda _: None)
            self.note = f"Version {arn.rpartition('/')[2]} serves."
        except DgsmError as error:
            self.note = str(error)

    def _calls(self) -> Load:
        if self.load is None or self.load.ended:
            listens = self.wb.family.path == "v1/listen"
            # Only such calls can be continued; sessions of the others are as short instead.
            given: dict[str, Any] = {"call_s": CALL_S} if listens else {"session_s": CALL_S[1]}
            self.load = Load(self.wb, **given)
        return self.load

    def _fault(self, **fault: str) -> None:
        self._ask("POST", "faults", fault)

    def _ask(self, method: str, route: str, body: object) -> None:
        administer: Callable[..., object] | None = self.wb.administer
        assert administer is not None  # the buttons are there only where it is
        administer(method, route, body)
