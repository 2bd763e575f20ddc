"""The live fleet's life cycles, on a clock the test moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from embedded_aws.fleet.lifecycle import FleetSettings
from embedded_aws.fleet.live_fleet import EndpointNotFound, EndpointNotInService, Fleet, FleetBusy
from embedded_aws.fleet.variants import VariantSpec
from embedded_aws.listings import LISTINGS

REGION = "us-east-1"
START_S = 200.0
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

    def shortage(self, instance_type: str) -> bool:
        return instance_type in self.short

    def failed_start(self, instance_type: str) -> str | None:
        return self.failing.get(instance_type)

    def take(self, kind: str, endpoint: str) -> bool:
        if endpoint in self.crashing:
            self.crashing.remove(endpoint)
            return True
        return False


class Engine:
    """An engine whose instances only know that they were closed."""

    def new_instance(self, instance_id: str) -> Engine:
        return Engine()

    def close(self) -> None:
        pass


class Bench:
    """A fleet with its clock, faults and log."""

    def __init__(self, drain_s: float = 0.0) -> None:
        self.clock, self.faults, self.log = MovedClock(), Switches(), []
        self.fleet = Fleet(
            clock=self.clock,
            engines={"metered": Engine()},
            faults=self.faults,
            log=lambda region, endpoint, stream, message, now_s: self.log.append(message),
            settings=FleetSettings(start_delay_s=lambda rng: START_S, drain_s=drain_s),
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
        self.run(START_S + 20)
        assert self.view.status == "InService"

    @property
    def view(self):
        return self.fleet.view(REGION, "e")

    @property
    def variant(self):
        return self.view.variant("AllTraffic")


def test_an_endpoint_is_in_service_when_every_instance_has_started():
    bench = Bench()
    bench.fleet.create(REGION, "e", "c", [bench.spec(count=2)])
    bench.run(START_S - 20)
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


def test_a_shortage_falls_back_to_the_next_type_after_the_provision_timeout():
    bench = Bench()
    bench.faults.short.add("ml.g6.2xlarge")
    bench.fleet.create(REGION, "e", "c", [bench.spec("ml.g6.2xlarge", "ml.g5.2xlarge")])
    bench.run(290 + START_S)
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
    bench.run(START_S + 20)
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


def test_scale_in_cuts_the_streams_it_finds_unless_it_may_drain():
    for drain_s, cut in ((0.0, ["instance removed by scale-in"]), (600.0, [])):
        bench = Bench(drain_s=drain_s)
        bench.serving(count=2)
        reasons: list[str] = []
        leases = [bench.fleet.acquire(REGION, "e") for _ in range(40)]
        for lease in leases:
            lease.on_kill = lambda reason, seen=reasons: seen.append(reason)
        bench.fleet.set_capacity(REGION, "e", {"AllTraffic": (1, None)})
        bench.run(20)
        assert sorted(set(reasons)) == cut
        bench.run(60)
        assert bench.view.status == ("InService" if cut else "Updating")


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
    bench.run(START_S + 20)
    held = [bench.fleet.acquire(REGION, "e").instance.instance_id for _ in range(9)]
    assert sorted(held.count(i) for i in set(held)) == [3, 3, 3]


def test_an_update_replaces_the_fleet_all_at_once_and_cuts_the_old_streams():
    bench = Bench()
    bench.serving()
    cut: list[str] = []
    bench.fleet.acquire(REGION, "e").on_kill = cut.append
    bench.fleet.update(REGION, "e", "c2", [bench.spec("ml.g5.2xlarge")], {"AllTraffic": 2})
    bench.run(START_S - 20)
    assert (bench.view.status, bench.view.config_name, bench.variant.current_count, cut) == ("Updating", "c", 1, [])
    bench.run(40)
    assert (bench.view.status, bench.view.config_name, bench.variant.pools) == (
        "InService",
        "c2",
        {"ml.g5.2xlarge": 2},
    )
    assert cut == ["replaced by an endpoint update"]


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
    cut: list[str] = []
    bench.fleet.acquire(REGION, "e").on_kill = cut.append
    bench.faults.crashing.add("e")
    bench.run(10)
    assert (cut, bench.view.status, bench.variant.current_count) == (["instance crashed"], "InService", 0)
    bench.run(START_S + 20)
    assert bench.variant.current_count == 1


def test_a_deleted_endpoint_cuts_its_streams_and_is_gone_after_a_moment():
    bench = Bench()
    bench.serving()
    cut: list[str] = []
    bench.fleet.acquire(REGION, "e").on_kill = cut.append
    bench.fleet.delete(REGION, "e")
    assert (cut, bench.view.status) == (["endpoint deleted"], "Deleting")
    bench.run(30)
    assert bench.view is None


def test_a_peak_within_the_interval_is_counted_after_the_requests_have_gone():
    bench = Bench()
    bench.serving()
    leases = [bench.fleet.acquire(REGION, "e") for _ in range(5)]
    for lease in leases:
        lease.release()
        lease.release()
    instance = leases[0].instance
    assert (instance.outstanding, instance.take_peak(), instance.take_peak()) == (0, 5, 0)
