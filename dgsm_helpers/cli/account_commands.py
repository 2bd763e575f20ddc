"""The verbs that bring an account from nothing to deployable: listing, role, quota."""

import json
from dataclasses import asdict

import click

from dgsm_helpers.cli.options import NEEDS_CONFIRMATION, NO, YES, Opener, answer, json_option, place_options, say

yes_option = click.option("--yes", "confirmed", is_flag=True, help="do it; without it you are told what would be done")


@click.command()
@click.argument("arn", required=False)
@json_option
@place_options
def listing(open_workbook: Opener, arn: str | None, as_json: bool) -> int:
    """Look for the model package to deploy in a region, and whether this account is subscribed to it.

    ARN may be the package's in another region. Without a usable package you are told where to subscribe, and where the
    console shows the ARN; exit code 1.

    Such as: dgsm listing arn:aws:sagemaker:us-east-1:865070037744:model-package/… --where aws --region eu-west-1
    """
    from dgsm_helpers.aws.account.package_search import search_packages

    found = search_packages(open_workbook(listing=arn))
    answer(json.dumps(asdict(found)) if as_json else found, as_is=as_json)
    return YES if found.ok else NO


@click.group(no_args_is_help=True)
def role() -> None:
    """The execution role that SageMaker assumes for endpoints."""


@role.command("create")
@click.argument("name", default="deepgram-sagemaker-execution")
@yes_option
@json_option
@place_options
def role_create(open_workbook: Opener, name: str, confirmed: bool, as_json: bool) -> int:
    """Make an execution role with the permissions an endpoint needs, and no more.

    A role of that name that does already is taken as it is; one that differs is left alone, and you are told in what.

    Such as: dgsm role create --where aws --yes
    """
    from dgsm_helpers.aws.account import execution_role

    wb = open_workbook(confirm_spend=confirmed)
    if execution_role.find_role(wb, name) is None and not confirmed:
        say(f"{execution_role.described(wb, name)}\nSay --yes to make it.")
        return NEEDS_CONFIRMATION
    made = execution_role.create_role(wb, name)
    answer(json.dumps(asdict(made)) if as_json else made, as_is=as_json)
    return YES


@click.command()
@click.argument("instance_types", nargs=-1, metavar="[TYPE]...")
@click.option("--request", "wanted", type=click.IntRange(min=1), metavar="N", help="ask AWS for N instances of each")
@yes_option
@json_option
@place_options
def quota(
    open_workbook: Opener, instance_types: tuple[str, ...], wanted: int | None, confirmed: bool, as_json: bool
) -> int:
    """Show how many instances of each TYPE may run behind endpoints, with open requests for more, or ask for more.

    TYPE defaults to Deepgram's pool for speech-to-text. Exit code 1 when a type has no quota.

    Such as: dgsm quota ml.g6.2xlarge ml.g5.2xlarge --where aws --request 4 --yes
    """
    from dgsm_helpers.aws.account.quotas import read_quotas, request_increase
    from dgsm_helpers.families import NOVA

    wb = open_workbook(confirm_spend=confirmed)
    found = read_quotas(wb, instance_types or NOVA.default_pool)
    code = YES if found.ok else NO
    if wanted is not None:
        short = found.below(wanted)
        if short and not confirmed:
            names = ", ".join(row.instance_type for row in short)
            say(f"{found}\nSay --yes to ask AWS for {wanted} instances of {names} in {found.region}.")
            return NEEDS_CONFIRMATION
        found = request_increase(wb, found, wanted)
        code = YES
    answer(json.dumps(asdict(found)) if as_json else found, as_is=as_json)
    return code
