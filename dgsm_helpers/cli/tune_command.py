"""``dgsm tune`` measures the capacity of one instance.

It exits with 1 when the answer is not an interval as narrow as asked for (``--max-streams`` reached, rungs that stayed
inconclusive).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from dgsm_helpers.cli.options import (
    NO,
    NUMBER,
    SETTINGS,
    YES,
    Opener,
    answer,
    confirm_spend_option,
    each_change,
    endpoint_place,
    json_option,
    say,
)
from dgsm_helpers.errors import InvalidInput

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
    type=click.Choice(("strict", "deepgram", "fast")),
    default="strict",
    help="what a stream has to keep to: p95 lag 500 ms without growth (a call: 200 ms of underrun, first audio within "
    "500 ms), Deepgram's average of 400 ms, or for calls first audio within 200 ms",
)
@click.option(
    "--listing",
    metavar="NAME|ARN",
    help=f"what to deploy without an endpoint; {SETTINGS}",
)
@click.option("--role-arn", help="execution role for that deployment")
@click.option("--max-streams", default=1000, help="never hold more")
@click.option("--headroom", type=NUMBER, default=0.8, help="share of the knee to use")
@click.option("--growth-per-min", type=NUMBER, default=0.0, help="new streams a minute to be met")
@click.option("--instances", default=1, help="instances when the growth sets in")
@click.option(
    "--audio",
    metavar="FILES",
    help="stream these instead of the bundled sample: an audio file, a folder of them, or 'calls/*.wav'",
)
@click.option("--texts", metavar="FILE", help="where the model speaks: what it says, a turn a line")
@click.option(
    "--think-s",
    type=NUMBER,
    default=0.0,
    help="pause between two turns of a call (default: 2 x a turn)",
)
@click.option("--query", default="", help="what the model is asked for, as in 'model=nova-3&diarize=true'")
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="hold the streams from a Dask cluster (extra `cluster`), such as tls://HOST:8786: your AWS keys go there",
)
@click.option("--apply", is_flag=True, help="put the TargetValue into the policy")
@confirm_spend_option
@json_option
def tune(
    open_workbook: Opener,
    *,
    listing,
    role_arn,
    audio,
    texts,
    think_s,
    query,
    cluster,
    apply,
    confirm_spend,
    as_json,
    **ladder,
) -> int:
    """Measure how many real-time streams, or calls of a model that speaks, one instance sustains; derive the target.

    Scaling is suspended and the variant pinned to one instance meanwhile; both are put back whatever happens. Without
    an endpoint of that name one is deployed first.

    Such as: dgsm tune my-endpoint --audio calls/ --query 'language=es&diarize=true' --apply
    """
    from dgsm_helpers import tune as step
    from dgsm_helpers.load.ladder.crew import cluster_crew
    from dgsm_helpers.load.transport.conversation import read_texts
    from dgsm_helpers.load.transport.query import Query
    from dgsm_helpers.load.transport.recordings import read_recordings
    from dgsm_helpers.load.transport.workloads import workload_of
    from dgsm_helpers.planning.measuring import require_usable

    if not 0 <= think_s <= 600:
        raise InvalidInput(f"--think-s {think_s:g} is outside 0-600 seconds.")
    recordings = read_recordings(audio) if audio else ()
    spoken = read_texts(texts) if texts else ()
    wb = open_workbook(listing=listing, role_arn=role_arn, confirm_spend=confirm_spend)
    wb = _of_the_endpoint(wb)
    # Refused before an endpoint is deployed for it.
    require_usable(wb.family, **{name: value for name, value in ladder.items() if name != "effort"})
    Query.parse(query, wb.family)
    workload_of(wb.family, recordings=recordings, texts=spoken, think_s=think_s or None)
    calls = {"texts": texts or "", "think_s": think_s}
    # Without a cluster, processes of this machine hold the streams. A wrong one is refused before anything is deployed.
    with cluster_crew(cluster) if cluster else nullcontext() as crew:
        wb = _with_endpoint(wb)
        say(step.plan(wb, effort=ladder["effort"], criteria=ladder["criteria"], **calls))
        tuned = step.tune(
            wb,
            audio=audio or "",
            query=query,
            **calls,
            crew=crew,
            on_rung=_rung_printer(wb.family.unit, wb.family.measures[0]),
            on_progress=each_change(),
            say=say,
            **ladder,
        )
    applied = step.retarget(wb, tuned.target.value) if apply else None
    if as_json:
        answer(json.dumps({**tuned.to_dict(), "applied": applied is not None}), as_is=True)
    else:
        answer(tuned if applied is None else f"{tuned}\n{applied}")
    return YES if tuned.result.tight else NO


def _of_the_endpoint(wb: Workbook) -> Workbook:
    """The workbook with the listing that its endpoint really runs, if there is one that works."""
    from dgsm_helpers.aws.endpoint import endpoint_state
    from dgsm_helpers.aws.endpoint.endpoint_reading import EndpointReading
    from dgsm_helpers.planning.tuning import of_its_model

    state = endpoint_state.find(wb)
    return wb if state is None or state.status == "Failed" else of_its_model(wb, EndpointReading(wb))


def _with_endpoint(wb: Workbook) -> Workbook:
    """The workbook on an endpoint that is there: deployed when it was not.

    Raises:
        SpendNotConfirmed: it has to be deployed, and ``--confirm-spend`` was not given; the message states the price.
    """
    from dgsm_helpers.aws.account.quotas import without_zero_quota
    from dgsm_helpers.aws.endpoint import deployment, deployment_plan, endpoint_state

    state = endpoint_state.find(wb)
    if state is not None and state.status != "Failed":
        return wb
    plan = deployment_plan.plan(wb, without_zero_quota(wb).kept)
    say(f"There is no endpoint {wb.endpoint_name}: deploying one.\n{plan}")
    deployment.deploy(wb, plan, on_progress=each_change())
    say(f"Endpoint {wb.endpoint_name} stays; `dgsm clean-up {wb.endpoint_name} --yes` removes it.")
    return wb


def _rung_printer(unit: str, lag: str) -> Callable[[Rung], None]:
    """Prints a line for each rung whenever it has been measured."""
    began = time.monotonic()

    def print_rung(rung: Rung) -> None:
        newest = rung.holds[-1]
        verdict = f"{rung.verdict.value}{f' by {rung.constraint}' if rung.constraint else ''}"
        result = f"{verdict:<24} {rung.passed} of {rung.total} within bounds, p95 {lag} {rung.lag_p95_s * 1000:.0f} ms"
        if newest.void is not None:
            result = f"void: {newest.void}"
        streams = f"{rung.n} {unit.removesuffix('s')}{'s' * (rung.n != 1)}"
        say(f"{time.monotonic() - began:5.0f} s  {streams:<12} {result}")

    return print_rung
