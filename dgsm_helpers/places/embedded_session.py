"""The boto3 session of the embedded AWS."""

from typing import Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from dgsm_helpers.places.server_info import ServerInfo
from dgsm_helpers.places.shared_models import SessionOfSharedModels
from dgsm_helpers.rules.request_checks import model_loader

_FILES = {"config_file": "AWS_CONFIG_FILE", "credentials_file": "AWS_SHARED_CREDENTIALS_FILE"}
"""botocore's settings of files, with their variables."""


class EmbeddedSession(SessionOfSharedModels):
    """A boto3 session whose clients reach the embedded AWS, whatever the environment says."""

    def __init__(self, info: ServerInfo, region: str) -> None:
        env = info.env()
        # Every setting of botocore is at its default: no variable, profile or file of the user's has a say.
        defaults = BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
        settings = {name: (None, None, default, cast) for name, (_, _, default, cast) in defaults}
        settings |= {name: (None, None, env[variable], None) for name, variable in _FILES.items()}
        super().__init__(
            botocore.session.Session(settings),
            model_loader(),
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        )
        self._info = info

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A client of ``service_name``, as boto3 makes it."""
        is_runtime = service_name == "sagemaker-runtime"
        kwargs.setdefault("endpoint_url", self._info.runtime_url if is_runtime else self._info.control_url)
        if is_runtime:
            kwargs.setdefault("verify", self._info.ca_bundle)
        # A proxy of the environment would be asked for 127.0.0.1 too.
        direct = Config(proxies={})
        kwargs["config"] = kwargs["config"].merge(direct) if kwargs.get("config") else direct
        return super().client(service_name, *args, **kwargs)
