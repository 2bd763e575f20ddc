"""``dgsm doctor``: what is wrong with an endpoint's configuration. Exit code 1 when a finding says STOP."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_doctor(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser("doctor", help="hold an endpoint's configuration against measured capacity and AWS's rules")
    add_place(verb)
    verb.add_argument("--peak-streams", type=float, metavar="N", help="most streams at once that you expect")
    verb.add_argument("--growth-per-min", type=float, metavar="N", help="new streams a minute in the steepest rise")
    verb.add_argument("--stream-seconds", type=float, metavar="S", help="how long a stream typically lasts")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=lambda args: _doctor(args, open_workbook))


def _doctor(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers.aws.doctor.examine import Expected, examine

    expected = Expected(args.peak_streams, args.growth_per_min, args.stream_seconds)
    diagnosis = examine(open_workbook(args), expected)
    print(diagnosis.to_json() if args.json else diagnosis)
    return 0 if diagnosis.ok else 1
