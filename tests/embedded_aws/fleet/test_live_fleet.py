"""The live fleet's life cycles, on a clock the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from dgsm_helpers.rules.fleet import ContainerStop
from embedded_aws.fleet.instances import Lease, Phase
from embedded_aws.fleet.lifecycle import FleetSettings
from embedded_aws.fleet.live_fleet import EndpointNotFound, EndpointNotInService, Fleet, FleetBusy
from embedded_aws.fleet.variants import VariantSpec
from embedded_aws.listings import LISTINGS

REGION = "us-east-1"
START_S, UNCACHED_S = 200.0, 300.0
ARN = LISTINGS[0].arn(REGION)


@dataclass
class MovedClock:
    now: float = 1_000_000.0

    def now_s(self) -> float:
        return self.now


@dataclass
class Switches:
    """Faults as the test sets them."""

    short: set[str] = field(default_factory=set)
    failing: dict[str, str] = field(default_factory=dict)
    crashing: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)

    def shortage(self, instance_type: str) -> bool:
        return instance_type in self.short

    def failed_start(self, instance_type: str) -> str | None:
        return self.failing.get(instance_type)

    def take(self, kind: str, endpoint: str) -> bool:
        if kind == "late-routing":
            return endpoint in self.late
        if endpoint in self.crashing:
            self.crashing.remove(endpoint)
            return True
        return False


class Engine:
    """An engine that counts how many of its instances run."""

    running = 0

    def new_instance(self, instance_id: str) -> Engine:
        Engine.running += 1
        return Engine()

    def close(self) -> None:
        Engine.running -= 1


class Bench:
    """A fleet with its clock, faults and log."""

    def __init__(self, **stop: float | str) -> None:
        self.clock, self.faults, self.log = MovedClock(), Switches(), []
        Engine.running = 0
        self.fleet = Fleet(
            clock=self.clock,
            engines={"metered": Engine()},
            faults=self.faults,
            log=lambda region, endpoint, stream, message, now_s: self.log.append(message),
            settings=FleetSettings(
                start_delay_s=lambda rng, cached: START_S if cached else UNCACHED_S, stop=ContainerStop(**stop)
            ),
        )

    def spec(self, *types: str, count: int = 1) -> VariantSpec:
        types = types or ("ml.g6.2xlarge",)
        return VariantSpec(name="AllTraffic", model_package_arn=ARN, instance_types=types, initial_count=count)

    def run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += 10
            self.fleet.tick(self.clock.now)

    def serving(self, *types: str, count: int = 1) -> None:
        self.fleet.create(REGION, "e", "c", [self.spec(*types, count=count)])
        self.run(UNCACHED_S + 20)
        assert self.view.status == "InService"

    def hold(self, count: int = 1) -> tuple[list[Lease], list[str]]:
        """Requests held, and the reasons for which they will have been cut."""
        reasons: list[str] = []
        leases = [self.fleet.acquire(REGION, "e") for _ in range(count)]
        for lease in leases:
            lease.on_kill = reasons.append
        return leases, reasons

    @property
    def view(self):
        return self.fleet.view(REGION, "e")

    @property
    def variant(self):
        return self.view.variant("AllTraffic")


def test_an_endpoint_is_in_service_when_every_instance_has_started():
    bench = Bench()
    bench.fleet.create(REGION, "e", "c", [bench.spec(count=2)])
    bench.run(UNCACHED_S - 20)
    assert (bench.view.status, bench.variant.current_count) == ("Creating", 0)
    bench.run(40)
    assert (bench.view.status, bench.variant.current_count, bench.variant.pools) == (
        "InService",
        2,
        {"ml.g6.2xlarge": 2},
    )


def test_requests_are_refused_before_the_endpoint_serves_and_for_unknown_names():
    bench = Bench()
    bench.fleet.create(REGION, "e", "c", [bench.spec()])
    with pytest.raises(EndpointNotInService):
        bench.fleet.acquire(REGION, "e")
    with pytest.raises(EndpointNotFound):
        bench.fleet.acquire(REGION, "other")


@pytest.mark.parametrize("ends", ["delete", "crash", "close"])
def test_a_container_that_has_ended_logs_nothing(ends):
    bench = Bench()
    bench.serving()
    lease = bench.fleet.acquire(REGION, "e")
    lease.log("a line")
    lease.release()
    lease.log("another, once the request is over")
    assert lease.alive and bench.log[-1] == "another, once the request is over"
    if ends == "delete":
        bench.fleet.delete(REGION, "e")
    elif ends == "crash":
        bench.faults.crashing.add("e")
    else:
        bench.fleet.close()
    bench.run(60)
    logged = list(bench.log)
    lease.log("from nowhere")
    assert not lease.alive and bench.log == logged


def test_a_shortage_falls_back_to_the_next_type_after_the_provision_timeout():
    bench = Bench()
    bench.faults.short.add("ml.g6.2xlarge")
    bench.fleet.create(REGION, "e", "c", [bench.spec("ml.g6.2xlarge", "ml.g5.2xlarge")])
    bench.run(290 + UNCACHED_S)
    assert bench.view.status == "Creating"
    bench.run(40)
    assert bench.variant.pools == {"ml.g6.2xlarge": 0, "ml.g5.2xlarge": 1}


def test_an_endpoint_fails_when_no_type_has_capacity_and_says_so():
    bench = Bench()
    bench.faults.short.add("ml.g6.2xlarge")
    bench.fleet.create(REGION, "e", "c", [bench.spec()])
    bench.run(400)
    assert bench.view.status == "Failed"
    assert "InsufficientInstanceCapacity" in bench.view.failure_reason


@pytest.mark.parametrize(("failure", "lines"), [("driver", 1), ("container-failed", 1), ("container-never-started", 0)])
def test_a_failed_start_fails_the_endpoint_and_leaves_its_log(failure, lines):
    bench = Bench()
    bench.faults.failing["ml.g6.2xlarge"] = failure
    bench.fleet.create(REGION, "e", "c", [bench.spec()])
    bench.run(UNCACHED_S + 20)
    assert bench.view.status == "Failed"
    assert len(bench.log) == lines


def test_a_change_of_capacity_updates_until_it_is_fulfilled_and_refuses_the_next():
    bench = Bench()
    bench.serving()
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (3, None)})
    assert (bench.view.status, bench.variant.current_count, bench.variant.desired_count) == ("Updating", 1, 3)
    with pytest.raises(FleetBusy):
        bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (4, None)})
    bench.run(START_S + 20)
    assert (bench.view.status, bench.variant.current_count) == ("InService", 3)


def test_a_scale_out_without_capacity_rolls_back_to_what_serves():
    bench = Bench()
    bench.serving()
    bench.faults.short.add("ml.g6.2xlarge")
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (3, None)})
    bench.run(320)
    assert (bench.view.status, bench.variant.desired_count) == ("InService", 1)
    assert bench.fleet.endpoints()[0].change_failed


def test_scale_in_takes_the_lowest_priority_type_first():
    bench = Bench()
    bench.serving("ml.g6.2xlarge", "ml.g5.2xlarge")
    bench.faults.short.add("ml.g6.2xlarge")
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (2, None)})
    bench.run(300 + START_S + 40)
    assert bench.variant.pools == {"ml.g6.2xlarge": 1, "ml.g5.2xlarge": 1}
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (1, None)})
    bench.run(20)
    assert bench.variant.pools == {"ml.g6.2xlarge": 1, "ml.g5.2xlarge": 0}


def scale_in(bench: Bench) -> None:
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (1, None)})


def update(bench: Bench) -> None:
    bench.fleet.update(REGION, "e", "c2", [bench.spec()], {})
    bench.run(START_S)


def delete(bench: Bench) -> None:
    bench.fleet.delete(REGION, "e")


@pytest.mark.parametrize("remove", [scale_in, update, delete])
def test_streams_go_on_after_the_sigterm_and_are_cut_thirty_seconds_later_by_the_sigkill(remove):
    bench = Bench()
    bench.serving(count=2)
    _, cut = bench.hold(40)
    remove(bench)
    bench.run(20)
    assert cut == []
    bench.run(20)
    assert set(cut) == {"its container was stopped (SIGTERM, then SIGKILL)"}
    assert len(cut) < 40 if remove is scale_in else len(cut) == 40


@pytest.mark.parametrize(("remove", "left"), [(scale_in, 1), (update, 1), (delete, 0)])
def test_a_stream_that_ends_before_the_sigkill_is_not_cut_and_no_container_is_left(remove, left):
    bench = Bench()
    bench.serving(count=2)
    leases, cut = bench.hold(40)
    remove(bench)
    for lease in leases:
        lease.release()
    bench.run(80)
    assert (cut, Engine.running) == ([], left)


def test_a_longer_drain_keeps_the_endpoint_updating_for_as_long_as_streams_last():
    bench = Bench(sigkill_after_s=600.0)
    bench.serving(count=2)
    leases, cut = bench.hold(40)
    scale_in(bench)
    bench.run(120)
    assert (cut, bench.view.status) == ([], "Updating")
    for lease in leases:
        lease.release()
    bench.run(20)
    assert bench.view.status == "InService"


@pytest.mark.parametrize("remove", [scale_in, update])
@pytest.mark.parametrize(("routed_until", "reached"), [("SIGTERM", 1), ("SIGKILL", 2)])
def test_new_streams_stop_being_routed_at_the_sigterm_or_when_that_is_assumed_at_the_sigkill(
    remove, routed_until, reached
):
    bench = Bench(routed_until=routed_until)
    bench.serving(count=2 if remove is scale_in else 1)
    remove(bench)
    bench.run(20)
    assert len({lease.instance.instance_id for lease in bench.hold(40)[0]}) == reached
    bench.run(20)
    assert len({lease.instance.instance_id for lease in bench.hold(40)[0]}) == 1


@pytest.mark.parametrize(("late", "reached"), [(set(), 1), ({"e"}, 2)])
def test_late_routing_can_be_asked_for_while_it_runs(late, reached):
    bench = Bench()
    bench.serving(count=2)
    bench.faults.late = late
    scale_in(bench)
    bench.run(10)
    assert len({lease.instance.instance_id for lease in bench.hold(40)[0]}) == reached


def test_a_second_removal_does_not_cut_what_the_first_left_running():
    bench = Bench()
    bench.serving(count=2)
    _, cut = bench.hold(40)
    scale_in(bench)
    bench.run(10)
    delete(bench)
    assert cut == []
    bench.run(30)
    assert len(cut) == 40


def test_a_new_endpoint_pulls_the_image_and_its_later_instances_find_it_cached():
    bench = Bench()
    bench.fleet.create(REGION, "e", "c", [bench.spec()])
    bench.run(UNCACHED_S - 20)
    assert bench.view.status == "Creating"
    bench.run(40)
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (2, None)})
    bench.run(START_S + 20)
    assert bench.variant.current_count == 2
    bench.fleet.delete(REGION, "e")
    bench.run(60)
    bench.fleet.create(REGION, "e", "c", [bench.spec()])  # as after a pause
    bench.run(UNCACHED_S - 20)
    assert bench.view.status == "Creating"
    bench.run(40)
    assert bench.view.status == "InService"


def test_requests_go_to_the_least_busy_instance_when_the_variant_routes_so():
    bench = Bench()
    spec = VariantSpec(
        name="AllTraffic",
        model_package_arn=ARN,
        instance_types=("ml.g6.2xlarge",),
        initial_count=3,
        routing="LEAST_OUTSTANDING_REQUESTS",
    )
    bench.fleet.create(REGION, "e", "c", [spec])
    bench.run(UNCACHED_S + 20)
    held = [bench.fleet.acquire(REGION, "e").instance.instance_id for _ in range(9)]
    assert sorted(held.count(i) for i in set(held)) == [3, 3, 3]


def test_an_update_replaces_the_fleet_all_at_once_and_cuts_the_old_streams():
    bench = Bench()
    bench.serving()
    _, cut = bench.hold()
    bench.fleet.update(REGION, "e", "c2", [bench.spec("ml.g5.2xlarge")], {"AllTraffic": 2})
    bench.run(START_S - 20)
    assert (bench.view.status, bench.view.config_name, bench.variant.current_count, cut) == ("Updating", "c", 1, [])
    bench.run(40)
    assert (bench.view.status, bench.view.config_name, bench.variant.pools) == (
        "InService",
        "c2",
        {"ml.g5.2xlarge": 2},
    )
    bench.run(40)
    assert len(cut) == 1


def test_an_update_that_cannot_start_keeps_the_old_fleet_and_configuration():
    bench = Bench()
    bench.serving()
    bench.faults.failing["ml.g5.2xlarge"] = "driver"
    bench.fleet.update(REGION, "e", "c2", [bench.spec("ml.g5.2xlarge")], {})
    bench.run(START_S + 20)
    assert (bench.view.status, bench.view.config_name, bench.variant.current_count) == ("InService", "c", 1)
    assert "ping health check" in bench.view.failure_reason


def test_a_crashed_instance_is_replaced_and_its_streams_are_cut():
    bench = Bench()
    bench.serving()
    _, cut = bench.hold()
    bench.faults.crashing.add("e")
    bench.run(10)
    assert (cut, bench.view.status, bench.variant.current_count) == (["instance crashed"], "InService", 0)
    bench.run(START_S + 20)
    assert bench.variant.current_count == 1


@pytest.mark.parametrize(("streams", "gone_s"), [(0, 20), (1, 30)])
def test_a_deleted_endpoint_takes_nothing_more_and_is_gone_when_its_streams_are(streams, gone_s):
    bench = Bench()
    bench.serving()
    bench.hold(streams)
    bench.fleet.delete(REGION, "e")
    with pytest.raises(EndpointNotInService):
        bench.fleet.acquire(REGION, "e")
    bench.run(gone_s - 10)
    assert bench.view.status == "Deleting"
    bench.run(10)
    assert (bench.view, Engine.running) == (None, 0)


def test_a_peak_within_the_interval_is_counted_after_the_requests_have_gone():
    bench = Bench()
    bench.serving()
    leases = [bench.fleet.acquire(REGION, "e") for _ in range(5)]
    for lease in leases:
        lease.release()
        lease.release()
    instance = leases[0].instance
    assert (instance.outstanding, instance.take_peak(), instance.take_peak()) == (0, 5, 0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_change_of_capacity_counts_the_instance_that_replaces_a_crashed_one(count):
    bench = Bench()
    bench.serving(count=2)
    bench.faults.crashing.add("e")
    bench.run(20)
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (count, None)})
    bench.run(START_S + 40)
    assert (bench.view.status, bench.variant.current_count, Engine.running) == ("InService", count, count)


def test_requests_hold_local_time_until_a_beat_has_passed_without_any():
    bench = Bench(sigkill_after_s=600.0)
    assert not bench.fleet.is_asked()
    bench.serving(count=2)
    assert not bench.fleet.is_asked()
    leases = [bench.fleet.acquire(REGION, "e") for _ in range(2)]
    assert bench.fleet.is_asked()
    for lease in leases:
        lease.release()
    assert bench.fleet.is_asked(), "between two files no time is moved on"
    for lease in leases:
        lease.instance.take_peak()
    assert not bench.fleet.is_asked()
    leases = [bench.fleet.acquire(REGION, "e") for _ in range(40)]
    bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (1, None)})
    bench.run(20)
    on_stopping = [lease for lease in leases if lease.instance.phase is Phase.STOPPING]
    for lease in leases:
        if lease not in on_stopping:
            lease.release()
        lease.instance.take_peak()
    assert bench.fleet.is_asked(), "a stream on an instance that stops counts, too"
    for lease in on_stopping:
        lease.release()
    assert not bench.fleet.is_asked()
