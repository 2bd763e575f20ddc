"""``dgsm plan`` simulates what policies make of measured capacity.

It exits with 1 when no policy keeps the overload tolerable, and with 2 when the knee has not been measured: it is asked
for, never assumed.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from dgsm_helpers.cli.options import (
    NO,
    NUMBER,
    YES,
    Opener,
    answer,
    endpoint_place,
    json_option,
)
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook
    from dgsm_helpers.simulate.traffic import Traffic

_PEAK_IN_KNEES = 3
_TOLERATED_SHARE = 0.001


@click.command()
@endpoint_place
@click.option(
    "--traffic",
    required=True,
    metavar="FILE|PRESET",
    help="constant, step, ramp, diurnal or bursty; `recorded`: the endpoint's own last hours; calls as Asterisk, "
    "Amazon Connect, Genesys Cloud or Twilio export them, or any CSV (start,duration_s); concurrency as CloudWatch's "
    "console or aws cloudwatch get-metric-data give it, or any CSV (time,streams)",
)
@click.option(
    "--columns",
    default="",
    metavar="LIST",
    help="what a CSV's columns are called, and how its times are meant: "
    "'start=Begin,duration_s=Talk,zone=Europe/Berlin,dates=day-first'",
)
@click.option("--peak", type=NUMBER, help=f"streams at a preset's height (default: {_PEAK_IN_KNEES} x the knee)")
@click.option("--hours", type=NUMBER, help="length of a preset (default: 24)")
@click.option("--stream-seconds", type=NUMBER, help="mean length of a stream, where the traffic does not tell (300)")
@click.option("--knee", type=int, help="streams one instance sustains, when not measured here")
@click.option("--instance-type", metavar="TYPE", help="with --knee: the type that it holds for")
@click.option("--min", "low", type=int, help="fewest instances (default: the endpoint's, else 1)")
@click.option("--max", "high", type=int, help="most instances (default: the endpoint's, else what the traffic needs)")
@click.option("--hand-over", is_flag=True, help="callers hand over, as with ContinuedStream: no scale-in cuts a call")
@click.option("--sweep", is_flag=True, help="also simulate a grid of some hundred policies")
@click.option(
    "--tolerated-cuts",
    type=click.IntRange(min=0),
    metavar="CALLS",
    help="calls that scale-ins may cut (default: any number, said first)",
)
@click.option("--cluster", metavar="ADDRESS", help="with --sweep: simulate on a Dask cluster (extra `cluster`)")
@click.option("--seed", default=0, help="of what is random")
@json_option
def plan(
    open_workbook: Opener,
    *,
    knee,
    instance_type,
    low,
    high,
    hand_over,
    sweep,
    tolerated_cuts,
    cluster,
    seed,
    as_json,
    **source,
) -> int:
    """Simulate what scaling policies will do to your traffic, and recommend one.

    Needs the knee of one instance: the newest measurement of the endpoint (dgsm tune), or --knee.

    Such as: dgsm plan my-endpoint --traffic calls.csv --sweep
    """
    from dgsm_helpers.planning.advice import advise
    from dgsm_helpers.planning.measured import measured

    if cluster and not sweep:
        raise InvalidInput("Without a sweep there is nothing for a cluster to do.", hint="Add --sweep.")
    wb = open_workbook()
    instance = measured(wb, knee=knee, instance_type=instance_type)
    traffic, notes = _read_traffic(wb, knee=instance.knee, seed=seed, **source)
    connection: Any = nullcontext()  # without a cluster, processes of this machine do the work
    if cluster:
        from dgsm_helpers.load.ladder.crew import cluster_client

        connection = cluster_client(cluster)
    with connection as client:
        advice = advise(
            wb,
            traffic,
            instance,
            min_capacity=low,
            max_capacity=high,
            hand_over=hand_over,
            full_sweep=sweep,
            tolerated_cuts=tolerated_cuts,
            seed=seed,
            notes=notes,
            executor=client and client.get_executor(),
            progress=_print_progress,
        )
    answer(json.dumps(advice.to_dict(), indent=2) if as_json else advice, as_is=as_json)
    merits = advice.recommendation.best.merits
    few = tolerated_cuts is None or merits.streams_cut <= tolerated_cuts
    return YES if few and merits.over_capacity_share <= _TOLERATED_SHARE else NO


def _read_traffic(
    wb: Workbook, *, traffic, columns, knee, peak, hours, stream_seconds, seed
) -> tuple[Traffic, list[str]]:
    """The traffic, and what of it had to be assumed."""
    from dgsm_helpers.planning.back_testing import back_test, recorded_traffic
    from dgsm_helpers.planning.sources import STREAM_S, load_traffic
    from dgsm_helpers.simulate.traffic import PRESETS

    mean_s = STREAM_S if stream_seconds is None else stream_seconds
    notes = [] if stream_seconds else [f"Streams last {STREAM_S:g} s on average unless the traffic tells."]
    if traffic == "recorded":
        if peak is not None or hours is not None:
            raise InvalidInput("Recorded traffic has its own height and length.", hint="Leave out --peak and --hours.")
        recorded, begin = recorded_traffic(wb, mean_s=mean_s, seed=seed)
        notes += [f"Recorded from {begin:%Y-%m-%d %H:%M} UTC on.", *recorded.notes]
        try:
            notes.append(str(back_test(wb, mean_s=mean_s, seed=seed)))
        except (NotFound, NotReady) as error:
            notes.append(f"No back-test: {error}")
        return recorded, notes
    if peak is None and traffic in PRESETS:
        peak = float(_PEAK_IN_KNEES * knee)
        notes.append(f"No --peak was given: {peak:g} streams, {_PEAK_IN_KNEES} x the knee.")
    horizon_s = None if hours is None else hours * 3600
    read = load_traffic(traffic, peak=peak, horizon_s=horizon_s, mean_s=mean_s, seed=seed, columns=columns)
    return read, [*notes, *read.notes]


def _print_progress(done: int, total: int) -> None:
    click.echo(f"\r{done} of {total} policies simulated", nl=done == total, err=True)
