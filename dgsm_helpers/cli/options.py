"""What the verbs of ``dgsm`` share: exit codes, options, and the place that an endpoint is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

YES, NO, FAILED, NEEDS_CONFIRMATION = 0, 1, 2, 3
DEFAULT_ENDPOINT = "deepgram-demo"
PATH = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object")
confirm_spend_option = click.option("--confirm-spend", is_flag=True, help="agree to what it costs on AWS")


@dataclass(frozen=True)
class EndpointPlace:
    """An endpoint's name and where it is, as typed."""

    endpoint: str
    side: str
    region: str | None
    profile: str | None
    variant: str

    def open(self, **settings: Any) -> Workbook:
        """The workbook on that endpoint. ``settings`` go to `open_workbook`, except those that are None."""
        from dgsm_helpers.session import open_workbook

        settings = {"endpoint_name": self.endpoint, "variant_name": self.variant, **settings}
        settings = {name: value for name, value in settings.items() if value is not None}
        return open_workbook(self.side, region=self.region, profile=self.profile, **settings)


def place_options(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds the options of an endpoint's place; the command's first argument is the `EndpointPlace`."""

    @click.option("--where", type=click.Choice(("local", "aws")), default="local", help="embedded AWS or your account")
    @click.option("--region", help="AWS region")
    @click.option("--profile", help="profile of your AWS configuration")
    @click.option("--variant", default="AllTraffic", help="production variant")
    @wraps(command)
    def with_place(
        endpoint: str, where: str, region: str | None, profile: str | None, variant: str, **rest: Any
    ) -> int | None:
        return command(EndpointPlace(endpoint, where, region, profile, variant), **rest)

    return with_place


def endpoint_place(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Adds ENDPOINT and, with `place_options`, its place."""
    command.__doc__ = (
        f"{cleandoc(command.__doc__ or '')}\n\nENDPOINT is an endpoint's name (default: {DEFAULT_ENDPOINT})."
    )
    return click.argument("endpoint", default=DEFAULT_ENDPOINT)(place_options(command))


def say(text: object) -> None:
    """Print on the error output, where it does not mix with the answer."""
    click.echo(text, err=True)
