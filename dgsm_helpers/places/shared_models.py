"""A boto3 session that does not read botocore's models again where another one in the process has."""

from typing import Any

import boto3
import botocore.session
from botocore.loaders import Loader


class SessionOfSharedModels(boto3.Session):  # type: ignore[misc]  # boto3 has no types
    """A session of ``core`` whose clients find their models by ``loader``, which keeps what it has read: 0.3 s."""

    def __init__(self, core: botocore.session.Session, loader: Loader, **given: Any) -> None:
        core.register_component("data_loader", loader)
        super().__init__(botocore_session=core, **given)
        # Each boto3 session adds boto3's own folder.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
