"""What users' shells and AWS configurations hold when they are broken: as sessions of the product meet it.

Each is one thing that is wrong in an otherwise usable environment. Nothing in it reaches the network: what is asked
for at all is a closed port of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLOSED = "http://127.0.0.1:1"
KEYS = "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One broken environment.

    Attributes:
        says: what the message has to name, so that the user finds the place.
        profile: settings of the profile ``work``, which is the one that is asked for.
        config: the configuration file as a whole, instead.
        env: variables beside it.
        asked: the profile asked for; None to ask for none.
    """

    says: tuple[str, ...]
    profile: str = KEYS
    config: str | bytes | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    asked: str | None = "work"

    def variables(self, folder: Path) -> dict[str, str]:
        """The whole AWS environment, with its files in ``folder``."""
        config, text = folder / "config", self.config
        if text is None:
            text = f"[profile work]\nregion = us-east-1\n{self.profile}"
        config.write_bytes(text if isinstance(text, bytes) else text.encode())
        return {
            "AWS_CONFIG_FILE": str(config),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": CLOSED,
            "HOME": str(folder),
            **{name: value.format(folder=folder) for name, value in self.env.items()},
        }


def _process(command: str) -> str:
    return f"credential_process = {command}\n"


CONFIGURATION = {
    "missing-profile": Broken(says=("'nosuch'", "work"), asked="nosuch"),
    "missing-profile-in-the-shell": Broken(says=("'nosuch'",), env={"AWS_PROFILE": "nosuch"}, asked=None),
    "missing-default-profile": Broken(says=("'nosuch'",), env={"AWS_DEFAULT_PROFILE": "nosuch"}, asked=None),
    "section-without-its-word": Broken(says=("[profile work]",), config=f"[work]\nregion = us-east-1\n{KEYS}"),
    "region-in-capitals": Broken(says=("us-east-1",), env={"AWS_REGION": "US-EAST-1"}),
    "region-that-is-a-zone": Broken(says=("us-east-1",), env={"AWS_REGION": "us-east-1a"}),
    "runtime-endpoint-of-another-protocol": Broken(
        says=("wss://", "https://"), env={"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "wss://vpce.example.com"}
    ),
    "no-ini": Broken(says=("config",), config="this is no INI file"),
    "binary": Broken(says=("config",), config=b"\xff\xfe\x00[profile work]"),
    "section-twice": Broken(says=("config",), config="[profile work]\nregion = a\nregion = b\n"),
    "unbalanced-quote": Broken(says=("work",), config='[profile "work]\nregion = us-east-1\n'),
    "config-is-a-folder": Broken(says=("{folder}",), env={"AWS_CONFIG_FILE": "{folder}"}),
    "no-region": Broken(says=("region", "AWS_REGION"), config=f"[profile work]\n{KEYS}"),
    "empty-region": Broken(says=("region",), config=f"[profile work]\n{KEYS}", env={"AWS_REGION": ""}),
    "no-such-region": Broken(says=("us-est-1", "us-east-1"), env={"AWS_REGION": "us-est-1"}),
    "region-with-blanks": Broken(says=("us east 1",), env={"AWS_REGION": "us east 1"}),
    "attempts-no-number": Broken(says=("AWS_MAX_ATTEMPTS", "abc"), env={"AWS_MAX_ATTEMPTS": "abc"}),
    "attempts-no-number-in-the-profile": Broken(says=("work", "abc"), profile=f"{KEYS}max_attempts = abc\n"),
    "retry-mode": Broken(says=("AWS_RETRY_MODE", "often"), env={"AWS_RETRY_MODE": "often"}),
    "defaults-mode": Broken(says=("AWS_DEFAULTS_MODE", "best"), env={"AWS_DEFAULTS_MODE": "best"}),
    "endpoint-without-scheme": Broken(says=("AWS_ENDPOINT_URL",), env={"AWS_ENDPOINT_URL": "vpce.example.com"}),
    "endpoint-with-bad-port": Broken(
        says=("AWS_ENDPOINT_URL",), env={"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://vpce.example.com:none"}
    ),
    "http2-endpoint-without-scheme": Broken(
        says=("vpce.example.com",), env={"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": "vpce.example.com"}
    ),
    "sso-without-its-session": Broken(
        says=("work", "gone"), profile="sso_session = gone\nsso_account_id = 1\nsso_role_name = Admin\n"
    ),
    "bundle-of-blanks": Broken(says=("CA bundle",), env={"AWS_CA_BUNDLE": "  "}),
    "proxy-with-bad-port": Broken(says=("HTTPS_PROXY",), env={"HTTPS_PROXY": "http://me:hush@proxy:none"}),
}
"""What no session can be made from, or no client."""

KEYS_BROKEN = {
    "none": Broken(says=("work", "aws login"), profile=""),
    "sso-never-signed-in": Broken(
        says=("work", "aws sso login --profile work"),
        config="[profile work]\nregion = us-east-1\nsso_session = corp\nsso_account_id = 111122223333\n"
        "sso_role_name = Admin\n[sso-session corp]\nsso_start_url = https://x.awsapps.com/start\n"
        "sso_region = us-east-1\n",
    ),
    "sso-the-old-way": Broken(
        says=("aws sso login --profile work",),
        profile="sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 111122223333\n"
        "sso_role_name = Admin\n",
    ),
    "sso-without-its-region": Broken(
        says=("sso_region", "aws configure sso --profile work"),
        profile="sso_start_url = https://x.awsapps.com/start\nsso_account_id = 1\nsso_role_name = Admin\n",
    ),
    "sso-without-account-and-role": Broken(
        says=("sso_account_id, sso_role_name", "aws configure sso --profile work"),
        config="[profile work]\nregion = us-east-1\nsso_session = corp\n[sso-session corp]\n"
        "sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n",
    ),
    "role-over-sso": Broken(
        says=("aws sso login --profile base",),
        profile="role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = base\n[profile base]\n"
        "sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 111122223333\n"
        "sso_role_name = Admin\n",
    ),
    "login-never-done": Broken(
        says=("aws login --profile work",), profile="login_session = arn:aws:iam::111122223333:user/me\n"
    ),
    "process-fails": Broken(says=("work", "credential_process"), profile=_process("/bin/false")),
    "process-prints-words": Broken(says=("credential_process",), profile=_process("/bin/echo not-json")),
    "process-prints-nothing": Broken(says=("credential_process",), profile=_process("/bin/true")),
    "process-prints-a-list": Broken(says=("credential_process",), profile=_process("/bin/echo '[1]'")),
    "process-of-another-version": Broken(
        says=("credential_process", "ersion"), profile=_process("""/bin/echo '{"Version": 2}'""")
    ),
    "process-without-a-key": Broken(says=("credential_process",), profile=_process("""/bin/echo '{"Version": 1}'""")),
    "process-with-a-bad-date": Broken(
        says=("credential_process",),
        profile=_process(
            """/bin/echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"}'"""
        ),
    ),
    "process-prints-latin-1": Broken(says=("credential_process",), profile=_process(r"/usr/bin/printf '\351'")),
    "process-prints-expired-keys": Broken(
        says=("expired", "credential_process"),
        profile=_process(
            """/bin/echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", """
            """"Expiration": "2020-01-01T00:00:00Z"}'"""
        ),
    ),
    "process-asks-on-the-terminal": Broken(says=("credential_process",), profile=_process('sh -c "read x; echo $x"')),
    "process-is-not-there": Broken(says=("credential_process",), profile=_process("/nonexistent/helper")),
    "process-with-an-open-quote": Broken(says=("credential_process",), profile=_process("/bin/echo 'x")),
    "role-of-a-missing-profile": Broken(
        says=("work", "gone"), profile="role_arn = arn:aws:iam::111122223333:role/x\nsource_profile = gone\n"
    ),
    "roles-in-a-circle": Broken(
        says=("work",),
        profile="role_arn = arn:aws:iam::1:role/x\nsource_profile = b\n[profile b]\n"
        "role_arn = arn:aws:iam::1:role/y\nsource_profile = work\n",
    ),
    "role-of-nobody": Broken(says=("work",), profile="role_arn = arn:aws:iam::111122223333:role/x\n"),
    "role-of-an-unknown-source": Broken(
        says=("work", "Moon"), profile="role_arn = arn:aws:iam::111122223333:role/x\ncredential_source = Moon\n"
    ),
    "role-of-no-machine": Broken(
        says=("Ec2InstanceMetadata",),
        profile="role_arn = arn:aws:iam::1:role/x\ncredential_source = Ec2InstanceMetadata\n",
    ),
    "web-identity-with-an-empty-file": Broken(
        says=("WebIdentityToken",),
        env={"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/null"},
        config="[default]\nregion = us-east-1\n",
        asked=None,
    ),
    "web-identity-without-its-file": Broken(
        says=("token",),
        profile="role_arn = arn:aws:iam::111122223333:role/x\nweb_identity_token_file = /nonexistent/token\n",
    ),
    "half-a-key": Broken(says=("work",), profile="aws_access_key_id = AKIAEXAMPLE\n"),
    "half-a-key-in-the-shell": Broken(
        says=("AWS_SECRET_ACCESS_KEY",), env={"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_REGION": "us-east-1"}, asked=None
    ),
    "expired-by-the-shell": Broken(
        says=("default",),
        env={
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
            "AWS_REGION": "us-east-1",
        },
        asked=None,
    ),
    "container-of-elsewhere": Broken(
        says=("default",),
        env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/keys", "AWS_REGION": "us-east-1"},
        asked=None,
    ),
    "container-token-not-there": Broken(
        says=("/nonexistent/token",),
        env={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/keys",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/token",
            "AWS_REGION": "us-east-1",
        },
        asked=None,
    ),
    "metadata-timeout-no-number": Broken(
        says=("soon",),
        env={"AWS_METADATA_SERVICE_TIMEOUT": "soon", "AWS_REGION": "us-east-1"},
        asked=None,
    ),
    "missing-bundle": Broken(
        says=("/nonexistent/corp.pem", "ca_bundle"), profile=f"{KEYS}ca_bundle = /nonexistent/corp.pem\n"
    ),
    "bundle-no-pem": Broken(says=("{folder}/config",), env={"AWS_CA_BUNDLE": "{folder}/config"}),
    "requests-bundle-missing": Broken(
        says=("REQUESTS_CA_BUNDLE",), env={"REQUESTS_CA_BUNDLE": "/nonexistent/corp.pem"}
    ),
}
"""What a workbook opens with, and no call can be made with."""

EVERYTHING_AT_ONCE = {
    "AWS_PROFILE": "nosuch",
    "AWS_DEFAULT_PROFILE": "nosuch",
    "AWS_CONFIG_FILE": "{folder}/broken",
    "AWS_SHARED_CREDENTIALS_FILE": "{folder}/broken",
    "AWS_REGION": "us-est-1",
    "AWS_DEFAULT_REGION": "nowhere",
    "AWS_ACCESS_KEY_ID": "AKIAOTHER",
    "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z",
    "AWS_SESSION_TOKEN": "other",
    "AWS_ENDPOINT_URL": "no address",
    "AWS_ENDPOINT_URL_SAGEMAKER": "https://sagemaker.example.com",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://vpce.example.com:none",
    "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": "https://vpce.example.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_CA_BUNDLE": "/nonexistent/corp.pem",
    "REQUESTS_CA_BUNDLE": "/nonexistent/corp.pem",
    "AWS_MAX_ATTEMPTS": "abc",
    "AWS_RETRY_MODE": "often",
    "AWS_DEFAULTS_MODE": "best",
    "AWS_STS_REGIONAL_ENDPOINTS": "everywhere",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "sometimes",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "never",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "many",
    "AWS_METADATA_SERVICE_TIMEOUT": "soon",
    "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a",
    "AWS_DATA_PATH": "{folder}/models",
    "AWS_SDK_UA_APP_ID": "a b\u00e9",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://me:hush@proxy:none",
    "NO_PROXY": "",
}
"""A shell in which every one of these is wrong; `everything_at_once` writes its files."""


def everything_at_once(folder: Path) -> dict[str, str]:
    """`EVERYTHING_AT_ONCE`, and service models of the user's that are no models."""
    (folder / "broken").write_bytes(b"\xff[profile\n")
    model = folder / "models" / "sagemaker" / "2017-07-24"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text("no model")
    return {"HOME": str(folder), **{name: v.format(folder=folder) for name, v in EVERYTHING_AT_ONCE.items()}}
