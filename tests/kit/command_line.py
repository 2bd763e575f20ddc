"""A line of ``dgsm`` in this process."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from dgsm_helpers.cli.main import dgsm


def run_line(home: Path, *words: str) -> Result:
    """What the line prints and how it exits, with ``home`` as ``$DGSM_HOME``."""
    return CliRunner(env={"DGSM_HOME": str(home)}).invoke(dgsm, words, prog_name="dgsm")
