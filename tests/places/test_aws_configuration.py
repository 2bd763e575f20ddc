"""Whatever stands in a user's AWS configuration: a session comes of it, or words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.broken_environments import Broken

from dgsm_helpers.errors import AwsCallFailed, CredentialsProblem, DgsmError, InvalidInput
from dgsm_helpers.places.aws_configuration import configuration_read, keys_read
from dgsm_helpers.places.clients import AccountSession, Clients

SETTINGS = (
    "region",
    "ca_bundle",
    "max_attempts",
    "retry_mode",
    "defaults_mode",
    "endpoint_url",
    "use_fips_endpoint",
    "use_dualstack_endpoint",
    "ignore_configured_endpoint_urls",
    "services",
    "sso_session",
    "sso_start_url",
    "login_session",
    "credential_source",
    "source_profile",
    "web_identity_token_file",
    "aws_access_key_id",
    "aws_secret_access_key",
    "s3",
    "account_id_endpoint_mode",
    "request_checksum_calculation",
    "sts_regional_endpoints",
    "parameter_validation",
    "api_versions",
)
VALUES = st.one_of(
    st.sampled_from(
        ("", "true", "0", "-1", "legacy", "https://x", "https://x:y", "[", "\n  nested = 1", "work", "us-east-1")
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
)


@settings(max_examples=60)
@given(
    profile=st.dictionaries(st.sampled_from(SETTINGS), VALUES, max_size=4),
    env=st.dictionaries(
        st.sampled_from(
            (
                "AWS_REGION",
                "AWS_RETRY_MODE",
                "AWS_MAX_ATTEMPTS",
                "AWS_DEFAULTS_MODE",
                "AWS_CA_BUNDLE",
                "AWS_PROFILE",
                "AWS_ENDPOINT_URL",
                "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME",
                "HTTPS_PROXY",
                "AWS_STS_REGIONAL_ENDPOINTS",
            )
        ),
        VALUES.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
        max_size=2,
    ),
    given_profile=st.sampled_from((None, "work", "other")),
)
def test_any_aws_environment_ends_in_a_session_or_in_words(tmp_path_factory, profile, env, given_profile):
    folder = tmp_path_factory.mktemp("aws")
    text = "[profile work]\n" + "".join(f"{name} = {value}\n" for name, value in profile.items())
    broken = Broken(says=(), config=text)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**broken.variables(folder), **env}.items():
            patch.setenv(name, value)
        try:
            session = AccountSession(None, given_profile)
            session.stream_route()
            Clients(session).get("sagemaker")
        except DgsmError as error:
            assert error.hint or error.message


@pytest.fixture
def core(monkeypatch, tmp_path):
    for name, value in Broken(says=()).variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    return AccountSession(None, "work")._session


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), EOFError(), UnicodeError("x"), OSError(5, "x")], ids=repr
)
def test_an_error_of_any_class_is_about_what_was_read(core, error):
    with pytest.raises(InvalidInput, match="configuration of profile 'work'"), configuration_read(core):
        raise error
    with pytest.raises(CredentialsProblem, match="keys of profile 'work'"), keys_read(core):
        raise error


def test_what_was_said_in_words_already_and_an_interrupt_stay_as_they_are(core):
    for error in (AwsCallFailed("said"), KeyboardInterrupt()):
        for guard in (configuration_read, keys_read):
            with pytest.raises(type(error)) as told, guard(core):
                raise error
            assert told.value is error
