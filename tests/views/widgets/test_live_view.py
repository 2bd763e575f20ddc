"""The live view against the embedded AWS: one loop per endpoint, errors shown and survived, stopped from any thread."""

from __future__ import annotations

import threading

import pytest
from kit.waiting import AT_MOST_S, until

from dgsm_helpers.errors import NotReady
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.places import running_server
from dgsm_helpers.views.widgets import live_view
from dgsm_helpers.views.widgets.live_view import Live


def shown(view):
    """The view's HTML."""
    return view.widget.children[1].value


def refreshers():
    """The threads that refresh a view now."""
    return [thread for thread in threading.enumerate() if thread.name == "dgsm-live"]


@pytest.fixture
def silent_aws(scaling_endpoint):
    """AWS answers no call of the workbook's until the test sets this."""
    answered = threading.Event()
    events = scaling_endpoint.client("sagemaker").meta.events
    events.register("before-call.sagemaker", lambda **_: answered.wait() and None, unique_id="silent")
    yield answered
    answered.set()
    events.unregister("before-call.sagemaker", unique_id="silent")


@pytest.fixture
def view(scaling_endpoint):
    """A view of the endpoint that refreshes ten times a second; stopped afterwards."""
    made = Live(scaling_endpoint, every_s=0.1, window_s=1800)
    yield made
    made.stop()
    until(lambda: not refreshers(), "its loop has ended")


def test_once_shows_endpoint_instances_alarms_and_origin_without_a_loop(view):
    view.once()
    html = shown(view)
    assert "<b>dg-widgets</b> InService" in html
    assert "1 × ml.g6.2xlarge" in html
    assert "target 5" in html
    assert html.count("alarm <b>") == 2
    assert "Source: CloudWatch of dg-widgets, measured on the embedded AWS" in html
    assert not view.running


def test_start_does_not_wait_for_aws_and_refreshes_until_stopped(view, silent_aws):
    view.start()
    assert view.running and view.state is None
    silent_aws.set()
    first = until(lambda: view.state, "the first picture")
    until(lambda: view.state is not first, "the next picture")
    view.stop()
    assert not view.running
    until(lambda: not refreshers(), "its loop has ended")


def test_running_the_cell_again_leaves_one_loop(view, scaling_endpoint):
    view.start()
    again = Live(scaling_endpoint, every_s=0.1)
    again.start()
    again.start()
    until(lambda: len(refreshers()) == 1, "one loop is left")
    assert again.running
    assert not view.running
    again.stop()


def test_views_of_two_endpoints_run_side_by_side(view, workbook):
    other = Live(workbook(), every_s=0.1)
    view.start()
    other.start()
    assert view.running
    assert other.running
    other.stop()


def test_buttons_follow_the_loop_and_may_be_clicked_in_any_thread(view):
    start, stop, *_ = view.widget.children[0].children
    thread = threading.Thread(target=start.click)
    thread.start()
    thread.join()
    until(lambda: view.running and not stop.disabled, "the view runs")
    assert start.disabled
    thread = threading.Thread(target=stop.click)
    thread.start()
    thread.join()
    assert not view.running
    assert stop.disabled
    assert not start.disabled


def test_it_stops_by_itself_after_its_longest_time(scaling_endpoint):
    short = Live(scaling_endpoint, every_s=0.05, max_s=0.3).start()
    until(lambda: not short.running, "the view has stopped")
    assert not short.widget.children[0].children[0].disabled


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "expired-credentials"}, "ExpiredTokenException"),
        ({"kind": "throttling"}, "ThrottlingException"),
        ({"kind": "denied", "operation": "DescribeAlarms"}, "Allow cloudwatch:DescribeAlarms"),
    ],
    ids=lambda given: given["kind"] if isinstance(given, dict) else "",
)
def test_trouble_is_shown_over_the_last_picture_and_the_loop_goes_on(view, embedded, hasty_retries, fault, said):
    view.start()
    until(lambda: "<svg" in shown(view) and "AWS Price List" in shown(view), "the whole picture")
    running_server.admin(embedded.info, "POST", "faults", fault)
    try:
        until(lambda: said in shown(view), said)
        assert shown(view).index(said) < shown(view).index("<svg")
        assert view.state.trouble and view.state.alarms
        assert refreshers()
    finally:
        running_server.admin(embedded.info, "DELETE", "faults")
    until(lambda: "⚠" not in shown(view), "the trouble is over")
    assert view.running and view.state.trouble == ""


def test_a_loop_that_ends_in_trouble_promises_no_next_try(view, embedded):
    view.start()
    until(lambda: "<svg" in shown(view), "the picture")
    running_server.admin(embedded.info, "POST", "faults", {"kind": "expired-credentials"})
    try:
        until(lambda: "Next try in 0.1 s" in shown(view), "the next try is promised")
        view.stop()  # waits ten seconds at most
        until(lambda: not refreshers(), "the loop has ended")
        assert "ExpiredTokenException" in shown(view) and "Next try" not in shown(view)
    finally:
        running_server.admin(embedded.info, "DELETE", "faults")


def test_a_click_never_waits_for_aws(view, silent_aws):
    start, stop, once, window, _ = view.widget.children[0].children
    start.click()
    once.click()
    window.value = 900.0
    stop.click()
    assert not view.running and stop.disabled and view.state is None
    silent_aws.set()
    until(lambda: not refreshers(), "the loop has ended")


def test_a_missing_endpoint_is_said_in_the_view(workbook):
    lonely = Live(workbook()).once()
    assert "There is no endpoint" in shown(lonely)


def test_streams_are_seen_with_their_number_and_latency(view, scaling_endpoint):
    with Load(scaling_endpoint) as load:
        watched = Live(scaling_endpoint, load=load)
        load.set(2)
        load.wait_open(timeout_s=AT_MOST_S)
        until(lambda: load.snapshot().lag_p95_ms is not None, "a lag has been measured")
        watched.once()
        assert "2 of 2 streams open, transcript latency p95" in shown(watched)


def test_waiting_ends_when_that_many_instances_run_and_says_so(view):
    assert view.wait_until(running_instances=1) == "1 instance running"


def test_waiting_for_what_does_not_come_is_an_error_that_says_what_runs(view):
    with pytest.raises(NotReady, match="1 instances are running, 1 desired, not 4"):
        view.wait_until(running_instances=4, timeout_s=60)


def test_interrupting_a_waiting_cell_stops_the_view(view, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    view.start()
    monkeypatch.setattr(live_view.endpoint_state, "status", interrupted)
    with pytest.raises(KeyboardInterrupt):
        view.wait_until(running_instances=2)
    assert not view.running


def test_another_window_shows_at_once_and_a_new_pace_counts_from_the_next_refresh(view):
    view.once()
    controls = {c.description: c for c in view.widget.children[0].children}
    controls["Window"].value = 10_800.0
    until(lambda: "180 min ago" in shown(view), "the longer window")
    controls["Every"].value = 30.0
    assert (view.every_s, view.state.window_s) == (30.0, 10_800.0)


def test_the_window_and_pace_asked_for_are_among_the_choices(scaling_endpoint):
    made = Live(scaling_endpoint, window_s=1234, every_s=0.5)
    controls = {c.description: c for c in made.widget.children[0].children}
    assert (controls["Window"].value, controls["Every"].value) == (1234, 0.5)


def test_once_can_be_clicked_and_tells_the_cost_with_its_source(view):
    controls = {c.description: c for c in view.widget.children[0].children}
    controls["Once"].click()
    until(lambda: "Cost: " in shown(view), "the cost")
    assert "AWS Price List" in shown(view)
    assert not view.running
