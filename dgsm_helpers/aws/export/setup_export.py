"""The whole set-up as a user's own pipeline wants it: AWS CLI, boto3, CloudFormation, Terraform, or plain JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dgsm_helpers.aws.export import cloudformation, scripts, terraform
from dgsm_helpers.aws.export.template_values import Template, TemplateParameter, parametrised, strings_replaced, written
from dgsm_helpers.aws.scaling import scaling_setup
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.session import Workbook

SCHEMA = 1


@dataclass(frozen=True)
class Export:
    """The text of one export, with what must be given to use it (``parameters``) and what is left out (``notes``)."""

    text: str
    parameters: tuple[TemplateParameter, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def export(wb: Workbook, to: str) -> Export:
    """Read the endpoint's set-up back from AWS and write it down as ``to`` (one of ``FORMATS``).

    Values of the account (ARNs, keys, buckets, networks) and secrets are parameters without a default; the endpoint's
    name is one with a default.

    Raises:
        InvalidInput: there is no such format.
        NotFound, NotReady: there is no such endpoint, or it failed.
    """
    if to not in FORMATS:
        raise InvalidInput(f"There is no export to {to!r}.", hint=f"Give one of {', '.join(FORMATS)}.")
    template = parametrised(scaling_setup.read(wb))
    if to in _BY_CLOUDFORMATION:
        template = cloudformation.expressible(template)
    return Export(FORMATS[to](template), template.parameters, template.notes)


def _json(template: Template) -> str:
    content = {
        "schema": SCHEMA,
        "region": template.region,
        "notes": template.notes,
        "parameters": {p.name: {"about": p.about, "default": p.default} for p in template.parameters},
        "calls": [
            {"service": s.service, "operation": s.operation, "request": plain(s.request)} for s in template.steps
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def plain(value: Any) -> Any:
    """A request with its parameters as ``${name}``."""
    return strings_replaced(value, lambda text: written(text, lambda name: f"${{{name}}}"))


FORMATS: Mapping[str, Callable[[Template], str]] = {
    "cli": scripts.shell_script,
    "boto3": scripts.python_script,
    "cloudformation": cloudformation.template,
    "terraform": terraform.configuration,
    "json": _json,
}
"""Formats by name."""
_BY_CLOUDFORMATION = ("cloudformation", "terraform")
