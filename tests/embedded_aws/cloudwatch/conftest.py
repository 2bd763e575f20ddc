"""CloudWatch behind the gateway on a real port, on a clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import boto3
import pytest
from werkzeug.serving import make_server

from embedded_aws import cloudwatch
from embedded_aws.cloudwatch import CloudWatch
from embedded_aws.credentials import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.gateway import QuietHandler, create_gateway

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


@dataclass
class Service:
    """A running gateway with nothing but CloudWatch behind it."""

    url: str
    clients: dict = field(default_factory=dict)

    def client(self, region: str = "us-east-1"):
        if region not in self.clients:
            session = boto3.Session(
                aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=region
            )
            self.clients[region] = session.client("cloudwatch", endpoint_url=self.url)
        return self.clients[region]


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    app = create_gateway(responders=cloudwatch.responders(), faults=Faults(), admin={})
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield Service(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Iterator[SteppedClock]:
    stepped = SteppedClock()
    cloudwatch.install(stepped)
    yield stepped
    cloudwatch.reset()


@pytest.fixture
def here(clock: SteppedClock) -> CloudWatch:
    """CloudWatch of us-east-1, from the inside."""
    return cloudwatch.cloudwatch_for("us-east-1")


@pytest.fixture
def client(service: Service, clock: SteppedClock):
    """CloudWatch of us-east-1, from the outside."""
    return service.client()
