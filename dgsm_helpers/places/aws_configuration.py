"""What is wrong with the user's AWS configuration or keys, in words.

botocore, and the JSON, INI and process modules under it, raise some forty classes of errors while they look for a
profile, a region or keys, most of them in the middle of another call. Here such work is done on its own, within
`configuration_read` or `keys_read`: whatever is raised there is about the configuration or the keys, of whatever class.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import botocore.exceptions as boto
import botocore.session

from dgsm_helpers.errors import AwsCallFailed, CredentialsProblem, DgsmError, InvalidInput

NO_ANSWER = (boto.ConnectionError, boto.HTTPClientError)
"""botocore's errors about a connection."""


@contextmanager
def configuration_read(core: botocore.session.Session) -> Iterator[None]:
    """Within it, whatever is raised says that the AWS configuration cannot be used.

    Raises:
        InvalidInput: with the profile, the file and the next step.
    """
    try:
        yield
    except DgsmError:
        raise
    except boto.ProfileNotFound as error:
        raise InvalidInput(
            f"There is no profile {_profile_name(core)!r} in {_files(core)}.",
            hint=_misnamed_section(core)
            or f"{_known_profiles(core)}Name one with --profile (profile=) or AWS_PROFILE, or make it: "
            f"`aws configure --profile {_profile_name(core)}`.",
        ) from error
    except Exception as error:
        raise InvalidInput(
            f"The AWS configuration of {profile_of(core)} cannot be used: {_text(error)}.",
            hint=f"Correct it there, or the AWS_… variable that says so{_variables()}.",
        ) from error


@contextmanager
def keys_read(core: botocore.session.Session) -> Iterator[None]:
    """Within it, whatever is raised says that there are no usable keys.

    Raises:
        CredentialsProblem: with the profile, the file and the next step.
        AwsCallFailed: what gives keys out (a sign-in portal, STS) could not be reached.
    """
    try:
        yield
    except DgsmError:
        raise
    except boto.ProfileNotFound:
        with configuration_read(core):
            raise
    except NO_ANSWER as error:
        raise no_answer(error, f"What gives out the keys of {profile_of(core)}") from error
    except Exception as error:
        raise CredentialsProblem(
            f"The AWS keys of {profile_of(core)} cannot be read: {_text(error)}.",
            hint=_missing_library(error) or sign_in(core),
            code=type(error).__name__,
        ) from error


def no_answer(error: Exception, asked: str, operation: str = "") -> AwsCallFailed:
    """The error about a connection that failed; ``asked`` is the subject of the sentence."""
    hint = "Check the network, the region and any proxy or VPC endpoint, then repeat."
    if isinstance(error, boto.SSLError):
        hint = "Point AWS_CA_BUNDLE, or the profile's ca_bundle, at the certificate authority of AWS or your proxy."
    if isinstance(error, boto.ProxyConnectionError):
        hint = "Correct HTTPS_PROXY (http://host:port; no SOCKS), or except the host in NO_PROXY."
    code = type(error).__name__
    return AwsCallFailed(f"{asked} got no answer: {error}", hint=hint, operation=operation, code=code)


def sign_in(core: botocore.session.Session) -> str:
    """What a user does to get keys for the session's profile, by what the profile says."""
    name, settings = source_of_keys(core)
    if codes := [one["mfa_serial"] for _, one in _chain(core) if "mfa_serial" in one]:
        return (
            f"A code of {codes[0]} is asked for: type it in a terminal, or take keys from there: "
            f'eval "$(aws configure export-credentials --profile {_profile_name(core)} --format env)".'
        )
    if "sso_session" in settings or "sso_start_url" in settings:
        needed = {"sso_account_id", "sso_role_name", "sso_session" if "sso_session" in settings else "sso_region"}
        if lacking := sorted(needed - settings.keys()):
            return f"Profile {name!r} lacks {', '.join(lacking)}: `aws configure sso --profile {name}` asks for it."
        return f"Sign in: `aws sso login --profile {name}`."
    if "login_session" in settings:
        return f"Sign in: `aws login --profile {name}`."
    if "credential_process" in settings:
        return (
            # Without the command, which may hold a secret.
            f"Run the credential_process of profile {name!r} by hand: it has to print one JSON object with "
            '"Version": 1, AccessKeyId and SecretAccessKey.'
        )
    return "Sign in (`aws login`, `aws sso login`, `aws configure`), or run in Studio with an execution role."


def _chain(core: botocore.session.Session) -> list[tuple[str, Mapping[str, Any]]]:
    """The session's profile with its settings, then the one its keys come from, and so on."""
    profiles: Mapping[str, Mapping[str, Any]] = {}
    with suppress(Exception):  # then it says nothing
        profiles = core.full_config.get("profiles", {})
    chain = {name: profiles.get(name, {}) for name in [_profile_name(core)]}
    while (source := [*chain.values()][-1].get("source_profile")) is not None and source not in chain:
        chain[source] = profiles.get(source, {})
    return list(chain.items())


def source_of_keys(core: botocore.session.Session) -> tuple[str, Mapping[str, Any]]:
    """The profile that the session's keys come from in the end, and its settings."""
    return _chain(core)[-1]


def _profile_name(core: botocore.session.Session) -> str:
    return str(core.get_config_variable("profile") or "default")


def profile_of(core: botocore.session.Session) -> str:
    """The session's profile with the files that it would stand in, for a sentence."""
    return f"profile {_profile_name(core)!r} ({_files(core)})"


def _files(core: botocore.session.Session) -> str:
    return " and ".join(str(core.get_config_variable(name)) for name in ("config_file", "credentials_file"))


def _misnamed_section(core: botocore.session.Session) -> str:
    name = _profile_name(core)
    with suppress(OSError, ValueError):  # the file says nothing
        file = Path(core.get_config_variable("config_file")).expanduser()
        if re.search(rf"^\[{re.escape(name)}\]", file.read_text(encoding="utf-8"), re.MULTILINE):
            return f"The section [{name}] of {file} has to be called [profile {name}]."
    return ""


def _known_profiles(core: botocore.session.Session) -> str:
    with suppress(Exception):  # the file says nothing
        if names := sorted(core.full_config.get("profiles", {})):
            return f"There are: {', '.join(names)}. "
    return ""


def _variables() -> str:
    """The AWS variables of the shell that may be meant, without what is secret."""
    secret = ("KEY", "TOKEN")
    names = sorted(n for n in os.environ if n.startswith("AWS_") and not any(word in n for word in secret))
    return f" (set here: {', '.join(names)})" if names else ""


def _missing_library(error: Exception) -> str:
    if isinstance(error, boto.MissingDependencyException):
        return 'Install what this way to sign in needs: pip install "botocore[crt]".'
    return ""


def _text(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".:") or "no reason given"
    return text if isinstance(error, boto.BotoCoreError) else f"{type(error).__name__}: {text}"
