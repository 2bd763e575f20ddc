"""Application Auto Scaling's wire side: moto parses and serialises, ``AutoScaling`` answers."""

from __future__ import annotations

import json
import types
from collections.abc import Callable

import moto.applicationautoscaling.models as moto_models
import moto.applicationautoscaling.urls as moto_urls
from moto.core.responses import ActionResult, BaseResponse

from .autoscaling import AutoScaling

OPERATIONS = (
    "register_scalable_target",
    "deregister_scalable_target",
    "describe_scalable_targets",
    "put_scaling_policy",
    "delete_scaling_policy",
    "describe_scaling_policies",
    "put_scheduled_action",
    "delete_scheduled_action",
    "describe_scheduled_actions",
    "describe_scaling_activities",
    "list_tags_for_resource",
    "tag_resource",
    "untag_resource",
    "get_predictive_scaling_forecast",
)

_service_for: Callable[[str], AutoScaling]


class _Response(BaseResponse):
    def __init__(self) -> None:
        super().__init__(service_name="application-autoscaling")


def _answering(operation: str) -> Callable[[_Response], ActionResult]:
    def answer(self: _Response) -> ActionResult:
        return ActionResult(getattr(_service_for(self.region), operation)(json.loads(self.body or "{}")))

    return answer


for _operation in OPERATIONS:
    setattr(_Response, _operation, _answering(_operation))


class _Backend(moto_models.ApplicationAutoscalingBackend):
    @property
    def _url_module(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(url_bases=moto_urls.url_bases, url_paths={"{0}/$": _Response.dispatch})


def install(service_for: Callable[[str], AutoScaling]) -> None:
    """Let moto's server answer Application Auto Scaling from ``service_for(region)``."""
    global _service_for
    _service_for = service_for
    moto_models.applicationautoscaling_backends.backend = _Backend
