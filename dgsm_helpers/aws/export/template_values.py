"""What may not stand in an export as it is: values of one account, secrets, and the endpoint's own name.

They become parameters. Where a string holds some it is marked (`reference`), and each format writes it in its own way.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import count
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.scaling.setup_calls import Setup, SetupCall, policy_mark
from dgsm_helpers.errors import UnsupportedFeature
from dgsm_helpers.rules.foreign_text import in_terminal

EXPORT_NAMES: Mapping[str, Any] = tomllib.loads(
    (files("dgsm_helpers") / "data" / "export_names.toml").read_text(encoding="utf-8")
)
"""What CloudFormation and Terraform call things."""

_SECRET = re.compile(r"key|secret|token|passw|pwd|credential|licen[cs]e|auth|private|signature", re.IGNORECASE)
_OF_AN_ACCOUNT = re.compile(r"^arn:aws[a-z-]*:|\b\d{12}\b|^s3://|^(subnet|sg|vpc)-[0-9a-f]+$")
_NAMED = {
    "ModelPackageName": ("model_package_arn", "the listing's model package ARN of your region"),
    "ExecutionRoleArn": ("role_arn", "execution role that SageMaker assumes for the endpoint"),
}
_POLICY_ARN = re.compile(r"policy_arn_(\d+)")

_MARK = re.compile("\ue000([^\ue001]*)\ue001")
"""Where a parameter's value goes in a string: private-use characters, which no name of AWS's has."""
_MARKS = re.compile("[\ue000\ue001]")
"""What of an account's holds them all the same, as a container's environment may, becomes a parameter as a whole.

A name, as of a tag, can be none: such a set-up is refused.
"""


def reference(name: str) -> str:
    """A string that is the parameter's value and nothing else."""
    return f"\ue000{name}\ue001"


def only_parameter(text: str) -> str | None:
    """The name of the parameter that is the whole string; None where there is more to it, or none in it."""
    whole = _MARK.fullmatch(text)
    return whole[1] if whole else None


def parameters_in(value: Any) -> set[str]:
    """The names of the parameters in a tree's strings, or in a string."""
    if isinstance(value, Mapping):
        return set().union(*map(parameters_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(parameters_in, value))
    return set(_MARK.findall(value)) if isinstance(value, str) else set()


def policy_arn(number: int) -> str:
    """The name that stands for the ARN of the set-up's policy of that number, which AWS gives when it is made."""
    return f"policy_arn_{number}"


def policy_number(name: str) -> int | None:
    """The number of the policy whose ARN the name stands for (`policy_arn`); None for a parameter."""
    found = _POLICY_ARN.fullmatch(name)
    return int(found[1]) if found else None


def comment_lines(text: str) -> list[str]:
    """The text as lines of comments of a script or of Terraform."""
    return [f"# {in_terminal(line)}" for line in text.splitlines()]


def _require_plain(name: str) -> None:
    if _MARKS.search(name):
        raise UnsupportedFeature(
            f"The set-up has a tag, a dimension or a variable called {in_terminal(ascii(name))}: what is exported "
            "would read U+E000 and U+E001 in it as the marks of a parameter.",
            hint="Give it a name without them.",
        )


def written(text: str, parameter: Callable[[str], str], literal: Callable[[str], str] = str) -> str:
    """The string with its parameters (by name) and what stands between them written in a format's own way."""
    return "".join(parameter(part) if i % 2 else literal(part) for i, part in enumerate(_MARK.split(text)))


def nested(
    value: Any, scalar: Callable[[Any], str], indent: str, *, depth: int = 1, colon: str = ": ", comma: str = ","
) -> str:
    """Mappings and lists as a literal over several lines; ``scalar`` writes keys and what is neither of the two."""

    def inside(item: Any) -> str:
        return nested(item, scalar, indent, depth=depth + 1, colon=colon, comma=comma)

    inner, outer = indent * (depth + 1), indent * depth
    if isinstance(value, Mapping):
        items = "".join(f"{inner}{scalar(key)}{colon}{inside(item)}{comma}\n" for key, item in value.items())
        return f"{{\n{items}{outer}}}"
    if isinstance(value, list):
        items = "".join(f"{inner}{inside(item)},\n" for item in value)
        return f"[\n{items}{outer}]"
    return scalar(value)


def strings_replaced(value: Any, replacement: Callable[[str], Any]) -> Any:
    """The same tree with something else for each of its strings, keys aside."""
    if isinstance(value, Mapping):
        return {key: strings_replaced(item, replacement) for key, item in value.items()}
    if isinstance(value, list):
        return [strings_replaced(item, replacement) for item in value]
    return replacement(value) if isinstance(value, str) else value


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
    """The set-up with a parameter for every value of the account, every secret, and the endpoint's name.

    The ARNs of policies that alarms act on stand as `policy_arn`.
    """
    policies = enumerate(setup.of("PutScalingPolicy"), start=1)
    values = _Values(setup.endpoint_name, {policy_mark(request): policy_arn(number) for number, request in policies})
    steps = tuple(SetupCall(s.service, s.operation, values.replaced(s.request)) for s in (*setup.steps, *setup.alarms))
    name = TemplateParameter("endpoint_name", "name of the endpoint", setup.endpoint_name, value=setup.endpoint_name)
    names = (alarm.request["AlarmName"] for alarm in setup.alarms)
    kept = tuple(
        f"Alarm {alarm} keeps its name: where there is one of that name already, it is overwritten."
        for alarm in names
        if not values.position(alarm)
    )
    parameters = (name, *values.parameters.values())
    return Template(setup.endpoint_name, setup.region, steps, parameters, (*setup.notes, *kept))


class _Values:
    def __init__(self, endpoint_name: str, policy_arns: Mapping[str, str]) -> None:
        self._endpoint_name = endpoint_name
        self._policy_arns = policy_arns
        self.parameters: dict[str, TemplateParameter] = {}

    def replaced(self, value: Any, key: str = "", within: Mapping[str, Any] | None = None) -> Any:
        """The same tree with a reference where a parameter goes; ``key`` and ``within`` say where the value stands."""
        if isinstance(value, Mapping):
            for name in value:
                _require_plain(name)
            if key == "Environment":
                return {name: self._variable(name, text) for name, text in value.items()}
            if key == "Tags":
                return {name: self._tag(name, text) for name, text in value.items()}
            return {name: self.replaced(item, name, value) for name, item in value.items()}
        if isinstance(value, list):
            if key == "Tags":
                for tag in value:
                    _require_plain(tag["Key"])
                return [{**tag, "Value": self._tag(tag["Key"], tag["Value"])} for tag in value]
            return [self.replaced(item, key, within) for item in value]
        return self._text(value, key, within or {}) if isinstance(value, str) else value

    def _variable(self, name: str, text: str) -> str:
        secret = bool(_SECRET.search(f"{name}={text}"))
        if not secret and not _OF_AN_ACCOUNT.search(text) and not _MARKS.search(text):
            return text
        # Named apart: a container's PATH is not that of the script's shell.
        about = f"value of the container's environment variable {name}"
        return self._parameter(text, f"environment_{name}", about, secret=secret)

    def _tag(self, name: str, text: str) -> str:
        if name == "dgsm:endpoint" and text == self._endpoint_name:
            return reference("endpoint_name")
        own = _OF_AN_ACCOUNT.search(text) or _MARKS.search(text)
        return self._parameter(text, f"tag_{name}", f"value of the tag {name}") if own else text

    def _text(self, text: str, key: str, within: Mapping[str, Any]) -> str:
        if key == "Name":  # of a dimension: a key in Terraform
            _require_plain(text)
        if _MARKS.search(text):
            return self._parameter(text, xform_name(key), f"the value of {key}")
        if text in self._policy_arns:
            return reference(self._policy_arns[text])
        if key in _NAMED:
            return self._parameter(text, *_NAMED[key])
        if _OF_AN_ACCOUNT.search(text) or key == "KmsKeyId":
            return self._parameter(text, xform_name(key), f"the value of {key}")
        return self._with_name(text, key, within)

    def _with_name(self, text: str, key: str, within: Mapping[str, Any]) -> str:
        name = self._endpoint_name
        if key == "AlarmName" and (found := self.position(text)):
            return text[: found.start()] + reference("endpoint_name") + text[found.end() :]
        here = {
            "EndpointName": text == name,
            "EndpointConfigName": text.startswith(name),
            "ModelName": text.startswith(name),
            "ModelNameOverride": text.startswith(name),
            "ResourceId": True,
            "Value": text == name and within.get("Name") == "EndpointName",
        }
        if not here.get(key):
            return text
        # Not at its first occurrence: an endpoint may be called "endpoint".
        before = "endpoint/" if key == "ResourceId" else ""
        return before + reference("endpoint_name") + text[len(before) + len(name) :]

    def position(self, text: str) -> re.Match[str] | None:
        """Where the endpoint's name stands in a text, as a word of its own."""
        return re.search(rf"(?<![a-zA-Z0-9-]){re.escape(self._endpoint_name)}(?![a-zA-Z0-9-])", text)

    def _parameter(self, value: str, name: str, about: str, *, secret: bool = False) -> str:
        known = next((p for p in self.parameters.values() if p.value == value), None)
        if known is None:
            unique = self._unique(name)
            known = self.parameters[unique] = TemplateParameter(unique, about, secret=secret, value=value)
        return reference(known.name)

    def _unique(self, name: str) -> str:
        """The name as every format can write it, and unlike the others in each: CloudFormation has no underscores."""
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        taken = {other.replace("_", "") for other in (*self.parameters, "endpoint_name")}
        candidates = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
        return next(candidate for candidate in candidates if candidate.replace("_", "") not in taken)
