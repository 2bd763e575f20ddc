"""What the steps of a recording stand on: an endpoint of their own, its streams, waiting by the workbook's clock."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dgsm_helpers.aws.account.quotas import without_zero_quota
from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.observe import ScalingActivity
from dgsm_helpers.errors import NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.session import Workbook

MOST_INSTANCES = 3
"""Of the recording's endpoint, at any time."""
POLICY = ScalingPolicy(name="dgsm-record", target_value=3.5, scale_out_cooldown_s=240, scale_in_cooldown_s=60)
"""Of three instances with three streams each it asks for none less, of three with one each for one."""
_CHANGE_S = 1800.0
"""How long one change of capacity may take."""
_LOOK_EVERY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What a step saw: the ``values`` that it settles, by the assumption's name, and in words what they rest on.

    ``replay`` are the calls and answers of it that `tests/recorded/` plays again.
    """

    values: Mapping[str, Any]
    seen: str
    replay: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The endpoint that a recording asks. ``known`` are the values that earlier steps settled."""

    wb: Workbook
    load_of: Callable[[Workbook], Load] = Load
    known: dict[str, Any] = field(default_factory=dict)

    def deploy(self, instances: int) -> float:
        """Make the endpoint with so many instances; seconds from its creation until it is in service."""
        plan = deployment_plan.plan(self.wb, without_zero_quota(self.wb).kept, initial_count=instances)
        state = deployment.deploy(self.wb, plan).state
        return 0.0 if state.created is None else (self.wb.now() - state.created).total_seconds()

    def at(self, instances: int) -> None:
        """Come to so many instances, registered from 1 to `MOST_INSTANCES` under `POLICY`; NotReady where it cannot."""
        wb = self.wb
        if endpoint_state.find(wb) is None:
            self.deploy(instances)
        self.settled()
        registration.register(wb, instances, MOST_INSTANCES)
        if self.running > instances:
            set_desired(wb, instances)
        if not self.until(lambda: self.running == instances and self.in_service, at_most_s=_CHANGE_S):
            raise NotReady(f"{wb.endpoint_name} has {self.running} instances and not {instances}.", hint="Run again.")
        registration.register(wb, 1, MOST_INSTANCES)
        registration.apply(wb, POLICY)

    @contextmanager
    def streams(self, number: int) -> Iterator[Load]:
        with self.load_of(self.wb) as load:
            load.set(number)
            load.wait_open()
            yield load

    def spread(self, load: Load, number: int) -> None:
        """Open all streams anew: those of before stay on the instances that there were."""
        load.set(0)
        self.until(lambda: load.snapshot().open == 0, at_most_s=_CHANGE_S)
        load.set(number)
        load.wait_open()

    def settled(self) -> None:
        endpoint_state.settle(self.wb, timeout_s=_CHANGE_S, on_progress=None)

    @property
    def state(self) -> EndpointState:
        return endpoint_state.status(self.wb)

    @property
    def in_service(self) -> bool:
        return self.state.status == "InService"

    @property
    def running(self) -> int:
        """Instances that serve."""
        return self.state.variant(self.wb.variant_name).running

    @property
    def desired(self) -> int:
        """Instances that are asked for."""
        return self.state.variant(self.wb.variant_name).desired

    def activities(self, since: datetime) -> list[ScalingActivity]:
        """Scaling activities that began since then, oldest first."""
        return [a for a in reversed(observe.read_activities(self.wb)) if a.started >= since]

    def until[T](self, look: Callable[[], T], *, at_most_s: float) -> T:
        """Look until there is something to see, or time is over; what was seen last."""
        end_s = self.wb.now_s() + at_most_s
        while not (seen := look()) and self.wb.now_s() < end_s:
            self.wb.sleep(_LOOK_EVERY_S)
        return seen


def codes(activities: list[ScalingActivity]) -> str:
    """Why activities did not scale, in AWS's codes; empty where none was decided against."""
    return ", ".join(dict.fromkeys(code for a in activities for code in a.not_scaled_reasons))
