"""A cluster for the load: what travels there is said, and what is no scheduler is refused at once."""

from __future__ import annotations

import socket
import threading
import warnings

import pytest
from click.testing import CliRunner
from kit import endpoints

from dgsm_helpers.cli.main import dgsm
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.ladder import crew
from dgsm_helpers.session import open_workbook


@pytest.fixture
def silent():
    """A port where something takes connections and says nothing, as a web server does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def curt():
    """A port where whatever connects is hung up on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up():
            while True:
                try:
                    listening.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("kind", ["silent", "curt"])
def test_what_is_no_scheduler_is_refused(kind, request, monkeypatch):
    monkeypatch.setattr(crew, "_CONNECT_S", 1)
    with pytest.raises(InvalidInput, match="No Dask scheduler at"):
        crew.cluster_crew(request.getfixturevalue(kind))


@pytest.mark.parametrize(
    "address",
    [
        *("tcp://127.0.0.1:1", "tls://127.0.0.1:1", "127.0.0.1:99999999", "nonsense", "tcp://:x", "tls://host"),
        *("ws://host:x", "tcp://host:\u00b2", "://", ":8786", "tls://[::1]", "ucx://127.0.0.1:1"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(address):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InvalidInput, match="No Dask scheduler at"):
            crew.cluster_crew(address)


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:x", "192.0.2.1:x", "ucx://192.0.2.1:x", "ws://192.0.2.1:x"])
def test_what_goes_over_a_network_in_clear_is_said_beforehand(address):
    with (
        pytest.warns(UserWarning, match="AWS key pair and session token.* in clear: use tls://"),
        pytest.raises(InvalidInput),
    ):
        crew.cluster_crew(address)


@pytest.mark.parametrize("address", ["tls://192.0.2.1:x", "tcp://127.0.0.1:x", "tcp://localhost:x"])
def test_what_nobody_can_listen_to_is_not_warned_of(address):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=crew.TRAVELS)
        with pytest.raises(InvalidInput):
            crew.cluster_crew(address)


@pytest.mark.parametrize("address", ["", " "])
def test_no_cluster_is_started_for_an_address_that_is_none(address):
    with pytest.raises(InvalidInput, match="has no address"), warnings.catch_warnings(action="ignore"):
        crew.cluster_crew(address)


def test_a_wrong_cluster_is_refused_before_an_endpoint_is_deployed_for_it(embedded):
    line = ["tune", "dg-test-cluster", "--cluster", "tcp://127.0.0.1:1"]
    ended = CliRunner(env={"DGSM_HOME": str(embedded.home)}).invoke(dgsm, line)
    assert ended.exit_code == 2 and "No Dask scheduler at" in ended.output
    assert "dg-test-cluster" not in endpoints.names(open_workbook("local", home=embedded.home))
