"""``dgsm record``: AWS asked what is assumed of it. Exits with 1 when something is not as assumed."""

import json

import click

from dgsm_helpers.cli.options import NO, YES, Opener, answer, confirm_spend_option, json_option, place_options, say


@click.command()
@place_options
@confirm_spend_option
@json_option
def record(open_workbook: Opener, *, confirm_spend, as_json) -> int:
    """Ask AWS what the planner and the embedded AWS assume of it, on an endpoint of its own that is deleted afterwards.

    About 85 minutes and some dollars; the price is stated first. A run that was cut off goes on with what is left. What
    was recorded of AWS is from then on what the planner and the embedded AWS go by (RECORDINGS in the state folder).

    Such as: dgsm record --where aws --confirm-spend
    """
    from dgsm_helpers.recording.script import ENDPOINT
    from dgsm_helpers.recording.script import record as run

    wb = open_workbook(endpoint_name=ENDPOINT, confirm_spend=confirm_spend, confirm_delete=confirm_spend)
    recording = run(wb, say=say)
    answer(json.dumps(recording.to_dict(), indent=2) if as_json else recording, as_is=as_json)
    return NO if recording.deviations else YES
