"""``dgsm demo`` and ``dgsm run``: the notebooks, as they are, from a shell."""

from __future__ import annotations

from pathlib import Path

import click

from dgsm_helpers.cli.local_commands import home_folder
from dgsm_helpers.cli.options import NO, PATH, YES


@click.command()
@click.option("--out", type=PATH, default="out", help="folder of the report")
def demo(out: Path) -> int:
    """Run the whole workbook on the embedded AWS, in minutes."""
    from dgsm_helpers import local
    from dgsm_helpers.workbook.demo import run_demo

    home = home_folder()
    was_running = local.find(home) is not None
    local.up(home)
    try:
        return run_demo(out=out)
    finally:
        if not was_running:
            local.down(home)


@click.command()
@click.argument("notebooks", nargs=-1, required=True, type=PATH, metavar="NOTEBOOK...")
@click.option("-p", "parameters", type=(str, str), multiple=True, metavar="NAME VALUE", help="set a parameter")
@click.option("--out", type=PATH, default="out", help="folder of the executed notebooks")
@click.option("--timeout", type=float, default=2700, help="seconds a cell may take")
def run(notebooks: tuple[Path, ...], parameters: tuple[tuple[str, str], ...], out: Path, timeout: float) -> int:
    """Run notebooks in order, with parameters.

    Such as: dgsm run notebooks/01_deploy.ipynb -p endpoint_name my-endpoint
    """
    from dgsm_helpers.workbook.run_notebooks import run_notebooks

    return YES if run_notebooks(notebooks, dict(parameters), out, timeout) else NO
