"""Where streams go, by everything that botocore asks for its runtime: as users' environments and profiles say it."""

from __future__ import annotations

import pytest
from kit.broken_environments import KEYS

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.stream_target import Proxy, StreamTarget
from dgsm_helpers.session import open_workbook

VPC = "https://vpce-0abc-def.runtime.sagemaker.us-east-1.vpce.amazonaws.com"


@pytest.fixture
def account(monkeypatch, tmp_path):
    """Opens workbooks on an account with such a configuration file and such variables."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "NO_PROXY", "no_proxy", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    def open_one(text="", *, profile=None, region=None, **variables):
        config.write_text(text)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return open_workbook("aws", profile=profile, region=region, home=tmp_path)

    return open_one


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "runtime.sagemaker.us-east-1.amazonaws.com"),
        ("cn-north-1", "runtime.sagemaker.cn-north-1.amazonaws.com.cn"),
        ("cn-northwest-1", "runtime.sagemaker.cn-northwest-1.amazonaws.com.cn"),
        ("us-gov-west-1", "runtime.sagemaker.us-gov-west-1.amazonaws.com"),
        ("us-iso-east-1", "runtime.sagemaker.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "runtime.sagemaker.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "runtime.sagemaker.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_case_of_a_partition_streams_go_to_its_host_on_port_8443(account, region, host):
    assert account(region=region).stream_url == f"https://{host}:8443"


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "runtime-fips.sagemaker.us-east-1.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "runtime.sagemaker.us-east-1.api.aws"),
    ],
)
def test_environment_of_fips_and_dual_stack_counts_for_streams(account, variables, host):
    assert account(region="us-east-1", **variables).stream_url == f"https://{host}:8443"


def test_environment_of_fips_in_the_profile_counts_too(account):
    wb = account("[profile ca]\nregion = ca-central-1\nuse_fips_endpoint = true\n", profile="ca")
    assert "fips" in wb.stream_url and wb.stream_url.endswith(":8443")


SERVICES = f"[profile svc]\nregion = us-east-1\nservices = local\n{KEYS}[services local]\n"


@pytest.mark.parametrize(
    ("config", "variables", "url"),
    [
        (f"{SERVICES}sagemaker_runtime =\n  endpoint_url = {VPC}\n", {}, f"{VPC}:8443"),
        (
            f"{SERVICES}sagemaker =\n  endpoint_url = {VPC}\n",
            {},
            "https://runtime.sagemaker.us-east-1.amazonaws.com:8443",
        ),
        (SERVICES, {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": VPC}, f"{VPC}:8443"),
        (SERVICES, {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"{VPC}:443"}, f"{VPC}:443"),
        (SERVICES, {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"{VPC}/"}, f"{VPC}:8443"),
        (SERVICES, {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": f"{VPC}/gate/"}, f"{VPC}:8443/gate"),
        (SERVICES, {"AWS_ENDPOINT_URL": VPC}, f"{VPC}:8443"),
        (f"[profile svc]\nregion = us-east-1\nendpoint_url = {VPC}\n", {}, f"{VPC}:8443"),
        (
            f"{SERVICES}sagemaker_runtime =\n  endpoint_url = https://other.example.com\n",
            {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": VPC},
            f"{VPC}:8443",
        ),
        (
            f"{SERVICES}sagemaker_runtime =\n  endpoint_url = {VPC}\n",
            {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://runtime.sagemaker.us-east-1.amazonaws.com:8443",
        ),
        (
            f"[profile svc]\nregion = us-east-1\nendpoint_url = {VPC}\nignore_configured_endpoint_urls = true\n",
            {},
            "https://runtime.sagemaker.us-east-1.amazonaws.com:8443",
        ),
        (SERVICES, {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://[2001:db8::1]"}, "https://[2001:db8::1]:8443"),
        (
            f"{SERVICES}sagemaker_runtime =\n  endpoint_url = https://other.example.com\n",
            {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": VPC},
            f"{VPC}:8443",
        ),
        (
            f"{SERVICES}sagemaker_runtime_http2 =\n  endpoint_url = {VPC}\n",
            {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://other.example.com"},
            f"{VPC}:8443",
        ),
        (
            SERVICES,
            {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": VPC, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "https://runtime.sagemaker.us-east-1.amazonaws.com:8443",
        ),
    ],
)
def test_case_of_an_endpoint_url_streams_go_where_invoke_endpoint_goes(account, config, variables, url):
    assert account(config, profile="svc", **variables).stream_url == url


CA = "[profile ca]\nregion = us-east-1\nca_bundle = corp.pem\n"


@pytest.mark.parametrize(
    ("config", "variables", "bundle"),
    [
        (CA, {}, "corp.pem"),
        (CA, {"AWS_CA_BUNDLE": "/etc/shell.pem"}, "/etc/shell.pem"),
        (CA, {"REQUESTS_CA_BUNDLE": "/etc/requests.pem"}, "corp.pem"),
        ("[profile ca]\nregion = us-east-1\n", {"REQUESTS_CA_BUNDLE": "/etc/requests.pem"}, "/etc/requests.pem"),
        ("[profile ca]\nregion = us-east-1\n", {}, None),
    ],
)
def test_case_of_a_certificate_bundle_streams_trust_what_boto3_trusts(account, config, variables, bundle):
    wb = account(config, profile="ca", **variables)
    assert wb.ca_bundle == bundle


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, Proxy("proxy", 3128)),
        ({"https_proxy": "proxy:3128"}, Proxy("proxy", 3128)),
        ({"HTTPS_PROXY": "http://me:p%40ss@proxy:3128"}, Proxy("proxy", 3128, "me", "p@ss")),
        ({"HTTPS_PROXY": "http://proxy"}, Proxy("proxy", 80)),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "other,.amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "runtime.sagemaker.us-east-1.amazonaws.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "amazonaws.com.example"}, Proxy("proxy", 3128)),
    ],
)
def test_environment_of_a_proxy_is_used_as_boto3_uses_it(account, variables, proxy):
    wb = account(region="us-east-1", AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", **variables)
    assert StreamTarget.of(wb).proxy == proxy
    assert "p@ss" not in repr(StreamTarget.of(wb)) and "p%40ss" not in repr(wb)


def test_a_proxy_that_opens_no_tunnels_here_is_refused_in_words(account):
    wb = account(
        region="us-east-1",
        AWS_ACCESS_KEY_ID="AKIAEXAMPLE",
        AWS_SECRET_ACCESS_KEY="s",
        HTTPS_PROXY="socks5://proxy:1080",
    )
    with pytest.raises(InvalidInput, match=r"socks5://proxy.*NO_PROXY"):
        _ = StreamTarget.of(wb).proxy


# -- which region, which profile

TWO = f"[profile work]\nregion = eu-west-1\n{KEYS}[profile other]\nregion = eu-west-2\n{KEYS}"


@pytest.mark.parametrize(
    ("given", "variables", "region"),
    [
        ({}, {"AWS_REGION": "us-east-2"}, "us-east-2"),
        ({}, {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-west-2"}, "us-east-2"),
        ({}, {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ({"profile": "work"}, {"AWS_REGION": "us-east-2"}, "us-east-2"),
        ({"profile": "work"}, {}, "eu-west-1"),
        ({"profile": "work"}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "eu-west-1"),
        ({"region": "ap-south-1"}, {"AWS_REGION": "us-east-2"}, "ap-south-1"),
        ({}, {"AWS_PROFILE": "other"}, "eu-west-2"),
        ({"profile": "work"}, {"AWS_PROFILE": "stale"}, "eu-west-1"),
        ({"profile": "work"}, {"AWS_DEFAULT_PROFILE": "stale", "AWS_PROFILE": "stale"}, "eu-west-1"),
        ({"profile": "work"}, {"AWS_PROFILE": "other"}, "eu-west-1"),
        ({}, {"AWS_PROFILE": "", "AWS_REGION": "us-east-2"}, "us-east-2"),
    ],
)
def test_case_of_region_and_profile_in_the_environment(account, given, variables, region):
    wb = account(TWO, **given, **variables)
    assert wb.region == region
    assert f".{region}." in wb.stream_url and wb.session.region_name == region


def test_environment_keys_count_beside_a_profile_of_the_shell_and_not_beside_one_given(account):
    shell = {"AWS_ACCESS_KEY_ID": "AKIASHELL", "AWS_SECRET_ACCESS_KEY": "secret"}
    assert account(TWO, AWS_PROFILE="other", **shell).credentials().access_key_id == "AKIASHELL"
    assert account(TWO, profile="work", **shell).credentials().access_key_id == "AKIAEXAMPLE"


@pytest.mark.parametrize("region", ["us-est-1", "us-east", "useast1", "us-east-1a", "US-EAST-1", "us-east-11", " "])
@pytest.mark.parametrize("where", ["aws", "local"])
def test_a_region_that_cannot_be_is_blamed_on_nothing_else(where, region, embedded):
    with pytest.raises(InvalidInput, match="not the name of an AWS region"):
        open_workbook(where, region=region, home=embedded.home)


@pytest.mark.parametrize("name", ["deepgram demo!", "../../x", "-demo", "demo-", "a" * 64, "", "démo", "a/b"])
def test_a_name_that_no_endpoint_can_have_is_refused_where_it_is_given(name, embedded):
    with pytest.raises(InvalidInput, match="endpoint"):
        open_workbook("local", endpoint_name=name, home=embedded.home)
    with pytest.raises(InvalidInput, match="variant"):
        open_workbook("local", variant_name=name, home=embedded.home)
