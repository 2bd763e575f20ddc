"""``dgsm report``: one offline page about an endpoint."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_report(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser("report", help="write one offline page about an endpoint, fit to be sent")
    add_place(verb)
    verb.add_argument("--out", type=Path, metavar="FILE", help="default: out/report-ENDPOINT.html")
    verb.add_argument(
        "--hours",
        type=float,
        metavar="H",
        help="length of the timeline (default: 3, as long as ten-second data is kept)",
    )
    verb.set_defaults(run=lambda args: _report(args, open_workbook))


def _report(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers.views.pages.report import WINDOW_S, write_report

    out = args.out or Path("out") / f"report-{args.endpoint}.html"
    print(write_report(open_workbook(args), out, last_s=args.hours * 3600 if args.hours else WINDOW_S))
    return 0
