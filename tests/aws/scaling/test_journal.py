"""Pages of the journal belong to one account: two of one state folder have endpoints of the same name and region."""

from __future__ import annotations

import json

import pytest
from kit import endpoints
from kit.moved_workbook import EmptyAws, OtherAccount, moved_workbook

from dgsm_helpers.aws.endpoint import endpoint_state, pause
from dgsm_helpers.aws.scaling import journal, registration, scalable_target, suspending
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.retargeting import retarget
from dgsm_helpers.aws.scaling.scalable_target import Suspension
from dgsm_helpers.errors import NotFound

NAME = "dg-both"


def scaled(wb, most, value):
    endpoints.deployed(wb)
    registration.register(wb, 1, most)
    registration.apply(wb, ScalingPolicy(target_value=value))
    return wb


@pytest.fixture
def dev(tmp_path):
    return scaled(moved_workbook(EmptyAws(), tmp_path, NAME), 2, 5.0)


@pytest.fixture
def prod(tmp_path):
    return scaled(moved_workbook(OtherAccount(), tmp_path, NAME), 5, 8.0)


def scaling(wb):
    target = scalable_target.target(wb)
    return target and target.max_capacity, [p.configuration["TargetValue"] for p in scalable_target.policies(wb)]


def pages(wb):
    return sorted((wb.home / "journal" / wb.key).glob("*.json"))


def as_an_earlier_version_wrote_it(path, created):
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["account"]
    what, variant, *_ = path.name.split(".")
    path.unlink()
    path.with_name(f"{what}.{variant}.{created}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("earlier", [False, True], ids=["of this version", "of an earlier version"])
def test_each_account_resumes_what_it_paused(dev, prod, earlier):
    pause.pause_endpoint(dev)
    pause.pause_endpoint(prod)
    assert len(pages(dev)) == 2
    for number, path in enumerate(pages(dev) if earlier else ()):
        as_an_earlier_version_wrote_it(path, number)
    pause.recreate_endpoint(dev)
    assert scaling(dev) == (2, [5.0])
    with pytest.raises(NotFound, match="no record"):
        pause.paused(dev)
    pause.recreate_endpoint(prod)
    assert scaling(prod) == (5, [8.0])
    assert not pages(prod)


def test_what_one_account_paused_is_not_put_on_the_endpoint_of_another(dev, prod):
    pause.pause_endpoint(dev)
    registration.remove(prod)
    assert journal.unfinished(prod, endpoint_state.status(prod)) == ()
    assert journal.finish(prod) == ()
    assert scaling(prod) == (None, [])
    with pytest.raises(NotFound, match="no record"):
        pause.paused(prod)
    pause.recreate_endpoint(dev)
    assert scaling(dev) == (2, [5.0])


def left_in_the_middle(wb, what, state, former, **of):
    with journal.written(wb, what, state, former, **of) as page:
        page.settled = True  # as a killed process leaves it


def test_a_retarget_that_was_cut_off_is_put_back_in_its_account_only(dev, prod):
    arn = scalable_target.target(dev).arn
    former = {"setup": registration.scaling_setup.of_variant(dev, registration.verify(dev)), "adds": {}}
    former["setup"] = {**vars(former["setup"]), "steps": [vars(step) for step in former["setup"].steps]}
    left_in_the_middle(dev, "retarget", None, former, arn=arn)
    retarget(prod, 9.0)
    assert scaling(prod) == (5, [9.0])
    assert len(pages(dev)) == 1
    scalable_target.change(dev, MaxCapacity=4)
    journal.finish(dev)
    assert (scaling(dev), pages(dev)) == ((2, [5.0]), [])


def test_pages_of_one_moment_in_two_accounts_are_two_files(dev, prod):
    every = Suspension(scale_in=True, scale_out=True, scheduled=True).to_request()
    former = {"before": Suspension().to_request(), "within": every}
    for wb in (dev, prod):
        left_in_the_middle(wb, "suspension", None, former, arn=scalable_target.target(wb).arn)
    assert len(pages(dev)) == 2
    suspending.resume_scaling(prod)
    assert len(pages(dev)) == 1


def test_without_sts_a_pause_can_still_be_resumed(dev, monkeypatch):
    pause.pause_endpoint(dev)
    dev.readings.clear()
    monkeypatch.setattr(journal, "account_id", lambda wb: "")
    pause.recreate_endpoint(dev)
    assert (scaling(dev), pages(dev)) == ((2, [5.0]), [])
