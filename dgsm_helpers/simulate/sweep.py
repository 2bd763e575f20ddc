"""Many plans on the same traffic: outcomes, the Pareto front of cost against overload, and a recommendation.

All plans see the same sessions and the same random numbers, so that differences are the plans' own. Work is handed to a
``concurrent.futures.Executor``: processes by default, or whatever has that interface (a Dask cluster's
``Client.get_executor()``).
"""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass

from dgsm_helpers.errors import DgsmError, InvalidInput
from dgsm_helpers.processes.background import end_with_parent
from dgsm_helpers.simulate.conditions import Conditions
from dgsm_helpers.simulate.engine import check_playable, simulate
from dgsm_helpers.simulate.events import lay_out
from dgsm_helpers.simulate.merits import Merits, merits_of
from dgsm_helpers.simulate.scaling_plan import ScalingPlan
from dgsm_helpers.simulate.traffic import Traffic
from dgsm_helpers.simulate.words_at_risk import said_of

_PLANS_PER_TASK = 10
"""Enough that laying out the traffic once a task does not count, few enough that progress moves."""

_SPARING_SHARE = 0.2
"""Of the calls that the recommended plan cuts: at most so many, and a plan is said to spare calls."""

Progress = Callable[[int, int], None]
"""Called with (plans done, plans in all)."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A plan and what it led to."""

    plan: ScalingPlan
    merits: Merits

    @property
    def cost(self) -> float:
        """Dollars if prices were given, else instance-hours."""
        return self.merits.instance_hours if self.merits.cost_usd is None else self.merits.cost_usd


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """``best`` with its reason, the ``runner_up`` (None when the front has one plan) with what it trades, the front.

    A reason begins with the calls that are cut, if any are. ``sparing`` is then the cheapest tolerable plan that cuts
    at most a fifth as many, if there is one. ``str()`` says all of it, the plan to take first.
    """

    best: Outcome
    reason: str
    runner_up: Outcome | None
    runner_up_reason: str
    front: tuple[Outcome, ...]
    sparing: Outcome | None

    def __str__(self) -> str:
        lines = [f"Recommended: {self.best.plan.name}", f"  {self.reason}"]
        if self.runner_up:
            lines += [f"Runner-up: {self.runner_up.plan.name}", f"  {self.runner_up_reason}"]
        if self.sparing:
            merits = self.sparing.merits
            cost = (
                f"{merits.instance_hours:.1f} instance-hours" if merits.cost_usd is None else f"${merits.cost_usd:.2f}"
            )
            lines += [f"Sparing calls: {self.sparing.plan.name}", f"  {merits.streams_cut} calls cut, {cost}."]
        return "\n".join(lines)


def sweep(
    traffic: Traffic,
    plans: Sequence[ScalingPlan],
    conditions: Conditions,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Simulate every plan; outcomes are in the order of ``plans``.

    Args:
        conditions: since the model's statistic is unsettled, sweep with both and compare.
        executor: where to run; a pool of processes that ends with the call by default.
        progress: told after each batch.

    Raises:
        InvalidInput: no plans, or traffic shorter than a plan's cooldown; found before anything runs.
        NotReady: a capacity has not been measured.
        DgsmError: a process or a worker of the executor was lost.
    """
    if not plans:
        raise InvalidInput("A sweep needs at least one plan.")
    for plan in plans:
        conditions.capacities_of(plan)
        check_playable(traffic, plan)
    batches = [plans[i : i + _PLANS_PER_TASK] for i in range(0, len(plans), _PLANS_PER_TASK)]
    with nullcontext(executor) if executor else processes(len(batches)) as pool:
        futures = {pool.submit(_run_batch, traffic, batch, conditions): len(batch) for batch in batches}
        done = 0
        try:
            for future in as_completed(futures):
                _result(future)
                done += futures[future]
                if progress:
                    progress(done, len(plans))
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    merits = [item for future in futures for item in future.result()]
    return tuple(Outcome(plan=plan, merits=m) for plan, m in zip(plans, merits, strict=True))


def front_of(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """The outcomes that no other beats in both cost and stream-seconds over capacity, cheapest first."""
    front: list[Outcome] = []
    for outcome in sorted(outcomes, key=lambda o: (o.cost, o.merits.over_capacity_stream_s)):
        if not front or outcome.merits.over_capacity_stream_s < front[-1].merits.over_capacity_stream_s:
            front.append(outcome)
    return tuple(front)


def recommend(
    outcomes: Sequence[Outcome], *, tolerated_share: float = 0.001, tolerated_cuts: int | None = None
) -> Recommendation:
    """The cheapest plan whose overload is tolerable, or else the one with the least; of those that can be applied.

    Args:
        tolerated_share: share of stream-seconds that may be in excess of the knee; 0.001 is one second in a thousand.
        tolerated_cuts: calls that scale-ins may cut over the whole traffic. Where no plan of tolerable overload cuts so
            few, those that cut the fewest count. None: as many as the cheapest plan cuts; the reason says them first.

    Raises:
        InvalidInput: none can be applied, or ``tolerated_cuts`` is below zero.
    """
    if tolerated_cuts is not None and tolerated_cuts < 0:
        raise InvalidInput(f"tolerated_cuts is {tolerated_cuts}.", hint="Give 0 or more calls, or leave it out.")
    usable = [outcome for outcome in outcomes if outcome.plan.can_be_applied]
    if not usable:
        raise InvalidInput(
            "None of these plans can be applied as it is.", hint="Give one with a single target-tracking policy."
        )
    considered, unmet = _cutting_few(usable, tolerated_share, tolerated_cuts)
    front = front_of(considered)
    good = [o for o in front if o.merits.over_capacity_share <= tolerated_share]
    if not good:
        best, place = front[-1], len(front) - 1
        reason = (
            f"No plan keeps the excess within {tolerated_share:.2%} of stream-time; this one comes closest with "
            f"{best.merits.over_capacity_share:.2%}. A higher maximum, a lower target or a scheduled minimum may help."
        )
    else:
        best, place = good[0], front.index(good[0])
        reason = (
            f"The cheapest of {len(considered)} plans with at most {tolerated_share:.2%} of stream-time in excess of "
            f"the knee ({best.merits.over_capacity_share:.3%})."
        )
    sparing = _sparing(usable, best, tolerated_share)
    runner_up = front[place + 1] if place + 1 < len(front) else (front[place - 1] if place else None)
    return Recommendation(
        best=best,
        reason=" ".join(filter(None, (_cuts(best, sparing), unmet, reason, _caution(best)))),
        runner_up=runner_up,
        runner_up_reason=_trade(best, runner_up) if runner_up else "No other plan is on the front.",
        front=front,
        sparing=sparing,
    )


def _cutting_few(
    usable: Sequence[Outcome], tolerated_share: float, tolerated_cuts: int | None
) -> tuple[Sequence[Outcome], str]:
    """The plans that cut no more calls than is tolerable, with what has to be said where that is too little to ask."""
    calm_cuts = [o.merits.streams_cut for o in usable if o.merits.over_capacity_share <= tolerated_share]
    if tolerated_cuts is None or not calm_cuts:
        return usable, ""
    most = max(tolerated_cuts, min(calm_cuts))
    unmet = ""
    if most > tolerated_cuts:
        unmet = f"No plan of tolerable overload cuts {tolerated_cuts or 'no'} calls; {most} are the fewest."
    return [o for o in usable if o.merits.streams_cut <= most], unmet


def _sparing(usable: Sequence[Outcome], best: Outcome, tolerated_share: float) -> Outcome | None:
    """The cheapest of the plans that cut at most `_SPARING_SHARE` as many calls as ``best``, and are no more overloaded
    than what is tolerable or than ``best``; None where ``best`` cuts none, or there is no such plan."""
    cut, most = best.merits.streams_cut, max(tolerated_share, best.merits.over_capacity_share)
    calm = [o for o in usable if o.merits.over_capacity_share <= most]
    sparing = [o for o in calm if o.merits.streams_cut <= _SPARING_SHARE * cut]
    return min(sparing, key=lambda o: o.cost, default=None) if cut else None


def _cuts(best: Outcome, sparing: Outcome | None) -> str:
    """What is said before all else: calls that are cut, and what it costs to cut fewer."""
    text = said_of(best.merits.streams_cut)
    if sparing is None:
        return text
    cut, more = sparing.merits.streams_cut, sparing.cost / best.cost - 1 if best.cost else 0.0
    return f"{text} To cut {cut or 'none'} costs {more:.0%} more: {sparing.plan.name}."


def _caution(best: Outcome) -> str:
    """What cost and overload do not show: room above this traffic."""
    most = best.plan.bounds.max_capacity
    if best.merits.peak_instances < most:
        return ""
    return f"It reaches its maximum of {most}, so that busier traffic than this would overload it."


def _trade(best: Outcome, other: Outcome) -> str:
    cost = other.cost / best.cost - 1 if best.cost else 0.0
    less = best.merits.over_capacity_stream_s - other.merits.over_capacity_stream_s
    gain = f"{abs(less):.0f} {'fewer' if less > 0 else 'more'} stream-seconds over capacity"
    trade = f"{abs(cost):.1%} {'more' if cost > 0 else 'less'} cost for {gain}."
    return f"{said_of(other.merits.streams_cut)} {trade}".lstrip()


def processes(tasks: int) -> ProcessPoolExecutor:
    """One for each processor, or for each task where there are fewer; they end with this process at the latest."""
    # Not fork: notebooks and the embedded AWS have threads, and a forked copy of a held lock never opens.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    # What they are forked from imports numba and loads the machine code once, for the sweeps that follow too.
    context.set_forkserver_preload(["dgsm_helpers.simulate.loaded_player"])
    workers = min(tasks, os.cpu_count() or 1)
    return ProcessPoolExecutor(max_workers=workers, mp_context=context, initializer=end_with_parent)


def _result(future: Future[list[Merits]]) -> list[Merits]:
    try:
        return future.result()
    except DgsmError:
        raise
    except Exception as error:
        raise DgsmError(
            f"A process of the sweep was lost ({type(error).__name__}: {error}).",
            hint="If memory has run out, give shorter traffic, or an executor with fewer processes.",
        ) from error


def _run_batch(traffic: Traffic, plans: Sequence[ScalingPlan], conditions: Conditions) -> list[Merits]:
    """One task, self-contained so that any executor can carry it elsewhere."""
    events = lay_out(traffic, conditions)
    runs = (simulate(traffic, plan, conditions, events=events) for plan in plans)
    return [merits_of(run, usd_per_hour=conditions.usd_per_hour) for run in runs]
