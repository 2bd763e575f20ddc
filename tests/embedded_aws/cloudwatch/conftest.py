"""CloudWatch behind the gateway on a real port, on a clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import boto3
import pytest

from embedded_aws.cloudwatch.cloudwatch_service import CloudWatch
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.gateway.control_server import ControlServer
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.gateway import Gateway
from embedded_aws.gateway.regions import Regions
from embedded_aws.listening import listen
from embedded_aws.listings import ACCESS_KEY_ID, SECRET_ACCESS_KEY

NOON_S = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


@dataclass
class SteppedClock:
    """Local time that moves when told to."""

    time_s: float = NOON_S

    def now_s(self) -> float:
        return self.time_s

    @staticmethod
    def at(seconds: float) -> datetime:
        """A time relative to noon, when the clock starts."""
        return datetime.fromtimestamp(NOON_S + seconds, UTC)


def regions_on(clock: SteppedClock) -> Regions[CloudWatch]:
    """CloudWatch in all regions, without a metric or an alarm."""
    return Regions(lambda region: CloudWatch(RegionWatch(region, clock.now_s)))


@dataclass
class Service:
    """A running gateway with nothing but CloudWatch behind it; ``regions`` is what it answers from."""

    url: str = ""
    regions: Regions[CloudWatch] = field(default_factory=lambda: regions_on(SteppedClock()))
    clients: dict = field(default_factory=dict)

    def answering(self, region: str) -> CloudWatch:
        """CloudWatch of a region, from the regions of the moment."""
        return self.regions(region)

    def client(self, region: str = "us-east-1"):
        if region not in self.clients:
            session = boto3.Session(
                aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=region
            )
            self.clients[region] = session.client("cloudwatch", endpoint_url=self.url)
        return self.clients[region]


@pytest.fixture(scope="session")
def running_service() -> Iterator[Service]:
    running = Service()
    app = Gateway(responders={"cloudwatch": running.answering}, faults=Faults(), admin={})
    with listen() as listening:
        server = ControlServer(listening, app)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    running.url = f"http://127.0.0.1:{server.port}"
    yield running
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def service(running_service: Service, clock: SteppedClock) -> Service:
    """The running service, anew on the test's clock: no metrics, no alarms, no dashboards in any region."""
    running_service.regions = regions_on(clock)
    return running_service


@pytest.fixture
def here(service: Service) -> RegionWatch:
    """What CloudWatch keeps of us-east-1."""
    return service.regions("us-east-1").state


@pytest.fixture
def client(service: Service):
    """CloudWatch of us-east-1, from the outside."""
    return service.client()
