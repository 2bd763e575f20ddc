"""An export as a Python script of boto3 calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.export.template_values import Template, has_parameters, nested, only_parameter, written

_NAMES = {"sagemaker": "sagemaker", "application-autoscaling": "autoscaling"}
_INDENT = "    "


def script(template: Template) -> str:
    """A Python script; parameters come from the environment."""
    services = dict.fromkeys(step.service for step in template.steps)
    clients = [f'{_NAMES[service]} = boto3.client("{service}", region_name=AWS_REGION)' for service in services]
    blocks = ["\n".join(_head(template)), "\n".join(clients)]
    for step in template.steps:
        arguments = [f"{_INDENT}{key}={nested(value, _scalar, _INDENT)},\n" for key, value in step.request.items()]
        blocks.append(f"{_NAMES[step.service]}.{xform_name(step.operation)}(\n{''.join(arguments)})")
        if step.operation == "CreateEndpoint":
            every = 'WaiterConfig={"Delay": 10, "MaxAttempts": 360}'
            blocks.append(f'sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT_NAME, {every})')
    return "\n\n".join(blocks) + "\n"


def _head(template: Template) -> Iterator[str]:
    yield f'"""Makes the endpoint {template.endpoint_name} again, with its scaling. Written by `dgsm export`."""\n'
    yield from (f"# {note}" for note in template.notes)
    yield "import os\n\nimport boto3\n"
    yield f'AWS_REGION = os.environ.get("AWS_REGION", "{template.region}")'
    for parameter in template.parameters:
        name = parameter.name.upper()
        default = parameter.default
        reader = f'os.environ["{name}"]' if default is None else f'os.environ.get("{name}", "{default}")'
        yield f"{name} = {reader}  # {parameter.about}"


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    if name := only_parameter(value):
        return name.upper()
    if not has_parameters(value):
        return _quoted(value)
    text = written(
        value,
        parameter=lambda name: f"{{{name.upper()}}}",
        literal=lambda part: _quoted(part)[1:-1].replace("{", "{{").replace("}", "}}"),
    )
    return f'f"{text}"'


def _quoted(text: str) -> str:
    # JSON's escapes are Python's too, and its quotes are those that formatters want.
    return json.dumps(text, ensure_ascii=False)
