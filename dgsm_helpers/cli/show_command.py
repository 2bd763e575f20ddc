"""The verb that shows an endpoint to people: ``dgsm show``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from dgsm_helpers.cli.options import NUMBER, Opener, confirm_spend_option, each_change, endpoint_place, say

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook


@click.command()
@endpoint_place
@click.option("--calls", type=click.IntRange(min=1), help="hold so many calls meanwhile, and show them")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="of the page; 0: any that is free")
@click.option("--window", type=NUMBER, default=3600.0, help="seconds shown")
@click.option("--open/--no-open", "opens", default=True, help="open it in the browser")
@confirm_spend_option
def show(
    open_workbook: Opener, *, calls: int | None, port: int, window: float, opens: bool, confirm_spend: bool
) -> None:
    """Show an endpoint on a page that moves: its instances, the calls on them, what they say, what it costs.

    On the embedded AWS with buttons that bring callers, let instances fail, or tell the whole story in 90 seconds; an
    endpoint that is not there yet is made, and scales. On AWS --calls sends audio. Ctrl-C ends it, and the calls.

    Such as: dgsm show my-endpoint --where aws --calls 5 --confirm-spend
    """
    import webbrowser

    from dgsm_helpers.views.live_show import LiveShow
    from dgsm_helpers.views.pages.show_page import ShowServer

    wb = open_workbook(confirm_spend=confirm_spend)
    _make_ready(wb)
    shown = LiveShow(wb, window_s=window)
    try:
        if calls:
            shown.events.hold(calls)
        with ShowServer(shown, port=port) as server:
            say(f"Open {server.address}; Ctrl-C ends it.")
            if opens:
                webbrowser.open(server.address)
            threading.Event().wait()
    except KeyboardInterrupt:
        # How it is meant to end.
        pass
    finally:
        shown.events.close()


def _make_ready(wb: Workbook) -> None:
    """On the embedded AWS: the endpoint, and a policy that scales it, where there is none."""
    from dgsm_helpers import deploy, register
    from dgsm_helpers.aws.endpoint import endpoint_state

    if wb.administer is None:
        return
    if endpoint_state.find(wb) is None:
        say(f"There is no endpoint {wb.endpoint_name!r} yet: making one.")
        deploy.deploy(wb, deploy.plan(wb), on_change=each_change())
    scaling = register.verify(wb)
    if scaling.target is None or not scaling.policies:
        register.register(wb)
        register.apply(wb)
