"""An endpoint on the embedded AWS; and a workbook whose AWS answers from a script."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from kit import endpoints

from dgsm_helpers.aws.account import deletion
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.places.clients import Clients
from dgsm_helpers.session import AWS, Workbook, open_workbook

REGION = "us-east-1"
ARN = f"arn:aws:sagemaker:{REGION}:123456789012:model-package/deepgram-stt-nova-3/1"
ROLE = "arn:aws:iam::123456789012:role/DeepgramEndpoint"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


class OneClientSession(boto3.Session):
    """Hands out one client per service, so that the SageMaker SDK talks to the same script as everything else."""

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        made = self.__dict__.setdefault("made", {})
        if service_name not in made:
            made[service_name] = super().client(service_name, *args, **kwargs)
        return made[service_name]


@dataclass
class Scripted:
    """A workbook with a clock that only ``sleep`` moves, and a Stubber per service."""

    wb: Workbook
    slept: list[float]
    _stubs: dict[str, Stubber] = field(default_factory=dict)

    def stub(self, service: str) -> Stubber:
        """The service's stubber; unexpected calls and unused answers both fail the test."""
        if service not in self._stubs:
            stub = Stubber(self.wb.client(service))
            stub.activate()
            self._stubs[service] = stub
        return self._stubs[service]

    def answers(
        self, service: str, operation: str, answer: dict[str, Any], expected: dict[str, Any] | None = None
    ) -> None:
        self.stub(service).add_response(operation, answer, expected)

    def refuses(self, service: str, operation: str, code: str, message: str, **fields: Any) -> None:
        self.stub(service).add_client_error(
            operation, code, message, http_status_code=400, response_meta={"RequestId": "req-1"}, **fields
        )

    def prices(self, *amounts: float) -> None:
        """Answers for as many price look-ups."""
        for amount in amounts:
            dimension = {"pricePerUnit": {"USD": str(amount)}, "unit": "Hrs"}
            offer = {
                "product": {"attributes": {}},
                "publicationDate": "2026-11-01T00:00:00Z",
                "terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}},
            }
            self.answers("pricing", "get_products", {"PriceList": [json.dumps(offer)]})

    def all_used(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch):
    """Makes one scripted workbook; keyword arguments replace the Workbook's own. It looks as often as a user's."""
    monkeypatch.setattr(endpoint_state, "POLL_S", 10.0)
    made: list[Scripted] = []

    def make(**given: Any) -> Scripted:
        slept: list[float] = []

        session = given.pop("session", None) or OneClientSession("AKIDEXAMPLE", "secret", region_name=REGION)
        wb = Workbook(
            **{
                **AWS,
                "now_s": lambda: NOON + sum(slept),
                "sleep_s": slept.append,
                "region": REGION,
                "endpoint_name": "dg",
                "variant_name": "AllTraffic",
                "model_package_arn": ARN,
                "confirm_spend": True,
                "home": tmp_path,
                "clients": Clients(session),
                "stream_url": f"https://runtime.sagemaker.{REGION}.amazonaws.com:8443",
                "ca_bundle": None,
                "role_arn": ROLE,
                "readings": {"account": "The account of a script"},
                **given,
            }
        )
        made.append(Scripted(wb, slept))
        return made[-1]

    yield make
    for one in made:
        one.all_used()


@pytest.fixture(scope="module")
def deployed(embedded, request):
    """One endpoint for all tests of a module that leave it as it is; deployed, InService, deleted afterwards."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    wb = endpoints.deployed(open_workbook("local", home=embedded.home, endpoint_name=name))
    yield wb
    deletion.delete(wb)


@pytest.fixture
def scaled(deployed):
    """The module's endpoint, registered 1 to 4 with the guide's policy; not registered afterwards."""
    registration.register(deployed)
    registration.apply(deployed)
    yield deployed
    registration.remove(deployed)
