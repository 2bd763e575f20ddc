"""The boto3 session of a workbook, and what of boto3's inside its renewal of keys rests on."""

from __future__ import annotations

import boto3
import pytest
from kit.command_line import run_line

from dgsm_helpers.errors import CredentialsProblem, InvalidInput
from dgsm_helpers.places.clients import EMULATORS_KEY, AccountSession, Clients
from dgsm_helpers.session import open_workbook


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


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
HERE = [
    "http://127.0.0.1:8442",
    "http://127.9.8.7",
    "http://localhost:8442",
    "https://LOCALHOST",
    "http://localhost.:8442",
    "http://anything.localhost:8442",
    "http://[::1]:8442",
    "http://[::ffff:127.0.0.1]:8442",
    "http://0.0.0.0:8442",
    "http://[::]:8442",
    "http://127.1:8442",
    "http://2130706433:8442",
    "http://0x7f000001",
]


@pytest.mark.parametrize("url", HERE)
@pytest.mark.parametrize("service", ["SAGEMAKER_RUNTIME", "SAGEMAKER", "APPLICATION_AUTO_SCALING", ""])
def test_an_account_is_never_looked_for_on_this_machine(monkeypatch, tmp_path, url, service):
    for name, value in {**KEYS, f"AWS_ENDPOINT_URL{'_' * bool(service)}{service}": url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match=r"is on this machine"):
        wb = open_workbook("aws", home=tmp_path)
        for name in ("sagemaker", "application-autoscaling"):
            wb.client(name)


def test_a_shell_that_points_at_the_embedded_aws_is_refused_whatever_of_it_is_left(monkeypatch, tmp_path, embedded):
    env = embedded.info.env()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match="is on this machine"):
        open_workbook("aws", home=tmp_path)
    for name in [name for name in env if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    with pytest.raises(InvalidInput, match=r"keys of .* are those of the embedded AWS"):
        open_workbook("aws", home=tmp_path).client("sagemaker")


def test_clean_up_says_nothing_about_an_account_that_was_not_asked(monkeypatch, embedded):
    for name, value in embedded.info.env().items():
        monkeypatch.setenv(name, value)
    ended = run_line(embedded.home, "clean-up", "--where", "aws", "--yes")
    assert ended.exit_code == 2
    assert "billable" not in ended.output and "Nothing" not in ended.output
    assert ended.output.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["https://vpce-1.sagemaker.eu-west-1.vpce.amazonaws.com", "https://10.0.0.7", "https://no.such.invalid"]
)
def test_an_address_elsewhere_is_no_matter(monkeypatch, tmp_path, url):
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    assert open_workbook("aws", home=tmp_path).client("sagemaker").meta.endpoint_url == url


def test_the_key_of_the_embedded_aws_is_known(embedded):
    assert embedded.info.access_key_id == EMULATORS_KEY


def test_what_one_session_of_an_account_has_read_of_the_models_no_other_reads_again():
    first, second = (AccountSession("eu-west-1", None)._session.get_component("data_loader") for _ in range(2))
    assert first is second
    assert len(first.search_paths) == len(set(first.search_paths))


def test_models_of_a_folder_of_the_users_count(monkeypatch, tmp_path):
    """As in every program of botocore's: AWS_DATA_PATH or the profile's ``data_path``."""
    AccountSession("eu-west-1", None)  # which reads the models without that folder
    (tmp_path / "sagemaker-private" / "2017-07-24").mkdir(parents=True)
    (tmp_path / "sagemaker-private" / "2017-07-24" / "service-2.json").write_text("{}")
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert "sagemaker-private" in AccountSession("eu-west-1", None).get_available_services()
    monkeypatch.delenv("AWS_DATA_PATH")
    assert "sagemaker-private" not in AccountSession("eu-west-1", None).get_available_services()
