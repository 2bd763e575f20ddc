"""Deepgram's ``deepgram-sagemaker`` pointed at a workbook's endpoint.

The one module that reaches into that package (`REBOUND_CLASS` in ``deepgram_sagemaker.transport``, seen with 0.4).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dgsm_helpers.load.transport.http2_sdk import target_settings, target_transport
from dgsm_helpers.load.transport.stream_target import StreamTarget

if TYPE_CHECKING:
    from dgsm_helpers.session import Workbook

REBOUND_CLASS = "AsyncSageMakerRuntimeHTTP2Config"
"""The class that the package builds its client's configuration from."""


def redirect_deepgram_sagemaker(wb: Workbook) -> None:
    """Let Deepgram's transport reach this workbook's endpoint, in this process from now on.

    That package has AWS's host name written into it. This replaces the one class it builds its configuration from by
    one that takes the workbook's address, trust and credentials; everything else in it stays as installed.
    """
    from deepgram_sagemaker import transport

    installed = getattr(transport, REBOUND_CLASS)
    original = getattr(installed, "original", installed)

    async def resolve(**settings: Any) -> Any:
        target = StreamTarget.of(wb)
        transport = target_transport(target.ca_bundle, target.proxy)
        return await original.resolve(**{**settings, **target_settings(target, transport)})

    setattr(transport, REBOUND_CLASS, SimpleNamespace(resolve=resolve, original=original))
