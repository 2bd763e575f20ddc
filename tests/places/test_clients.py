"""The boto3 session of a workbook, and what of boto3's inside its renewal of keys rests on."""

from __future__ import annotations

import boto3
import pytest

from dgsm_helpers.errors import CredentialsProblem
from dgsm_helpers.places.clients import Clients


def session(**keys):
    return boto3.Session(region_name="eu-west-1", **keys)


def test_boto3_still_keeps_credentials_where_renewing_them_expects_it():
    core = session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret")._session
    assert hasattr(core, "_credentials"), "boto3 keeps its credentials elsewhere now: see places/clients.py"
    assert core._credentials.method == "explicit", "botocore names given keys differently: see places/clients.py"


def test_a_client_is_made_once_and_prices_are_read_in_us_east_1():
    clients = Clients(session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"))
    assert clients.get("sagemaker") is clients.get("sagemaker")
    assert clients.get("sagemaker").meta.region_name == "eu-west-1"
    assert clients.get("pricing").meta.region_name == "us-east-1"


def test_keys_are_never_printed():
    clients = Clients(session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", aws_session_token="tok"))
    keys = clients.credentials()
    assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == ("AKIDEXAMPLE", "secret", "tok")
    assert not {"AKIDEXAMPLE", "secret", "tok"} & set(repr(keys).replace("'", " ").split())


def test_no_credentials_at_all_are_a_credentials_problem(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsProblem, match="No AWS credentials were found"):
        Clients(session()).credentials()


def test_keys_written_to_the_file_anew_are_read_and_clients_made_anew(monkeypatch, tmp_path):
    path = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    path.write_text("[default]\naws_access_key_id = AKIDOLD\naws_secret_access_key = secret\n")
    clients = Clients(session())
    old = clients.get("sagemaker")
    assert clients.credentials().access_key_id == "AKIDOLD"
    path.write_text("[default]\naws_access_key_id = AKIDNEW\naws_secret_access_key = secret\n")
    clients.renew_credentials()
    assert clients.credentials().access_key_id == "AKIDNEW"
    assert clients.get("sagemaker") is not old
