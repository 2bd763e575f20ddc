"""What the verbs of ``dgsm`` share: exit codes, options, and a workbook on the endpoint that was named."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from inspect import cleandoc
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from dgsm_helpers.cli.next_steps import in_commands
from dgsm_helpers.rules.foreign_text import in_terminal

if TYPE_CHECKING:
    from dgsm_helpers.aws.endpoint.endpoint_state import OnProgress
    from dgsm_helpers.session import Workbook

type Opener = Callable[..., Workbook]
"""`open_workbook`, for the place and endpoint that were named."""

YES, NO, FAILED, NEEDS_CONFIRMATION = 0, 1, 2, 3
SETTINGS = "dgsm.toml, DGSM_*"
"""Where a value comes from that is not given (`settings.settings_file`)."""
PATH = click.Path(path_type=Path)
VARIANT = "AllTraffic"

_PLACE = f"{__name__}.place"
"""Where a run of the command keeps which endpoint it is about, and where that is."""
_COLOURS = {"✓": "green", "?": "cyan", "!": "yellow", "✗": "red"}
_VERDICT = re.compile(r"(?m)[✓✗] \w+|[!?] (?:WARN|UNKNOWN|unknown)\b|^Recommended: .*$")
"""A verdict with its sign (`aws.core.tables.mark`, the doctor's), and the planner's."""


class _Number(click.types.FloatParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


NUMBER = _Number()

json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object")
confirm_spend_option = click.option("--confirm-spend", is_flag=True, help="agree to what it costs on AWS")


def place_options(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds the options of where an endpoint is. The command's first argument is `open_workbook` for that place."""

    @click.option(
        "--where", type=click.Choice(("local", "aws")), help=f"embedded AWS (default) or your account; {SETTINGS}"
    )
    @click.option("--region", help=f"AWS region; {SETTINGS}")
    @click.option("--profile", help="profile of your AWS configuration")
    @click.option("--variant", default=VARIANT, help="production variant")
    @wraps(command)
    def with_place(*, endpoint=None, where, region, profile, variant, **rest) -> int | None:
        from dgsm_helpers.session import open_workbook

        given = {"--where": where, "--region": region, "--profile": profile}
        if variant != VARIANT:
            given["--variant"] = variant
        words = [word for option, value in given.items() if value for word in (option, value)]
        click.get_current_context().find_root().meta[_PLACE] = [*([endpoint] if endpoint else []), *words]
        there = partial(open_workbook, where, region=region, profile=profile)
        return command(partial(there, endpoint_name=endpoint, variant_name=variant), **rest)

    return with_place


def endpoint_place(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds ENDPOINT and the `place_options`."""
    command.__doc__ = (
        f"{cleandoc(command.__doc__ or '')}\n\nENDPOINT is an endpoint's name (default: that of {SETTINGS}, else "
        "deepgram-demo)."
    )
    return click.argument("endpoint", required=False)(place_options(command))


def say(text: object) -> None:
    """Print on the error output, where it does not mix with the answer; nothing where that is closed or full."""
    try:
        click.echo(_for_shell(text), err=True)
    except (OSError, ValueError):
        print_nothing_more(sys.stderr)


def each_change() -> OnProgress | None:
    """How a verb is told of a wait's progress: by a line for each change, or on a terminal by one line with a clock."""
    from dgsm_helpers.aws.endpoint.endpoint_state import on_change

    return None if sys.stderr is not None and sys.stderr.isatty() else on_change(say)


def print_nothing_more(stream: IO[str] | None) -> None:
    """Python flushes once more at exit: into nothing, then."""
    with suppress(OSError, ValueError):
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def answer(text: object, *, as_is: bool = False) -> None:
    """Print what was asked for; on a terminal verdicts have a colour besides their sign, unless ``NO_COLOR`` is set.

    ``as_is``: a program reads it or others wrote it, so calls that it names stay calls.
    """
    shown = in_terminal(text) if as_is else _for_shell(text)
    click.echo(shown if os.environ.get("NO_COLOR") else _VERDICT.sub(_coloured, shown))


def _coloured(verdict: re.Match[str]) -> str:
    # click takes the colours out again where no terminal reads them.
    return click.style(verdict[0], fg=_COLOURS.get(verdict[0][0]), bold=True)


def _for_shell(text: object) -> str:
    context = click.get_current_context(silent=True)
    place = None if context is None else context.find_root().meta.get(_PLACE)
    return in_commands(in_terminal(text), place)
