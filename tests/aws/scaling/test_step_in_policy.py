"""Scale-ins of at most so many calls on the embedded AWS: put, read back, kept, taken away, and what they do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit import endpoints
from kit.moved_workbook import EmptyAws, MovedLoad, moved_workbook

from dgsm_helpers.aws.account import operator_alarms
from dgsm_helpers.aws.doctor.examine import examine
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import registration, scalable_target
from dgsm_helpers.aws.scaling.policy import ScalingPolicy
from dgsm_helpers.aws.scaling.retargeting import retarget
from dgsm_helpers.aws.watch.observe import described_alarms
from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.rules.step_in import STEP_IN

SPARING = ScalingPolicy(target_value=8.0, most_cut=2)


@pytest.fixture
def aws():
    return EmptyAws()


@pytest.fixture
def wb(aws, tmp_path):
    """An endpoint of three instances whose scale-ins cut two calls at most."""
    wb = moved_workbook(aws, tmp_path, "dg-spared")
    endpoints.deployed(wb, initial_count=3)
    registration.register(wb, 1, 4)
    registration.apply(wb, SPARING)
    return wb


def own_alarms(wb):
    return [alarm["AlarmName"] for alarm in described_alarms(wb, alarm_prefix(wb.endpoint_name))]


def names(wb):
    return {policy.name for policy in scalable_target.policies(wb)}


def running(wb):
    return endpoint_state.status(wb).variant(wb.variant_name).running


@pytest.mark.parametrize(("streams", "left"), [(9, 3), (3, 2)], ids=["three-each", "one-each"])
def test_one_instance_at_a_time_goes_while_none_has_more_calls(aws, wb, streams, left):
    with MovedLoad(aws, wb.endpoint_name) as load:
        load.set(streams)
        wb.sleep(840)
        assert running(wb) == left
        assert len([trace for trace in load.traces if trace.ending == "error"]) <= 2


def test_it_is_read_back_as_it_was_asked_for(wb):
    state = registration.verify(wb, SPARING)
    assert state.ok
    assert state.policy() == SPARING
    assert "one instance at a time, while none has more than 2 calls" in str(SPARING)
    assert not registration.verify(wb, replace(SPARING, most_cut=4)).ok
    assert not registration.verify(wb, ScalingPolicy(target_value=8.0)).ok


def test_the_doctor_takes_it_for_what_scales_in(wb):
    finding = examine(wb)["scale-in-allowed"]
    assert (finding.verdict, STEP_IN in finding.evidence) == ("OK", True)


def test_another_target_leaves_it(wb):
    retarget(wb, 6.0)
    assert registration.verify(wb).policy() == replace(SPARING, target_value=6.0)


@pytest.mark.parametrize("change", [retarget, lambda wb, to: registration.apply(wb, changed(wb, to))])
def test_a_smaller_target_lets_a_scale_in_cut_less(wb, change):
    """Held to five calls at a target of four, what is removed would come back at once, again and again."""
    registration.apply(wb, ScalingPolicy(target_value=12.0, most_cut=5))
    change(wb, 4.0)
    assert registration.verify(wb, ScalingPolicy(target_value=4.0, most_cut=2)).ok
    change(wb, 2.5)
    assert registration.verify(wb, ScalingPolicy(target_value=2.5, most_cut=1)).ok
    change(wb, 9.0)
    assert registration.verify(wb).policy() == ScalingPolicy(target_value=9.0, most_cut=1)


def changed(wb, target_value):
    return registration.verify(wb).policy(target_value=target_value)


def test_a_new_target_says_how_many_calls_a_scale_in_cuts(wb):
    done = retarget(wb, 3.0)
    assert (done.policy.most_cut, done.state.policy()) == (1, done.policy)
    assert str(done).endswith("is 3 (it was 8). A scale-in cuts at most 1 call.")


@pytest.mark.parametrize("change", [retarget, changed])
def test_a_target_at_which_no_scale_in_can_be_held_to_calls_is_refused_before_anything_is_changed(wb, change):
    with pytest.raises(InvalidInput, match=r"at a target of 1.5 that cannot be"):
        change(wb, 1.5)
    assert registration.verify(wb, SPARING).ok


def test_where_the_smaller_number_is_refused_the_former_target_is_back(wb, monkeypatch):
    def refused(*_):
        raise NotReady("refused")

    monkeypatch.setattr("dgsm_helpers.aws.scaling.step_in_policy.put", refused)
    with pytest.raises(NotReady):
        retarget(wb, 3.0)
    assert registration.verify(wb, SPARING).ok


def test_the_operators_alarms_come_and_go_without_it(wb):
    kept = own_alarms(wb)
    operator_alarms.put(wb, knee=10)
    operator_alarms.remove(wb)
    assert own_alarms(wb) == kept


def test_a_policy_that_scales_in_itself_takes_its_place_and_the_former_comes_back(wb):
    before = registration.verify(wb)
    registration.apply(wb, before.policy(most_cut=0))
    assert (names(wb) & {STEP_IN}, own_alarms(wb)) == (set(), [])
    assert registration.verify(wb).policy().most_cut is None
    registration.apply(wb, before)
    assert registration.verify(wb, SPARING).ok


def test_what_came_since_goes_with_its_alarm(wb):
    registration.apply(wb, ScalingPolicy(target_value=8.0))
    before = registration.verify(wb)
    registration.apply(wb, SPARING)
    registration.apply(wb, before)
    assert own_alarms(wb) == []
    assert registration.verify(wb, ScalingPolicy(target_value=8.0)).ok


def test_nothing_of_it_is_left_when_scaling_is_removed(wb):
    registration.remove(wb)
    assert own_alarms(wb) == []
    assert scalable_target.target(wb) is None


@pytest.mark.parametrize("most_cut", [0, -1, 5, True, 1.5])
def test_a_number_that_cannot_be_kept_is_refused(most_cut):
    with pytest.raises(InvalidInput, match="most_cut"):
        ScalingPolicy(target_value=8.0, most_cut=most_cut)


def test_where_the_policy_is_refused_nothing_of_it_is_left(wb):
    registration.apply(wb, ScalingPolicy(target_value=8.0))
    with pytest.raises(InvalidInput):
        registration.apply(wb, replace(SPARING, name="another"))
    assert (names(wb) & {STEP_IN}, own_alarms(wb)) == (set(), [])


def test_an_unregistered_variant_is_said_to_be_so(wb):
    registration.remove(wb)
    with pytest.raises(NotFound, match="is not registered"):
        registration.apply(wb, SPARING)
