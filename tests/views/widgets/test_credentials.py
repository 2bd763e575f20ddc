"""Temporary keys that expired and were written anew: the view goes on without a new workbook."""

from __future__ import annotations

import pytest

from dgsm_helpers.errors import CredentialsProblem
from dgsm_helpers.places import running_server
from dgsm_helpers.session import open_workbook
from dgsm_helpers.views.feed import Feed


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Writes the credentials file of a user who works on AWS."""
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    def write(access_key_id, secret):
        path.write_text(f"[default]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret}\n")

    return write


@pytest.mark.usefixtures("stands_for_aws")
def test_keys_written_anew_after_they_expired_are_used_by_the_next_refresh(
    scaling_endpoint, embedded, keys, keys_of_an_account, monkeypatch
):
    keys("AKIAOLDOLDOLDOLDOLDO", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.info.control_url)
    wb = open_workbook("aws", region="us-east-1", endpoint_name=scaling_endpoint.endpoint_name, home=embedded.home)
    signed = []
    feed = Feed(wb)
    running_server.admin(embedded.info, "POST", "faults", {"kind": "expired-credentials"})
    try:
        with pytest.raises(CredentialsProblem):
            feed.state()
        keys(*keys_of_an_account.values())
        with pytest.raises(CredentialsProblem):
            feed.state()
    finally:
        running_server.admin(embedded.info, "DELETE", "faults", {})
    wb.client("sagemaker").meta.events.register(
        "before-send", lambda request, **_: signed.append(str(request.headers["Authorization"]))
    )
    assert feed.state().status == "InService"
    assert all(keys_of_an_account["AWS_ACCESS_KEY_ID"] in header for header in signed) and signed


def test_keys_that_a_session_was_given_stay(scaling_endpoint):
    before = scaling_endpoint.credentials()
    client = scaling_endpoint.client("sagemaker")
    scaling_endpoint.renew_credentials()
    assert scaling_endpoint.credentials() == before
    assert scaling_endpoint.client("sagemaker") is client
