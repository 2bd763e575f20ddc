"""``dgsm watch``: the live view in a terminal or on a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_watch(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser("watch", help="watch an endpoint live, in the terminal or on a page; Ctrl-C ends it")
    add_place(verb)
    verb.add_argument("--html", type=Path, metavar="FILE", help="keep a stand-alone page up to date instead")
    verb.add_argument("--window", type=float, default=1800, metavar="S", help="seconds shown (default: 1800)")
    verb.add_argument("--every", type=float, metavar="S", help="seconds between refreshes (default: the metric's 10)")
    verb.add_argument("--once", action="store_true", help="one picture, and done")
    verb.set_defaults(run=lambda args: _watch(args, open_workbook))


def _watch(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers.views.pages.watch import watch_in_terminal, watch_on_page

    how = {"window_s": args.window, "every_s": args.every, "once": args.once}
    wb = open_workbook(args)
    try:
        if args.html:
            print(f"Open {args.html.resolve()}; Ctrl-C ends it.", file=sys.stderr)
            watch_on_page(wb, args.html, **how)
        else:
            watch_in_terminal(wb, sys.stdout, **how)
    except KeyboardInterrupt:
        # How it is meant to end.
        pass
    return 0
