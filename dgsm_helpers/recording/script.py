"""The script of `dgsm record`: its steps in order, what they cost, and running them until all are answered.

Each step is asked once: what it saw is written down before the next begins, so that a run which was cut off goes on
with what is left. The endpoint is deleted at the end, and also when a step fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.account.quotas import without_zero_quota
from dgsm_helpers.aws.core.money import InstanceCost
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.recording import growing, promql_alarms, removal, resting, shrinking, starting
from dgsm_helpers.recording.ground import Ground, Observed
from dgsm_helpers.recording.recording_file import AwsRecording
from dgsm_helpers.session import Workbook

ENDPOINT = "dgsm-record"
"""The recording's own endpoint: no other is touched."""
MOST_MINUTES, MOST_USD = 90.0, 15.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what it asks, by its docstring, and about how many minutes of how many instances that takes."""

    ask: Callable[[Ground], Observed]
    minutes: float
    instances: int

    @property
    def name(self) -> str:
        """What assumptions call it that it settles."""
        return self.ask.__name__

    @property
    def question(self) -> str:
        """What it asks, in a sentence."""
        return str(self.ask.__doc__)


STEPS = (
    Step(ask=starting.start, minutes=9, instances=1),
    Step(ask=resting.alarms, minutes=1, instances=1),
    Step(ask=resting.idle, minutes=5, instances=1),
    Step(ask=promql_alarms.promql, minutes=4, instances=2),
    Step(ask=growing.growth, minutes=19, instances=3),
    Step(ask=shrinking.shrinking, minutes=24, instances=3),
    Step(ask=starting.again, minutes=12, instances=2),
    Step(ask=removal.removal, minutes=10, instances=2),
)


def price(wb: Workbook, steps: Sequence[Step] = STEPS) -> InstanceCost:
    """What the steps cost on the dearest type that they may run on, without the Marketplace software fee."""
    minutes = sum(step.minutes * step.instances for step in steps)
    return InstanceCost.of(wb, without_zero_quota(wb).kept, minutes)


def record(
    wb: Workbook,
    *,
    steps: Sequence[Step] | None = None,
    load_of: Callable[[Workbook], Load] = Load,
    say: Callable[[str], object] = print,
) -> AwsRecording:
    """Ask AWS what is assumed of it, as far as it has not been asked before.

    Args:
        wb: of the recording's own endpoint, `ENDPOINT`.
        steps: those that are asked; default: all.
        load_of: holds the streams.
        say: told in sentences what is done.

    Returns:
        The recording, which is also kept in the state folder.

    Raises:
        SpendNotConfirmed, DeletionNotConfirmed: the workbook was opened without either; the message states the price.
        InvalidInput: it would take more than `MOST_MINUTES` or `MOST_USD`.
        DgsmError: a step could not be asked; the steps before it are kept, and the endpoint is gone.
    """
    recording = AwsRecording.kept(wb)
    left = [step for step in (STEPS if steps is None else steps) if step.name not in recording.steps]
    cost, minutes = price(wb, left), sum(step.minutes for step in left)
    if minutes > MOST_MINUTES or (cost.usd or 0.0) > MOST_USD:
        raise InvalidInput(f"It would take {minutes:g} minutes and {cost}.", hint="Choose a cheaper instance type.")
    wb.require_spend(f"Recording for about {minutes:g} minutes", price=f"about {cost}, plus the software fee")
    wb.require_delete(f"Endpoint {wb.endpoint_name}, which is made for this")
    ground, began = Ground(wb=wb, load_of=load_of, known=recording.values), wb.now()
    if left:
        say(f"It takes about {minutes:g} minutes and, on AWS, about {cost}, plus the software fee.")
    try:
        for step in left:
            say(f"{step.name} (about {step.minutes:g} min): {step.question}")
            seen = step.ask(ground)
            recording.add(wb, step.name, seen)
            ground.known.update(seen.values)
            say(f"  {seen.seen}")
    finally:
        if left:
            deletion.delete(wb)
            say(f"It took {(wb.now() - began).total_seconds() / 60:.0f} minutes.")
    return recording
