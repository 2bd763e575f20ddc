"""Where a workbook runs: clock, money and words, and what is refused when it is opened."""

from __future__ import annotations

import os
from dataclasses import replace

import boto3
import pytest

from dgsm_helpers.aws.endpoint import deployment_plan
from dgsm_helpers.errors import DeletionNotConfirmed, InvalidInput, SpendNotConfirmed
from dgsm_helpers.places.clients import Clients
from dgsm_helpers.session import AWS, Workbook, open_workbook


@pytest.fixture
def wb(tmp_path):
    return Workbook(
        **AWS,
        now_s=lambda: 1_000_000.0,
        region="eu-west-1",
        endpoint_name="dg",
        variant_name="AllTraffic",
        model_package_arn=None,
        role_arn=None,
        confirm_spend=False,
        home=tmp_path,
        clients=Clients(boto3.Session("AKIDEXAMPLE", "secret", region_name="eu-west-1")),
        stream_url="https://127.0.0.1:8443",
        ca_bundle=None,
    )


def test_a_workbook_on_aws_says_so_in_captions(wb):
    assert (wb.where, wb.place, wb.place_in_full, wb.bills) == ("aws", "AWS", "AWS", True)


def test_a_workbook_on_the_embedded_aws_says_that_it_is_simulated(embedded):
    wb = open_workbook("local", home=embedded.home)
    assert (wb.where, wb.place, wb.bills) == ("local", "the embedded AWS", False)
    assert wb.place_in_full == "the embedded AWS (simulated)"


def test_the_clock_is_the_places(wb):
    assert wb.now().isoformat() == "1970-01-12T13:46:40+00:00"


def test_waiting_is_shorter_where_time_runs_faster(wb):
    waits = []
    fast = replace(wb, speed=30.0, sleep_s=waits.append)
    fast.sleep(60)
    assert waits == [2.0]
    assert fast.wall_seconds(15) == 0.5


def test_spending_needs_consent_only_where_instances_cost_money(wb):
    with pytest.raises(SpendNotConfirmed, match=r"Deploying dg costs \$1\.25 per hour"):
        wb.require_spend("Deploying dg", 1.25)
    replace(wb, confirm_spend=True).require_spend("Deploying dg", 1.25)
    replace(wb, bills=False).require_spend("Deploying dg", 1.25)


def test_the_key_tells_endpoints_of_different_places_and_regions_apart(wb):
    assert wb.key == "aws-eu-west-1-dg"


def test_workbooks_made_from_one_another_share_their_clients(wb):
    assert replace(wb, endpoint_name="other").client("sagemaker") is wb.client("sagemaker")


def test_workbooks_on_one_embedded_aws_share_their_clients_and_those_of_another_region_do_not(embedded):
    first, again = (open_workbook("local", home=embedded.home, endpoint_name=name) for name in ("one", "other"))
    assert first.client("sagemaker") is again.client("sagemaker")
    elsewhere = open_workbook("local", home=embedded.home, region="eu-west-1")
    assert elsewhere.client("sagemaker") is not first.client("sagemaker")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
def test_a_forked_process_opens_connections_of_its_own(embedded):
    """On its parent's it would be told what the parent had asked for."""
    opened = open_workbook("local", home=embedded.home)
    opened.client("sagemaker").list_models()
    child = os.fork()
    if child == 0:
        forked = open_workbook("local", home=embedded.home)
        os._exit(forked.clients is opened.clients)
    assert os.waitpid(child, 0)[1] == 0


def test_a_place_that_is_neither_is_refused():
    with pytest.raises(InvalidInput, match="where is 'azure'"):
        open_workbook("azure")


def test_an_account_without_a_region_is_refused(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InvalidInput, match="No AWS region is set"):
        open_workbook("aws", home=tmp_path)


def test_an_unknown_listing_is_refused_with_those_there_are(embedded):
    with pytest.raises(InvalidInput, match="metered, speech"):
        open_workbook("local", home=embedded.home, listing="music")


def test_case_of_a_listing_that_is_no_arn_is_kept_until_somebody_needs_one(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert open_workbook("aws", listing="prodview-abc123").model_package_arn == "prodview-abc123"
    assert open_workbook("aws").model_package_arn is None


@pytest.mark.parametrize("consent", ["False", "True", 1, None])
def test_consent_that_is_no_bool_is_refused_in_every_place(embedded, consent):
    for name in ("confirm_spend", "confirm_delete"):
        with pytest.raises(InvalidInput, match=f"{name}="):
            replace(open_workbook("local", home=embedded.home), **{name: consent})
    if consent is not None:
        with pytest.raises(InvalidInput, match="confirm_spend="):
            open_workbook("local", home=embedded.home, confirm_spend=consent)


def test_deleting_needs_consent_only_in_the_users_account(wb):
    with pytest.raises(DeletionNotConfirmed, match=r"Endpoint dg would be deleted from your account, in eu-west-1"):
        wb.require_delete("Endpoint dg")
    replace(wb, confirm_delete=True).require_delete("Endpoint dg")
    replace(wb, bills=False).require_delete("Endpoint dg")


def test_a_text_where_a_name_belongs_is_a_name(embedded):
    with pytest.raises(InvalidInput, match="region=7 is not of type str"):
        open_workbook("local", home=embedded.home, region=7)


PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/{}/1"


def opened(tmp_path, package, **given):
    return open_workbook("aws", region="us-east-1", listing=PACKAGE.format(package), home=tmp_path, **given)


def test_the_family_is_the_packages_unless_it_is_named(tmp_path):
    assert opened(tmp_path, "deepgram-tts-aura-2").family.name == "aura"
    assert opened(tmp_path, "our-own-name", family="flux").family.name == "flux"
    assert opened(tmp_path, "deepgram-whisper", family="nova").family.name == "nova"
    assert open_workbook("aws", region="us-east-1", home=tmp_path).family.name == "nova"


def test_what_is_no_family_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(InvalidInput, match="'aurora'"):
        opened(tmp_path, "x", family="aurora")
    whisper = opened(tmp_path, "deepgram-whisper-large")
    for refused in (lambda: whisper.family, lambda: deployment_plan.plan(whisper)):
        with pytest.raises(InvalidInput, match="whisper"):
            refused()
