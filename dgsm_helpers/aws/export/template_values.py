"""What may not stand in an export as it is: values of one account, secrets, and the endpoint's own name.

They become parameters. A string that holds some is a `Text`, which each format writes in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dgsm_helpers.aws.scaling.scaling_setup import Setup, SetupCall

_SECRET = re.compile(r"key|secret|token|passw|pwd|credential|licen[cs]e|auth|private|signature", re.IGNORECASE)
_OF_AN_ACCOUNT = re.compile(r"^arn:aws[a-z-]*:|\b\d{12}\b|^s3://|^(subnet|sg|vpc)-[0-9a-f]+$")
_NAMED = {
    "ModelPackageName": ("model_package_arn", "the listing's model package ARN of your region"),
    "ExecutionRoleArn": ("role_arn", "execution role that SageMaker assumes for the endpoint"),
}


@dataclass(frozen=True)
class TemplateRef:
    """A place where a parameter's value goes."""

    name: str


@dataclass(frozen=True)
class Text:
    """A string with parameters in it."""

    parts: tuple[str | TemplateRef, ...]

    @property
    def only_parameter(self) -> str | None:
        """The name of the parameter that is the whole string; None where there is more to it."""
        match self.parts:
            case (TemplateRef(name),):
                return name
        return None


@dataclass(frozen=True)
class TemplateParameter:
    """A value that the user gives. ``default`` is None when there must be one; ``value`` is what it is here and now.

    ``secret`` values are never shown, here neither.
    """

    name: str
    about: str
    default: str | None = None
    secret: bool = False
    value: str = field(default="", repr=False)


@dataclass(frozen=True)
class Template:
    """A set-up with parameters in it."""

    endpoint_name: str
    region: str
    steps: tuple[SetupCall, ...]
    parameters: tuple[TemplateParameter, ...]
    notes: tuple[str, ...]


def parametrised(setup: Setup) -> Template:
    """The set-up with a parameter for every value of the account, every secret, and the endpoint's name."""
    values = _Values(setup.endpoint_name)
    steps = tuple(SetupCall(s.service, s.operation, values.replaced(s.request)) for s in setup.steps)
    name = TemplateParameter("endpoint_name", "name of the endpoint", setup.endpoint_name, value=setup.endpoint_name)
    return Template(setup.endpoint_name, setup.region, steps, (name, *values.parameters.values()), setup.notes)


class _Values:
    def __init__(self, endpoint_name: str) -> None:
        self._endpoint_name = endpoint_name
        self.parameters: dict[str, TemplateParameter] = {}

    def replaced(self, value: Any, key: str = "", within: Mapping[str, Any] | None = None) -> Any:
        """The same tree with `Text` where a parameter goes; ``key`` and ``within`` say where the value stands."""
        if isinstance(value, Mapping):
            if key == "Environment":
                return {name: self._variable(name, text) for name, text in value.items()}
            return {name: self.replaced(item, name, value) for name, item in value.items()}
        if isinstance(value, list):
            return [self.replaced(item, key, within) for item in value]
        return self._text(value, key, within or {}) if isinstance(value, str) else value

    def _variable(self, name: str, text: str) -> str | Text:
        secret = bool(_SECRET.search(f"{name}={text}"))
        if not secret and not _OF_AN_ACCOUNT.search(text):
            return text
        # Named apart: a container's PATH is not that of the script's shell.
        about = f"value of the container's environment variable {name}"
        return self._parameter(text, f"environment_{name.lower()}", about, secret=secret)

    def _text(self, text: str, key: str, within: Mapping[str, Any]) -> str | Text:
        if key in _NAMED:
            return self._parameter(text, *_NAMED[key])
        if _OF_AN_ACCOUNT.search(text) or key == "KmsKeyId":
            return self._parameter(text, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower(), f"the value of {key}")
        return self._with_name(text, key, within)

    def _with_name(self, text: str, key: str, within: Mapping[str, Any]) -> str | Text:
        name = self._endpoint_name
        here = {
            "EndpointName": text == name,
            "EndpointConfigName": text.startswith(name),
            "ModelName": text.startswith(name),
            "ModelNameOverride": text.startswith(name),
            "ResourceId": True,
            "dgsm:endpoint": text == name,
            "Value": text == name and (within.get("Name") or within.get("Key")) in ("EndpointName", "dgsm:endpoint"),
        }
        if not here.get(key):
            return text
        # Not at its first occurrence: an endpoint may be called "endpoint".
        before = "endpoint/" if key == "ResourceId" else ""
        after = text[len(before) + len(name) :]
        return Text(tuple(part for part in (before, TemplateRef("endpoint_name"), after) if part))

    def _parameter(self, value: str, name: str, about: str, *, secret: bool = False) -> Text:
        known = next((p for p in self.parameters.values() if p.value == value), None)
        if known is None:
            taken = sum(other == name or other.startswith(f"{name}_") for other in self.parameters)
            unique = f"{name}_{taken + 1}" if name in self.parameters else name
            known = self.parameters[unique] = TemplateParameter(unique, about, secret=secret, value=value)
        return Text((TemplateRef(known.name),))
