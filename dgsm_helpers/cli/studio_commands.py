"""``dgsm studio``: a kernel of the project's own in SageMaker Studio, kept ready at each start and in notebook jobs."""

from pathlib import Path

import click

from dgsm_helpers.cli.options import PATH


@click.group()
def studio() -> None:
    """SageMaker Studio: a kernel that survives restarts and moves nothing of the image."""


@studio.command()
def setup() -> None:
    """Make the kernel "Deepgram (dgsm)", or bring it up to date. May be run again at any time."""
    from dgsm_helpers.workbook.studio_kernel import set_up

    click.echo(set_up())


@studio.command()
def lifecycle() -> None:
    """Print a lifecycle configuration that keeps the kernel ready whenever a space starts.

    Such as: dgsm studio lifecycle | base64 -w0
    """
    from dgsm_helpers.workbook.studio_kernel import lifecycle_script

    click.echo(lifecycle_script(), nl=False)


@studio.command()
@click.argument("notebooks", type=PATH, default="notebooks")
def job(notebooks: Path) -> None:
    """Put beside the NOTEBOOKS what a notebook job needs: its initialisation script and the project as a wheel.

    Such as: dgsm studio job notebooks
    """
    from dgsm_helpers.workbook.studio_kernel import write_job_files

    script, wheel = write_job_files(notebooks)
    click.echo(f"Wrote {script} and {wheel.name}.")
    click.echo(f"In the form: tick 'Run job with input folder', initialisation script {script}.")
