"""A control plane for each test."""

import pytest
from kit.stepped_plane import running_plane

from dgsm_helpers.errors import NotReady


def _busy(_):
    raise NotReady("not now")


@pytest.fixture
def plane():
    """A control plane of the test's own, with one admin route that is never ready."""
    with running_plane({("GET", "busy"): _busy}) as running:
        yield running
