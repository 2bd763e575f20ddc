"""How many instances: ``dgsm size`` for so many calls, ``dgsm forecast`` for the next two days, from the weeks before.

``size`` exits with 1 when the endpoint may not have that many; ``forecast`` while the last hours did not come as
forecast.
"""

import json

import click

from dgsm_helpers.cli.options import NO, NUMBER, YES, Opener, answer, confirm_spend_option, endpoint_place, json_option
from dgsm_helpers.errors import InvalidInput


@click.command()
@endpoint_place
@click.option(
    "--file",
    metavar="FILE",
    help="recorded traffic with dates, as dgsm plan --traffic reads it (default: the endpoint's own metric of 14 days)",
)
@click.option("--columns", default="", metavar="LIST", help="what a CSV's columns are called, as dgsm plan takes it")
@click.option("--stream-seconds", type=NUMBER, default=300.0, help="mean length of a stream, where nothing tells")
@click.option("--timezone", default="UTC", help="zone whose clock your callers live by, such as Europe/Berlin")
@click.option("--knee", type=int, help="streams one instance sustains, when not measured here")
@click.option("--instance-type", metavar="TYPE", help="with --knee: the type that it holds for")
@click.option("--min", "low", type=int, help="the ordinary minimum (default: the endpoint's, else 1)")
@click.option("--max", "high", type=int, help="most instances (default: the endpoint's, else what the traffic needs)")
@click.option("--seed", default=0, help="of the simulated back-test")
@click.option("--apply", is_flag=True, help="schedule these minimums in place of those of the forecast before")
@confirm_spend_option
@json_option
def forecast(
    open_workbook: Opener,
    *,
    file,
    columns,
    stream_seconds,
    timezone,
    knee,
    instance_type,
    low,
    high,
    seed,
    apply,
    confirm_spend,
    as_json,
) -> int:
    """Forecast the minimums of the next two days, and schedule them with --apply.

    A minimum is raised before the calls come; only the policy removes instances. Run it every hour: it puts its
    scheduled actions anew, and the last of them puts the ordinary minimum back.

    Such as: dgsm forecast my-endpoint --file fortnight.csv --timezone Europe/Berlin
    """
    from zoneinfo import ZoneInfo

    from dgsm_helpers.planning import forecast_advice
    from dgsm_helpers.planning.forecast_schedule import put_forecast
    from dgsm_helpers.planning.measured import measured
    from dgsm_helpers.planning.sources import load_traffic

    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput(f"There is no time zone {timezone!r}.", hint="Give such as Europe/Berlin.") from error
    if columns and not file:
        raise InvalidInput("Without a file there are no columns.", hint="Add --file, or leave --columns out.")
    wb = open_workbook(confirm_spend=confirm_spend)
    if file:
        recorded = load_traffic(file, mean_s=stream_seconds, seed=seed, columns=columns)
        known = forecast_advice.known_from_traffic(recorded)
    else:
        known = forecast_advice.known_from_endpoint(wb, mean_s=stream_seconds, seed=seed)
    instance = measured(wb, knee=knee, instance_type=instance_type)
    advice = forecast_advice.advise_forecast(
        wb, known, instance, min_capacity=low, max_capacity=high, zone=zone, seed=seed
    )
    put = put_forecast(wb, advice.forecast) if apply else ()
    if as_json:
        click.echo(json.dumps({**advice.to_dict(), "applied": apply}, indent=2))
    else:
        answer(advice)
        if apply:
            click.echo(f"Scheduled: {len(put)} actions, the last of which restores {put[-1].min_capacity}.")
    return YES if advice.forecast.trusted else NO


@click.command()
@endpoint_place
@click.option("--calls-per-hour", type=NUMBER, required=True, help="calls that begin in the busiest hour")
@click.option("--call-seconds", type=NUMBER, default=300.0, help="mean length of a call")
@click.option("--full-percent", type=NUMBER, default=1.0, help="share of calls that may find a full instance")
@click.option("--knee", type=int, help="streams one instance sustains, when not measured here")
@click.option("--instance-type", metavar="TYPE", help="with --knee: the type that it holds for")
@click.option("--seed", default=0, help="of the simulated calls")
@json_option
def size(
    open_workbook: Opener, *, calls_per_hour, call_seconds, full_percent, knee, instance_type, seed, as_json
) -> int:
    """Say how many instances so many calls need.

    Such as: dgsm size ENDPOINT --calls-per-hour 600 --call-seconds 240 --full-percent 0.5

    An instance is full at its knee: the newest measurement of the endpoint (dgsm tune), or --knee.
    """
    from dgsm_helpers.planning.measured import measured
    from dgsm_helpers.planning.sizing import size_for

    wb = open_workbook()
    instance = measured(wb, knee=knee, instance_type=instance_type)
    sized = size_for(
        wb,
        instance,
        calls_per_hour=calls_per_hour,
        call_s=call_seconds,
        full_share=full_percent / 100,
        seed=seed,
    )
    answer(json.dumps(sized.to_dict(), indent=2) if as_json else f"{instance}\n\n{sized}", as_is=as_json)
    return YES if sized.fits else NO
