"""The ``dgsm`` command, and its verbs that run notebooks.

Exit codes: 0 yes, 1 a negative answer, 2 the call itself failed (it says nothing about the question), 3 needs
confirmation. A verb returns its own, and imports what it needs when it runs, so that help comes at once.
"""

import errno
import gc
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path

import click

from dgsm_helpers import local as process
from dgsm_helpers.aws.core.interrupts import termination_raises
from dgsm_helpers.cli.account_commands import listing, quota, role
from dgsm_helpers.cli.endpoint_commands import clean_up, doctor, export, iam, report, restore, update, watch
from dgsm_helpers.cli.local_commands import local
from dgsm_helpers.cli.options import FAILED, NEEDS_CONFIRMATION, NO, NUMBER, PATH, YES, print_nothing_more, say
from dgsm_helpers.cli.plan_command import plan
from dgsm_helpers.cli.record_command import record
from dgsm_helpers.cli.show_command import show
from dgsm_helpers.cli.sizing_commands import forecast, size
from dgsm_helpers.cli.step_commands import deploy, logs, pause, preflight, register, resume, status
from dgsm_helpers.cli.studio_commands import studio
from dgsm_helpers.cli.tune_command import tune
from dgsm_helpers.errors import DgsmError, NotConfirmed


@click.command()
@click.option("--out", type=PATH, default="out", help="folder of the report")
def demo(out: Path) -> int:
    """Run the whole workbook on the embedded AWS, in minutes.

    Such as: dgsm demo --out out
    """
    from dgsm_helpers.workbook.demo import METERED, SPEED, run_demo

    home = process.home_folder()
    was_running = process.find(home) is not None
    if not was_running:
        process.up(home, speed=SPEED, metered=METERED)
    try:
        return run_demo(out=out)
    finally:
        if not was_running:
            process.down(home)


@click.command()
@click.argument("notebooks", nargs=-1, required=True, type=PATH, metavar="NOTEBOOK...")
@click.option("-p", "given", type=(str, str), multiple=True, metavar="NAME VALUE", help="set a parameter")
@click.option(
    "-r", "raw", type=(str, str), multiple=True, metavar="NAME TEXT", help="the same, without inferring a type"
)
@click.option("-f", "files", type=PATH, multiple=True, metavar="FILE", help="set those in a YAML or JSON file")
@click.option("-y", "texts", multiple=True, metavar="YAML", help="set those in a text of YAML")
@click.option("--out", type=PATH, default="out", help="folder of the executed notebooks")
@click.option("--timeout", type=NUMBER, default=2700, help="seconds a cell may take")
def run(
    *,
    notebooks: tuple[Path, ...],
    given: tuple[tuple[str, str], ...],
    raw: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    texts: tuple[str, ...],
    out: Path,
    timeout: float,
) -> int:
    """Run notebooks in order, with parameters, in this interpreter and in the working folder.

    Parameters are given as papermill takes them; each is checked against the type that its notebook declares.

    Such as: dgsm run notebooks/01_deploy.ipynb -p endpoint_name my-endpoint
    """
    from dgsm_helpers.workbook.notebook_inputs import CommandLineText, read_parameters
    from dgsm_helpers.workbook.run_notebooks import run_notebooks

    parameters = read_parameters(files, texts) | {name: CommandLineText(text) for name, text in given} | dict(raw)
    return YES if run_notebooks(notebooks, parameters, out, timeout) else NO


@click.command()
@click.argument("notebooks", nargs=-1, required=True, type=PATH, metavar="NOTEBOOK...")
@click.option("--out", type=PATH, metavar="FOLDER", help="folder of the pages (default: beside each notebook)")
def html(notebooks: tuple[Path, ...], out: Path | None) -> None:
    """Turn executed notebooks into pages that need no network: with figures, and what each widget last showed.

    nbconvert's own pages, and JupyterLab's export, leave both out.

    Such as: dgsm html out/04_monitor.ipynb
    """
    from dgsm_helpers.workbook.notebook_page import write_html

    for notebook in notebooks:
        click.echo(write_html(notebook, (out or notebook.parent) / f"{notebook.stem}.html"))


UNFORESEEN = "unforeseen"
"""What an error is called that nothing of ours raised on purpose."""


class Verbs(click.Group):
    """All verbs, in the order of the work. What a verb raises becomes a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        switches = set(_switches(self))
        for option, value in pairwise([*args, "…"]):
            is_empty = option.endswith("=") or (value == "" and option not in switches)
            if option.startswith("-") and is_empty:
                # Taken for not given, it would quietly be another file, profile or region that is worked on.
                raise click.UsageError(
                    f"Nothing stands after {option.rstrip('=')}: is a variable of the shell not set?"
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        ctx.exit(exit_code(lambda: super(Verbs, self).invoke(ctx), debug=ctx.params.get("debug", False)))


def _switches(command: click.Command) -> Iterator[str]:
    """Options without a value, of a command and of those within it."""
    for option in command.params:
        if isinstance(option, click.Option) and (option.is_flag or option.count):
            yield from (*option.opts, *option.secondary_opts)
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _switches(inner)


def exit_code(run: Callable[[], object], *, debug: bool = False) -> int:
    """How the command ends, by what running it returns or raises: 1 is a verb's own answer and nothing else.

    With ``debug`` the traceback of what nobody foresaw is printed, too.
    """
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
    except BrokenPipeError:
        # The reader has seen enough (`dgsm plan … | head`).
        print_nothing_more(sys.stdout)
        return YES
    except SystemExit as end:
        for note in getattr(end, "__notes__", ()):
            say(note)
        if isinstance(end.code, int):
            return end.code
        say(end.code or "")
        return FAILED if end.code else YES
    except (DgsmError, OSError, KeyboardInterrupt, click.Abort) as error:
        text = error if isinstance(error, (DgsmError, OSError)) else "interrupted"
        say("\n".join([f"dgsm: {text}", *getattr(error, "__notes__", ())]))
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            print_nothing_more(sys.stdout)
        return NEEDS_CONFIRMATION if isinstance(error, NotConfirmed) else FAILED
    except Exception as error:
        if debug:
            say(traceback.format_exc())
        say(
            f"dgsm: {UNFORESEEN} {type(error).__name__}: {error}. This is a fault of dgsm's: please report it, with "
            "what `dgsm --debug` and the rest of the line shows."
        )
    else:
        return code if isinstance(code, int) else YES
    return FAILED


@click.group(
    cls=Verbs,
    commands=(
        demo,
        run,
        html,
        local,
        preflight,
        listing,
        role,
        quota,
        iam,
        deploy,
        register,
        status,
        doctor,
        tune,
        size,
        plan,
        forecast,
        record,
        watch,
        show,
        logs,
        report,
        export,
        update,
        restore,
        pause,
        resume,
        clean_up,
        studio,
    ),
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog='Completion in bash: eval "$(_DGSM_COMPLETE=bash_source dgsm)"; also zsh_source, fish_source.',
)
@click.option("--debug", is_flag=True, help="show the traceback of an error that nobody foresaw")
@click.version_option(package_name="dgsm-helpers", prog_name="dgsm")
def dgsm(debug: bool) -> None:
    """Deepgram on a SageMaker endpoint that scales itself: deploy, register, tune, monitor.

    Exit codes: 0 yes, 1 a negative answer, 2 the call itself failed, 3 needs confirmation.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # What a command imports stays: to look through it a hundred times is an eighth of a short one.
    gc.set_threshold(2_000, 50, 100)
    warnings.showwarning = lambda message, *_: say(f"Note: {message}")
    for stream in (sys.stdout, sys.stderr):
        # In an old locale a character that cannot be shown must not end the command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with termination_raises(), warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: say(f"dgsm: {message}")
        return exit_code(lambda: dgsm.main(argv, prog_name="dgsm", standalone_mode=False))


if __name__ == "__main__":
    sys.exit(main())
