"""A real runtime server on a real port, in front of the smallest placement that can be."""

import asyncio
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field

import psutil
import pytest
import trustme
from kit.runtime_sdk import WAIT_S
from kit.waiting import until, until_async

from embedded_aws.engines.metered import MeteredEngine, MeteredSettings
from embedded_aws.fleet.live_fleet import EndpointNotFound, EndpointNotInService, VariantNotFound
from embedded_aws.listening import listen
from embedded_aws.listings import ACCESS_KEY_ID, LISTINGS, SECRET_ACCESS_KEY
from embedded_aws.runtime.runtime_server import RuntimeServer

LISTING = {listing.name: listing for listing in LISTINGS}


@dataclass
class Host:
    engine: object
    listing: object
    instance_id: str = "i-0123456789abcdef0"


@dataclass(eq=False)
class RecordedLease:
    placement: "OneInstance"
    instance: Host
    region: str
    variant_name: str = "AllTraffic"
    on_kill: object = None
    first_chunks: list = field(default_factory=list)
    model_latencies: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    log_lines: list = field(default_factory=list)
    released: int = 0
    alive: bool = True

    def log(self, message):
        self.log_lines.append(message)

    def first_chunk(self, latency_ms):
        self.first_chunks.append(latency_ms)

    def model_latency(self, latency_ms):
        self.model_latencies.append(latency_ms)

    def error(self, kind):
        self.errors.append(kind)

    def release(self):
        self.released += 1


class OneInstance:
    """Endpoint ``demo`` with one instance; ``creating`` exists and takes nothing."""

    def __init__(self, engine, listing):
        self.host = Host(engine.new_instance("i-0123456789abcdef0"), LISTING[listing])
        self.leases = []

    def acquire(self, region, endpoint_name, *, variant=None):
        if endpoint_name == "creating":
            raise EndpointNotInService("Creating")
        if endpoint_name != "demo":
            raise EndpointNotFound(endpoint_name)
        if variant not in (None, "AllTraffic"):
            raise VariantNotFound(variant)
        lease = RecordedLease(self, self.host, region)
        self.leases.append(lease)
        return lease


class SetFaults:
    """Faults that a test sets by hand."""

    def __init__(self):
        self.calls = None
        self.due = Counter()
        self.asked = []
        self.sees = None
        self.longest_s = None

    def api(self, service, operation):
        self.asked.append((service, operation))
        return self.calls

    def take(self, kind, endpoint):
        if self.due[kind] <= 0:
            return False
        self.due[kind] -= 1
        return True

    def cut_ending(self, endpoint):
        return self.sees

    def session_limit_s(self, endpoint):
        return self.longest_s


@dataclass
class Running:
    """A server on a thread of its own."""

    server: RuntimeServer
    placement: OneInstance
    faults: SetFaults
    loop: asyncio.AbstractEventLoop
    port: int
    ca_file: str
    ca: trustme.CA
    leaf: trustme.LeafCert

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def lease(self):
        return self.placement.leases[-1]

    def lose_instance(self, reason):
        """As the heartbeat does, from its own thread, once a request holds the instance."""
        leases = self.placement.leases
        until(lambda: leases and leases[-1].on_kill, "a request holds the instance")
        self.lease.on_kill(reason)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(WAIT_S)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """CA, leaf and bundle."""
    folder = tmp_path_factory.mktemp("ca")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    return ca, ca.issue_cert("127.0.0.1", "localhost"), str(folder / "ca.pem")


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def closed(engine):
    """Close on the loop, and let it collect the processes that end."""
    pids = [worker.pid for worker in getattr(engine, "workers", ()) if worker.pid]
    engine.close()
    await until_async(lambda: not any(map(psutil.pid_exists, pids)), "the engine's processes have ended")


@pytest.fixture
def serve(authority, keys, monkeypatch):
    """Start servers: ``serve(engine=..., limits=...)``; all are stopped at the end."""
    ca, leaf, ca_file = authority
    for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE"):  # as `dgsm local env` points the clients at them
        monkeypatch.setenv(name, ca_file)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = []

    def start(engine=None, listing="metered", **settings):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        placement = OneInstance(engine or MeteredEngine(MeteredSettings(lanes=100, service_ms=1)), listing)
        faults = SetFaults()
        server = RuntimeServer(fleet=placement, faults=faults, **settings)
        listening = listen()
        port = listening.getsockname()[1]
        asyncio.run_coroutine_threadsafe(server.start(listening, ssl_context=context), loop).result(WAIT_S)
        running = Running(server, placement, faults, loop, port, ca_file, ca, leaf)
        started.append((running, engine))
        return running

    yield start
    for running, engine in started:
        running.run(running.server.stop())
        if engine is not None:
            running.run(closed(engine))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(WAIT_S)
    loop.close()


@pytest.fixture
def running(serve):
    """A server with ample capacity and the real limits."""
    return serve()
