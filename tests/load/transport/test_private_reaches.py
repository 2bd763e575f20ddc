"""What this package reaches into inside AWS's HTTP/2 SDK and Deepgram's client: a new version may have moved it."""

from __future__ import annotations

from copy import deepcopy
from importlib.metadata import version

import pytest

from dgsm_helpers.load.transport import deepgram_session, http2_sdk


@pytest.mark.parametrize("name", http2_sdk.PRIVATE_ATTRIBUTES)
def test_the_http2_sdks_transport_still_has_the_attributes_that_are_set_on_it(name):
    transport = http2_sdk.target_transport(None)
    assert hasattr(transport, name), (
        f"smithy-http {version('smithy-http')} has no {name}: see load/transport/http2_sdk.py"
    )


def test_a_copied_transport_still_trusts_the_bundle(peer):
    transport = deepcopy(http2_sdk.target_transport(peer.ca_bundle))
    assert type(transport).__name__ == "TargetTransport"


def test_deepgrams_package_still_builds_its_configuration_from_the_class_that_is_replaced():
    transport = pytest.importorskip("deepgram_sagemaker.transport")
    assert hasattr(transport, deepgram_session.REBOUND_CLASS), (
        f"deepgram-sagemaker {version('deepgram-sagemaker')} has no {deepgram_session.REBOUND_CLASS} in its transport: "
        "see load/transport/deepgram_session.py"
    )
