"""``dgsm export``: the whole set-up of an endpoint, for the user's own pipeline."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORMATS = ("cli", "boto3", "cloudformation", "terraform", "json")


def add_export(verbs: Any, *, add_place: Callable[[Any], None], open_workbook: Callable[..., Any]) -> None:
    """Add the verb to the parser's ``verbs``; ``add_place`` and ``open_workbook`` are the command's own."""
    verb = verbs.add_parser(
        "export",
        help="write an endpoint's whole set-up down as a script or template",
        description="Write an endpoint's whole set-up down: models, config, endpoint, scalable targets, policies and "
        "scheduled actions. The text goes to the output; what has to be given to use it, to the error output.",
        epilog="A template can go straight to its linter, which reads its input when it is given no file: "
        "dgsm export ENDPOINT --to cloudformation | cfn-lint",
    )
    add_place(verb)
    verb.add_argument("--to", choices=FORMATS, default="cli", help="format (default: cli)")
    verb.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of printing it")
    verb.set_defaults(run=lambda args: _export(args, open_workbook))


def _export(args: argparse.Namespace, open_workbook: Callable[..., Any]) -> int:
    from dgsm_helpers.aws.export.setup_export import export

    made = export(open_workbook(args), args.to)
    if args.out:
        args.out.write_text(made.text, encoding="utf-8")
    else:
        print(made.text, end="")
    # On stderr, so that the text can go down a pipe; what is the account's own is shown here and nowhere in it.
    for parameter in made.parameters:
        now = "(secret)" if parameter.secret else parameter.value
        print(f"dgsm: parameter {parameter.name}: {parameter.about}; here {now}", file=sys.stderr)
    for note in made.notes:
        print(f"dgsm: {note}", file=sys.stderr)
    return 0
