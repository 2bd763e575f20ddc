"""``dgsm tune``: how many streams one instance sustains, and the TargetValue that follows.

Exit code 1 when the answer is not an interval as narrow as asked for (``--max-streams`` reached, rungs that stayed
inconclusive).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any


def add_tune(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser(
        "tune",
        help="measure how many streams one instance sustains, and derive the TargetValue",
        description="Measure how many real-time streams one instance sustains, and derive the TargetValue. Scaling is "
        "suspended and the variant pinned to one instance meanwhile; both are put back whatever happens. Without an "
        "endpoint of that name one is deployed first.",
    )
    add_place(verb)
    verb.add_argument(
        "--effort",
        choices=("quick", "standard", "thorough"),
        help="time against confidence (default: quick on the embedded AWS, standard on aws)",
    )
    verb.add_argument(
        "--criteria",
        choices=("strict", "deepgram"),
        default="strict",
        help="what a stream has to keep to: p95 lag 500 ms without growth, or Deepgram's average of 400 ms",
    )
    verb.add_argument(
        "--listing", metavar="NAME|ARN", help="what to deploy when there is no endpoint (metered, speech)"
    )
    verb.add_argument("--role-arn", help="execution role for that deployment")
    verb.add_argument("--max-streams", type=int, default=1000, metavar="N", help="never hold more (default: 1000)")
    verb.add_argument(
        "--headroom", type=float, default=0.8, metavar="X", help="share of the knee to use (default: 0.8)"
    )
    verb.add_argument("--growth-per-min", type=float, default=0.0, metavar="N", help="new streams a minute to be met")
    verb.add_argument("--instances", type=int, default=1, metavar="N", help="instances when the growth sets in")
    verb.add_argument(
        "--audio",
        default="",
        metavar="WAV",
        help="stream these instead of the bundled sample: a mono 16-bit WAV file, a folder of them, or 'calls/*.wav'",
    )
    verb.add_argument(
        "--query", default="", metavar="QUERY", help="what the model is asked for, as in 'model=nova-3&diarize=true'"
    )
    verb.add_argument("--cluster", metavar="ADDRESS", help="hold the streams from a Dask cluster (extra `cluster`)")
    verb.add_argument("--apply", action="store_true", help="put the TargetValue into the policy")
    verb.add_argument("--confirm-spend", action="store_true", help="agree to what it costs on AWS")
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.set_defaults(run=lambda args: _tune(args, open_workbook))


def _tune(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers import tune
    from dgsm_helpers.aws.endpoint.deployment import on_change
    from dgsm_helpers.aws.scaling.registration import retarget
    from dgsm_helpers.load.transport.recordings import read_wavs
    from dgsm_helpers.load.transport.stream_target import ListenOptions

    recordings = read_wavs(args.audio) if args.audio else ()
    options = ListenOptions.parse(args.query)
    wb = _with_endpoint(args, open_workbook)
    _say(tune.plan(wb, effort=args.effort, criteria=args.criteria))
    connection: Any = nullcontext()  # without a cluster, processes of this machine hold the streams
    if args.cluster:
        from dgsm_helpers.load.ladder.crew import cluster_crew

        connection = cluster_crew(args.cluster)
    with connection as crew:
        tuned = tune.tune(
            wb,
            effort=args.effort,
            criteria=args.criteria,
            max_streams=args.max_streams,
            headroom=args.headroom,
            instances=args.instances,
            growth_per_min=args.growth_per_min,
            recordings=recordings,
            options=options,
            crew=crew,
            on_rung=_rung_lines(),
            on_progress=on_change(_say),
            say=_say,
        )
    applied = retarget(wb, tuned.target.value) if args.apply else None
    if args.json:
        print(json.dumps({**tuned.to_dict(), "applied": applied is not None}))
    else:
        print(tuned if applied is None else f"{tuned}\n{applied}")
    return 0 if tuned.result.tight else 1


def _with_endpoint(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> Any:
    """The workbook on an endpoint that is there: deployed when it was not, from the listing it really runs otherwise.

    Raises:
        SpendNotConfirmed: it has to be deployed, and ``--confirm-spend`` was not given; the message states the price.
    """
    from dgsm_helpers.aws.account import preflight
    from dgsm_helpers.aws.endpoint import deployment, endpoint_state
    from dgsm_helpers.aws.endpoint.endpoint_state import deployed_package

    given = {"listing": args.listing} if args.listing else {}
    wb = open_workbook(args, confirm_spend=args.confirm_spend, role_arn=args.role_arn, **given)
    state = endpoint_state.find(wb)
    if state is not None and state.status != "Failed":
        return replace(wb, model_package_arn=deployed_package(wb, state))
    pool = preflight.without_zero_quota(wb)
    plan = deployment.plan(wb, pool.kept)
    _say(f"There is no endpoint {wb.endpoint_name}: deploying one.\n{plan}")
    deployment.deploy(wb, plan, on_progress=deployment.on_change(_say))
    _say(f"Endpoint {wb.endpoint_name} stays; `dgsm clean-up {wb.endpoint_name} --yes` removes it.")
    return wb


def _rung_lines() -> Callable[[Any], None]:
    """Prints a line for each rung whenever it has been measured."""
    began = time.monotonic()

    def line(rung: Any) -> None:
        newest = rung.holds[-1]
        verdict = f"{rung.verdict.value}{f' by {rung.constraint}' if rung.constraint else ''}"
        told = f"{verdict:<24} {rung.passed} of {rung.total} within bounds, p95 lag {rung.lag_p95_s * 1000:.0f} ms"
        if newest.void is not None:
            told = f"void: {newest.void}"
        streams = f"{rung.n} stream{'s' * (rung.n != 1)}"
        _say(f"{time.monotonic() - began:5.0f} s  {streams:<12} {told}")

    return line


def _say(text: object) -> None:
    print(text, file=sys.stderr, flush=True)
