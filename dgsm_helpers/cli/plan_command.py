"""``dgsm plan``: what scaling policies will do to given traffic, and which to take. Simulated; changes nothing.

Exit code 1 when no policy keeps the overload tolerable, 2 when the knee has not been measured: it is asked for, never
assumed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

_PEAK_IN_KNEES = 3
_TOLERATED_SHARE = 0.001


def add_plan(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser(
        "plan",
        help="simulate what scaling policies will do to your traffic",
        description="Simulate what scaling policies will do to your traffic, and recommend one. Needs the knee of one "
        "instance: the newest measurement of the endpoint (dgsm tune), or --knee.",
    )
    add_place(verb)
    verb.add_argument(
        "--traffic",
        required=True,
        metavar="FILE|PRESET",
        help="constant, step, ramp, diurnal or bursty; `recorded`: the endpoint's own last hours; a CSV of calls "
        "(start,duration_s) or of concurrency (time,streams); the JSON of aws cloudwatch get-metric-data",
    )
    verb.add_argument(
        "--peak", type=float, metavar="N", help=f"streams at a preset's height (default: {_PEAK_IN_KNEES} x the knee)"
    )
    verb.add_argument("--hours", type=float, metavar="H", help="length of a preset (default: 24)")
    verb.add_argument(
        "--stream-seconds",
        type=float,
        metavar="S",
        help="mean length of a stream, where the traffic does not tell (300)",
    )
    verb.add_argument("--knee", type=int, metavar="N", help="streams one instance sustains, when not measured here")
    verb.add_argument("--instance-type", metavar="TYPE", help="with --knee: the type that it holds for")
    verb.add_argument("--min", type=int, default=1, metavar="N", help="fewest instances (default: 1)")
    verb.add_argument("--max", type=int, metavar="N", help="most instances (default: as many as the traffic needs)")
    verb.add_argument("--sweep", action="store_true", help="also simulate a grid of some hundred policies")
    verb.add_argument("--cluster", metavar="ADDRESS", help="with --sweep: simulate on a Dask cluster (extra `cluster`)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of what is random (default: 0)")
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.set_defaults(run=lambda args: _plan(args, open_workbook))


def _plan(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers.errors import InvalidInput
    from dgsm_helpers.planning.advice import advise
    from dgsm_helpers.planning.measured import measured
    from dgsm_helpers.rules.model import ScalingModel

    if args.cluster and not args.sweep:
        raise InvalidInput("Without a sweep there is nothing for a cluster to do.", hint="Add --sweep.")
    wb = open_workbook(args)
    instance = measured(wb, knee=args.knee, instance_type=args.instance_type)
    traffic, notes = _traffic(args, wb, instance.knee)
    connection: Any = nullcontext()  # without a cluster, processes of this machine do the work
    if args.cluster:
        from dgsm_helpers.load.ladder.crew import cluster_client

        connection = cluster_client(args.cluster)
    with connection as cluster:
        advice = advise(
            wb,
            traffic,
            instance,
            model=ScalingModel(),
            min_capacity=args.min,
            max_capacity=args.max,
            full_sweep=args.sweep,
            seed=args.seed,
            notes=notes,
            executor=cluster and cluster.get_executor(),
            progress=_say,
        )
    _print(json.dumps(advice.to_dict(), indent=2) if args.json else str(advice))
    return 0 if advice.recommendation.best.merits.over_capacity_share <= _TOLERATED_SHARE else 1


def _traffic(args: argparse.Namespace, wb: Any, knee: int) -> tuple[Any, list[str]]:
    """The traffic, and what of it was not given."""
    from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
    from dgsm_helpers.planning.calibrating import back_test, recorded_traffic
    from dgsm_helpers.planning.sources import STREAM_S, load_traffic
    from dgsm_helpers.simulate.traffic import PRESETS

    mean_s = STREAM_S if args.stream_seconds is None else args.stream_seconds
    notes = [] if args.stream_seconds else [f"Streams last {STREAM_S:g} s on average unless the traffic tells."]
    if args.traffic == "recorded":
        if args.peak is not None or args.hours is not None:
            raise InvalidInput("Recorded traffic has its own height and length.", hint="Leave out --peak and --hours.")
        traffic, begin = recorded_traffic(wb, mean_s=mean_s, seed=args.seed)
        notes.append(f"Recorded from {begin:%Y-%m-%d %H:%M} UTC on.")
        try:
            notes.append(str(back_test(wb, mean_s=mean_s, seed=args.seed)))
        except (NotFound, NotReady) as error:
            notes.append(f"No back-test: {error}")
        return traffic, notes
    peak = args.peak
    if peak is None and args.traffic in PRESETS:
        peak = float(_PEAK_IN_KNEES * knee)
        notes.append(f"No --peak was given: {peak:g} streams, {_PEAK_IN_KNEES} x the knee.")
    horizon_s = None if args.hours is None else args.hours * 3600
    return load_traffic(args.traffic, peak=peak, horizon_s=horizon_s, mean_s=mean_s, seed=args.seed), notes


def _say(done: int, of: int) -> None:
    end = "\n" if done == of else ""
    print(f"\r{done} of {of} policies simulated", end=end, file=sys.stderr, flush=True)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again when it closes stdout at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
