"""Activities say what AWS says."""

from dgsm_helpers.rules.activities import activity, alarm_name, finished_activity, scheduled_activity
from dgsm_helpers.rules.decision import Decision, State
from dgsm_helpers.rules.policies import Bounds

BOUNDS = Bounds(min_capacity=1, max_capacity=4)
ALARM = alarm_name("endpoint/demo/variant/AllTraffic", "High", "1-2-3")


def decision(kind, *, desired=2, **kwargs):
    return Decision(kind=kind, state=State(running=2, desired=desired), policy="my-policy", alarm=ALARM, **kwargs)


def test_a_scale_out_reads_as_on_aws_from_start_to_end():
    text = activity(decision("out", desired=3), BOUNDS)
    assert text.description == "Setting desired instance count to 3."
    assert text.cause == (
        "monitor alarm TargetTracking-endpoint/demo/variant/AllTraffic-AlarmHigh-1-2-3 in state ALARM "
        "triggered policy my-policy"
    )
    assert text.status_code == "InProgress"
    done = finished_activity(text, capacity=3)
    assert (done.status_code, done.status_message) == (
        "Successful",
        "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker.",
    )
    failed = finished_activity(text, capacity=3, failure="no capacity")
    assert (failed.status_code, failed.description) == ("Failed", text.description)
    assert "no capacity" in failed.status_message


def test_what_is_not_scaled_names_the_limit_that_holds():
    def reason(code):
        return dict(activity(decision("not_scaled", code=code), BOUNDS).not_scaled_reasons[0])

    assert reason("AlreadyAtMaxCapacity") == {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 4}
    assert reason("AlreadyAtMinCapacity") == {"Code": "AlreadyAtMinCapacity", "MinCapacity": 1}
    assert reason("AlreadyAtDesiredCapacity") == {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 2}
    text = activity(decision("not_scaled", code="AlreadyAtMaxCapacity"), BOUNDS)
    assert (text.description, text.status_code) == ("Attempting to scale due to alarm triggered", "Failed")


def test_bounds_and_schedules_have_their_own_causes():
    pulled = Decision(kind="out", state=State(running=1, desired=4), cause="minimum capacity was set to 4")
    assert activity(pulled, BOUNDS).cause == "minimum capacity was set to 4"
    text = scheduled_activity("morning", min_capacity=1, max_capacity=4)
    assert text.description == "Setting min capacity to 1 and max capacity to 4"
    assert text.cause == "scheduled action name morning was triggered"
    assert activity(decision("none"), BOUNDS) is None
