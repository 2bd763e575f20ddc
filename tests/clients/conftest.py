"""What public clients need: an endpoint on the embedded AWS, the environment of `dgsm local env`, and themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from kit.client_environments import NotInstalled, javascript_with, or_skip, python_with
from kit.client_setup import SCRIPTS, Scaling, make_endpoint, model_request, wait_until_in_service

HTTP2 = "aws-sdk-sagemaker-runtime-http2"


@pytest.fixture(scope="session")
def local_env(embedded) -> dict[str, str]:
    """A shell's environment after `eval "$(dgsm local env)"`, evaluated by a real shell."""
    ours = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"}
    clean = {n: v for n, v in os.environ.items() if n in ours or not n.startswith(("AWS_", "DGSM_", "SSL_", "NODE_"))}
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", 'eval "$(dgsm local env)" && env -0'],
        env={**clean, "PATH": here, "DGSM_HOME": str(embedded.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


@dataclass(frozen=True)
class Boto3:
    """boto3 as a user of that environment has it: nothing is passed but the service's name. A client is made once."""

    env: dict[str, str]
    listings: dict[str, str]
    role_arn: str
    made: dict[str, Any] = field(default_factory=dict)

    def __call__(self, service: str, **given: Any) -> Any:
        if given:
            return self._make(service, **given)
        if service not in self.made:
            self.made[service] = self._make(service)
        return self.made[service]

    def _make(self, service: str, **given: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                if name.startswith(("AWS_", "SSL_")):
                    patch.setenv(name, value)
            return boto3.Session().client(service, **given)


@pytest.fixture(scope="session")
def boto(embedded, local_env) -> Boto3:
    """`boto("sagemaker")` is an unmodified boto3 client."""
    return Boto3(local_env, dict(embedded.info.listings), embedded.info.execution_role_arn)


@pytest.fixture(scope="session")
def endpoint(boto) -> Iterator[str]:
    """An endpoint of the `metered` listing, in service for the whole session."""
    yield from _in_service(boto, "dg-clients", "metered")


@pytest.fixture(scope="session")
def flux_endpoint(boto) -> Iterator[str]:
    """The same of the `metered-flux` listing."""
    yield from _in_service(boto, "dg-clients-flux", "metered-flux")


def _in_service(boto, name: str, listing: str) -> Iterator[str]:
    sagemaker = boto("sagemaker")
    make_endpoint(sagemaker, name, boto.listings[listing], boto.role_arn)
    wait_until_in_service(sagemaker, name)
    yield name
    sagemaker.delete_endpoint(EndpointName=name)


@pytest.fixture
def scaling(boto, endpoint) -> Iterator[Scaling]:
    """The endpoint is not registered before, nor after."""
    calls = Scaling(boto("application-autoscaling"), f"endpoint/{endpoint}/variant/AllTraffic")
    yield calls
    if calls.targets():
        calls.client.deregister_scalable_target(**calls.target)


@pytest.fixture
def model(boto) -> Iterator[str]:
    sagemaker = boto("sagemaker")
    sagemaker.create_model(ModelName="dg-refused", **model_request(boto.listings["metered"], boto.role_arn))
    yield "dg-refused"
    sagemaker.delete_model(ModelName="dg-refused")


@pytest.fixture(scope="session")
def http2_python(request) -> Callable[[str], str]:
    """`http2_python("0.6")` is a Python that has that release of AWS's HTTP/2 client, and nothing of ours."""
    tried: dict[str, Path | NotInstalled] = {"0.11": Path(sys.executable)}

    def find(release: str) -> str:
        if release not in tried:
            wanted = {"0.6": f"{HTTP2}[awscrt]>=0.6,<0.7", "newest": f"{HTTP2}[awscrt]>=0.12"}[release]
            tried[release] = _try(python_with, [wanted], _cache(request) / f"http2-{release}")
        return str(or_skip(tried[release]))

    return find


@pytest.fixture(scope="session")
def javascript_sdk(request) -> Path:
    """A node_modules folder with AWS's JavaScript SDK for the runtime and what scales an endpoint."""
    clients = ("sagemaker-runtime", "sagemaker", "application-auto-scaling", "cloudwatch")
    wanted = [f"@aws-sdk/client-{client}@3" for client in clients]
    return or_skip(_try(javascript_with, wanted, _cache(request) / "javascript"))


def _cache(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.cache.mkdir("clients"))


def _try(make: Callable[[Any, Path], Path], wanted: Any, folder: Path) -> Path | NotInstalled:
    try:
        return make(wanted, folder)
    except NotInstalled as error:
        return error


@pytest.fixture
def run_script(local_env) -> Callable[..., dict]:
    """Runs a client's script with only `dgsm local env`'s environment and returns the JSON it printed."""

    def run(interpreter: str | Sequence[str], script: str, *arguments: str, env: dict[str, str] | None = None) -> dict:
        command = [interpreter] if isinstance(interpreter, str) else interpreter
        done = subprocess.run(
            [*command, str(SCRIPTS / script), *arguments],
            env={**local_env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run
