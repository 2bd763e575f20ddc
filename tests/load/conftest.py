"""A misbehaving streaming peer for client tests."""

from __future__ import annotations

import pytest
from kit import streaming_peer


@pytest.fixture(scope="session")
def peer(tmp_path_factory):
    with streaming_peer.serve(tmp_path_factory.mktemp("peer")) as running:
        yield running
