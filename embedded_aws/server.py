"""The embedded AWS as one process: what it is made of, and in which order it comes and goes.

Run as ``python -m embedded_aws FOLDER SETTINGS`` in that folder. It writes ``server.json`` into its state folder when
everything listens, and ends on SIGTERM. Three things run in it: the control plane's HTTP server (a thread per request),
the heartbeat (a thread), and the runtime's TLS server (an asyncio loop on the main thread).
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import trustme
from botocore.loaders import Loader

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.rules.fleet import ContainerStop, start_delay_s
from dgsm_helpers.rules.model import recorded_model
from dgsm_helpers.wire.moved_time import MovedTime
from dgsm_helpers.wire.whole_file import write_whole
from embedded_aws.autoscaling.autoscaling_service import AutoScaling
from embedded_aws.autoscaling.beat import Autoscaler
from embedded_aws.autoscaling.region_scaling import RegionScaling
from embedded_aws.clock import Clock, Heartbeat
from embedded_aws.cloudwatch import engine_queries
from embedded_aws.cloudwatch.cloudwatch_service import CloudWatch, evaluate_alarms
from embedded_aws.cloudwatch.engine_queries import EngineQueries
from embedded_aws.cloudwatch.region_watch import RegionWatch
from embedded_aws.engines.base import Engine
from embedded_aws.engines.lanes import MeteredSettings
from embedded_aws.engines.metered import MeteredEngine
from embedded_aws.engines.speech import engine_for_speech
from embedded_aws.engines.voice_engine import engine_for_spoken
from embedded_aws.fleet.lifecycle import FleetSettings
from embedded_aws.fleet.live_fleet import Fleet
from embedded_aws.fleet.vitals import Vitals
from embedded_aws.gateway.control_plane import ControlPlane
from embedded_aws.gateway.control_server import ControlServer
from embedded_aws.gateway.faults import Faults
from embedded_aws.gateway.gateway import Gateway
from embedded_aws.gateway.moto_inside import write_container_log
from embedded_aws.gateway.regions import Regions
from embedded_aws.listening import HOST, listen_or_elsewhere
from embedded_aws.listings import ACCESS_KEY_ID, LISTINGS, SECRET_ACCESS_KEY
from embedded_aws.other.service_quotas import Quotas
from embedded_aws.runtime.aws_ports import AwsPorts
from embedded_aws.runtime.runtime_server import RuntimeServer

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SCHEMA_VERSION = 2
"""Of ``server.json``: how a client finds the server. `dgsm_helpers.places.server_info` reads it."""

MOST_AT_ONCE_S = 86_400.0
"""What one request may move local time on by; a day is a second's work."""

_DESCRIPTORS = 16_384

_HERE = Path()
"""The state folder is also the working folder: one that was made again under its name is never written to."""

CONTROL_PORT, RUNTIME_PORT = 8442, 8443
"""Taken when free, so that addresses stay the same from one start to the next; otherwise any free port."""


def main(folder: Path, settings: Mapping[str, Any]) -> None:
    """Run until SIGTERM, in ``folder``. ``settings``: as `dgsm_helpers.local.up` writes them."""
    _raise_descriptor_limit()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moved_time_file = folder / "moved_time"
    clock = Clock.starting_now(settings["speed"], MovedTime.create(_HERE / moved_time_file.name))
    metered = MeteredSettings(**settings["metered"])
    metered_engine = MeteredEngine(metered)
    speech_engine, speech_note = engine_for_speech(metered_engine)
    spoken_engine, spoken_note = engine_for_spoken(metered_engine)
    engines: dict[str, Engine] = {"metered": metered_engine, "speech": speech_engine, "spoken": spoken_engine}
    faults = Faults()
    model = recorded_model(settings["recording"])
    fleet = Fleet(
        clock=clock,
        engines=engines,
        faults=faults,
        log=write_container_log,
        settings=FleetSettings(
            start_delay_s=lambda rng, cached: start_delay_s(model, rng, image_cached=cached),
            scale_in_s=model.scale_in_s,
            stop=ContainerStop.of(model),
            image_cache=model.image_cache,
        ),
        seed=settings["seed"],
    )
    quotas = Quotas(clock)
    cloudwatch = Regions(lambda region: CloudWatch(RegionWatch(region, clock.now_s)))
    autoscaling = Regions(
        lambda region: AutoScaling(RegionScaling(region, clock, fleet, cloudwatch(region).state.alarms, model))
    )
    plane = ControlPlane(
        fleet=fleet,
        clock=clock,
        quotas=quotas,
        faults=faults,
        is_registered=lambda region, resource_id: autoscaling(region).is_registered(resource_id),
    )
    plane.create_identity()
    vitals = Vitals(
        fleet,
        lambda region: cloudwatch(region).state.store,
        faults.metrics_delay_s,
        model=model,
    )
    token = secrets.token_hex(16)

    beat = (fleet.tick, vitals.publish, partial(evaluate_alarms, cloudwatch), Autoscaler(autoscaling, quotas).tick)
    heartbeat = Heartbeat(clock, beat, held=fleet.is_asked)

    def advance(body: object) -> dict[str, float]:
        seconds = body.get("seconds") if isinstance(body, dict) else None
        if not isinstance(seconds, int | float) or not 0 <= seconds <= MOST_AT_ONCE_S:
            raise InvalidInput(f"Local time cannot be moved on by {seconds!r}: give 0 to {MOST_AT_ONCE_S:g} seconds.")
        return {"left_s": heartbeat.advance(seconds)}

    def status(_: object) -> dict[str, Any]:
        return {
            "token": token,
            "pid": os.getpid(),
            "now": clock.now().isoformat(timespec="seconds"),
            "endpoints": _endpoints(fleet),
        }

    def instances(body: object) -> list[dict[str, Any]]:
        asked = (body.get("region"), body.get("endpoint")) if isinstance(body, dict) else ()
        with fleet.lock:
            named = [one for one in fleet.endpoints() if (one.region, one.name) == asked]
            return named[0].instances() if named else []

    ca_file, ca_bundle = folder / "ca.pem", folder / "bundle.pem"
    context = _make_tls_context(_HERE / ca_file.name, _HERE / ca_bundle.name)
    runtime_socket = listen_or_elsewhere(RUNTIME_PORT)
    runtime_port = runtime_socket.getsockname()[1]
    runtime = RuntimeServer(fleet=fleet, faults=faults, cut_stream_sees=model.cut_stream_sees)
    aws_ports = AwsPorts(runtime, context, (HOST, runtime_port))
    loop = asyncio.new_event_loop()

    def open_aws_ports(_: object) -> dict[str, str]:
        return {"address": aws_ports.open(loop)}

    gateway = Gateway(
        responders={**plane.responders, "cloudwatch": cloudwatch, "application-autoscaling": autoscaling},
        faults=faults,
        admin=plane.admin_routes
        | {
            ("GET", "status"): status,
            ("GET", "instances"): instances,
            ("POST", "advance"): advance,
            ("POST", "aws-ports"): open_aws_ports,
        },
        paths={
            engine_queries.PATH: (
                "cloudwatch",
                engine_queries.ACTION,
                EngineQueries(fleet, lambda region: cloudwatch(region).state),
            )
        },
        default_region=settings["region"],
        check_signatures=settings["check_signatures"],
    )
    with listen_or_elsewhere(CONTROL_PORT) as listening:
        control = ControlServer(listening, gateway)
    state = {
        "schema_version": SCHEMA_VERSION,
        "pid": os.getpid(),
        "token": token,
        "region": settings["region"],
        "control_url": f"http://{HOST}:{control.port}",
        "runtime_url": f"https://{HOST}:{runtime_port}",
        "ca_file": str(ca_file),
        "ca_bundle": str(ca_bundle),
        "speed": clock.speed,
        "origin_s": clock.origin_s,
        "started_s": clock.started_s,
        "check_signatures": settings["check_signatures"],
        "moved_time_file": str(moved_time_file),
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
        "execution_role_arn": plane.create_execution_role(),
        "listings": {listing.name: listing.arn(settings["region"]) for listing in LISTINGS},
        "engines": {
            "metered": {**asdict(metered), "knee": metered.knee, "voices": metered.voices},
            "speech": {"note": speech_note},
            "spoken": {"note": spoken_note},
        },
    }
    # A million things that stay need not be looked through again and again: that would stop every stream for a while,
    # and Python would do it so seldom that what can go stays for minutes.
    gc.freeze()
    threading.Thread(target=control.serve_forever, name="control plane", daemon=True).start()
    heartbeat.start()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(_serve(runtime, runtime_socket, context, folder, state))
    finally:
        heartbeat.stop()
        control.shutdown()
        fleet.close()
        for engine in engines.values():
            engine.close()


def _raise_descriptor_limit() -> None:
    """A shell's usual limit of 1024 open files is less than streams of one rung may need connections."""
    if resource is not None:
        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
        if resource.RLIM_INFINITY != now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _make_tls_context(ca_file: Path, ca_bundle: Path) -> ssl.SSLContext:
    """Make a certificate authority, anew at each start: alone in ``ca_file``, with the system's in ``ca_bundle``.

    The runtime's certificate also has AWS's own host names, so that a client with such a name written into it can be
    redirected by name resolution alone. AWS's HTTP/2 client speaks over TLS only, hence TLS on this machine at all.
    """
    authority = trustme.CA(organization_name="dgsm_helpers embedded AWS")
    # Not a session's list, for which all endpoints of all services are read: 24 MB.
    partitions = {partition["id"]: partition for partition in Loader().load_data("partitions")["partitions"]}
    names = [f"runtime.sagemaker.{region}.amazonaws.com" for region in partitions["aws"]["regions"]]
    authority.cert_pem.write_to_path(ca_file)
    system = Path(ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile)
    roots = system.read_bytes() if system.is_file() else b""
    ca_bundle.write_bytes(roots + b"\n" + authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", *names).configure_cert(context)
    return context


async def _serve(
    runtime: RuntimeServer, listening: socket.socket, context: ssl.SSLContext, folder: Path, state: Mapping[str, Any]
) -> None:
    await runtime.start(listening, ssl_context=context)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # Who started it may have been killed meanwhile: then the next start, or stop, has taken its folder away.
    if not folder.is_dir() or not folder.samefile("."):
        return
    write_whole(_HERE / "server.json", json.dumps(state), private=True)
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(runtime.stop(), 5)


def _endpoints(fleet: Fleet) -> list[dict[str, Any]]:
    with fleet.lock:
        return [
            {
                "name": endpoint.name,
                "region": endpoint.region,
                "status": endpoint.status,
                "running": sum(len(v.serving) for v in endpoint.variants.values()),
                "in_flight": sum(i.outstanding for v in endpoint.variants.values() for i in v.serving),
            }
            for endpoint in fleet.endpoints()
        ]
