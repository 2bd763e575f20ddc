"""``dgsm tune``: how many streams one instance sustains, and the TargetValue that follows.

Exit code 1 when the answer is not an interval as narrow as asked for (``--max-streams`` reached, rungs that stayed
inconclusive).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dgsm_helpers.cli.options import NO, YES, Opener, confirm_spend_option, endpoint_place, json_option, say

if TYPE_CHECKING:
    from dgsm_helpers.load.ladder.rung import Rung
    from dgsm_helpers.session import Workbook


@click.command()
@endpoint_place
@click.option(
    "--effort",
    type=click.Choice(("quick", "standard", "thorough")),
    help="time against confidence (default: quick on the embedded AWS, standard on aws)",
)
@click.option(
    "--criteria",
    type=click.Choice(("strict", "deepgram")),
    default="strict",
    help="what a stream has to keep to: p95 lag 500 ms without growth, or Deepgram's average of 400 ms",
)
@click.option(
    "--listing", default="metered", metavar="NAME|ARN", help="what to deploy without an endpoint (metered, speech)"
)
@click.option("--role-arn", help="execution role for that deployment")
@click.option("--max-streams", default=1000, help="never hold more")
@click.option("--headroom", default=0.8, help="share of the knee to use")
@click.option("--growth-per-min", default=0.0, help="new streams a minute to be met")
@click.option("--instances", default=1, help="instances when the growth sets in")
@click.option(
    "--audio",
    metavar="WAV",
    help="stream these instead of the bundled sample: a mono 16-bit WAV file, a folder of them, or 'calls/*.wav'",
)
@click.option("--query", default="", help="what the model is asked for, as in 'model=nova-3&diarize=true'")
@click.option("--cluster", metavar="ADDRESS", help="hold the streams from a Dask cluster (extra `cluster`)")
@click.option("--apply", is_flag=True, help="put the TargetValue into the policy")
@confirm_spend_option
@json_option
def tune(
    open_workbook: Opener, *, listing, role_arn, audio, query, cluster, apply, confirm_spend, as_json, **ladder
) -> int:
    """Measure how many real-time streams one instance sustains, and derive the TargetValue.

    Scaling is suspended and the variant pinned to one instance meanwhile; both are put back whatever happens. Without
    an endpoint of that name one is deployed first.
    """
    from dgsm_helpers import tune as step
    from dgsm_helpers.aws.endpoint.endpoint_state import on_change
    from dgsm_helpers.load.ladder.crew import cluster_crew
    from dgsm_helpers.load.transport.recordings import read_wavs
    from dgsm_helpers.load.transport.stream_target import ListenOptions

    if audio:
        read_wavs(audio)  # refused before an endpoint is deployed for it
    ListenOptions.parse(query)
    wb = _with_endpoint(open_workbook(listing=listing, role_arn=role_arn, confirm_spend=confirm_spend))
    say(step.plan(wb, effort=ladder["effort"], criteria=ladder["criteria"]))
    # Without a cluster, processes of this machine hold the streams.
    with cluster_crew(cluster) if cluster else nullcontext() as crew:
        tuned = step.tune(
            wb,
            audio=audio or "",
            query=query,
            crew=crew,
            on_rung=_rung_printer(),
            on_progress=on_change(say),
            say=say,
            **ladder,
        )
    applied = step.retarget(wb, tuned.target.value) if apply else None
    if as_json:
        click.echo(json.dumps({**tuned.to_dict(), "applied": applied is not None}))
    else:
        click.echo(tuned if applied is None else f"{tuned}\n{applied}")
    return YES if tuned.result.tight else NO


def _with_endpoint(wb: Workbook) -> Workbook:
    """The workbook on an endpoint that is there: deployed when it was not, from the listing it really runs otherwise.

    Raises:
        SpendNotConfirmed: it has to be deployed, and ``--confirm-spend`` was not given; the message states the price.
    """
    from dgsm_helpers.aws.account import preflight
    from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state
    from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading

    state = endpoint_state.find(wb)
    if state is not None and state.status != "Failed":
        return replace(wb, model_package_arn=EndpointReading(wb).model_package_arn)
    plan = deployment_plan.plan(wb, preflight.without_zero_quota(wb).kept)
    say(f"There is no endpoint {wb.endpoint_name}: deploying one.\n{plan}")
    deployment.deploy(wb, plan, on_progress=endpoint_state.on_change(say))
    say(f"Endpoint {wb.endpoint_name} stays; `dgsm clean-up {wb.endpoint_name} --yes` removes it.")
    return wb


def _rung_printer() -> Callable[[Rung], None]:
    """Prints a line for each rung whenever it has been measured."""
    began = time.monotonic()

    def print_rung(rung: Rung) -> None:
        newest = rung.holds[-1]
        verdict = f"{rung.verdict.value}{f' by {rung.constraint}' if rung.constraint else ''}"
        result = f"{verdict:<24} {rung.passed} of {rung.total} within bounds, p95 lag {rung.lag_p95_s * 1000:.0f} ms"
        if newest.void is not None:
            result = f"void: {newest.void}"
        streams = f"{rung.n} stream{'s' * (rung.n != 1)}"
        say(f"{time.monotonic() - began:5.0f} s  {streams:<12} {result}")

    return print_rung
