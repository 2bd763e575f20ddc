"""An export as a script of calls: AWS CLI commands, the scaling part in the guide's own form, or Python with boto3.

Parameters come from the environment.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.export.template_values import (
    Template,
    TemplateParameter,
    has_parameters,
    nested,
    only_parameter,
    written,
)
from dgsm_helpers.aws.scaling.policy import POLICY_FILE
from dgsm_helpers.aws.scaling.scaling_setup import SetupCall

_CLIENTS = {"sagemaker": "sagemaker", "application-autoscaling": "autoscaling"}
_INDENT = "    "
_SPECIAL = r'[\\$`"]'
"""Characters that the shell reads within double quotes."""
_CONFIGURATIONS = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")


def shell_script(template: Template) -> str:
    """A POSIX shell script; the policy goes by way of scaling-policy.json."""
    blocks = ["\n".join(_shell_head(template))]
    policies = 0
    for step in template.steps:
        if step.operation == "PutScalingPolicy":
            policies += 1
            file = POLICY_FILE if policies == 1 else f"scaling-policy-{policies}.json"
            blocks += _policy(step, file)
        elif step.service == "sagemaker":
            blocks.append(_by_document(step))
        else:
            blocks.append(_by_options(step, step.request))
        if step.operation == "CreateEndpoint":
            wait = 'aws sagemaker wait endpoint-in-service --region "$AWS_REGION" --endpoint-name "$ENDPOINT_NAME"'
            blocks.append(wait)
    return "\n\n".join(blocks) + "\n"


def _shell_head(template: Template) -> Iterator[str]:
    yield "#!/bin/sh"
    yield f"# Makes the endpoint {template.endpoint_name} again, with its scaling. Written by `dgsm export`."
    yield "# Parameters are environment variables:"
    yield from (f"#   {p.name.upper():<20} {p.about}{_default(p)}" for p in template.parameters)
    yield from (f"# {note}" for note in template.notes)
    yield "set -eu"
    yield f': "${{AWS_REGION:={template.region}}}"'
    for parameter in template.parameters:
        name = parameter.name.upper()
        if parameter.default is None:
            yield f': "${{{name}:?{parameter.about}}}"'
        else:
            yield f': "${{{name}:={parameter.default}}}"'


def _default(parameter: TemplateParameter) -> str:
    return "" if parameter.default is None else f" (default: {parameter.default})"


def _policy(step: SetupCall, file: str) -> Iterator[str]:
    key = next(k for k in _CONFIGURATIONS if k in step.request)
    yield f"cat > {file} <<JSON\n{_document(step.request[key])}\nJSON"
    options = {k: v for k, v in step.request.items() if k != key}
    yield f"{_by_options(step, options)} \\\n    --{xform_name(key, '-')} file://{file}"


def _by_document(step: SetupCall) -> str:
    command = f'aws sagemaker {xform_name(step.operation, "-")} --region "$AWS_REGION"'
    return f'{command} --cli-input-json "$(cat <<JSON\n{_document(step.request)}\nJSON\n)"'


def _by_options(step: SetupCall, request: Mapping[str, Any]) -> str:
    options = [f"--{xform_name(key, '-')} {_argument(value)}" for key, value in request.items()]
    lines = [f"aws {step.service} {xform_name(step.operation, '-')}", *options, '--region "$AWS_REGION"']
    return " \\\n    ".join(lines)


def _document(value: Any) -> str:
    """JSON within a here-document, where the shell puts the parameters in."""
    return _escaped(json.dumps(value, indent=2, ensure_ascii=False), r"[\\$`]")


def _argument(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f'"{_escaped(text, _SPECIAL)}"' if has_parameters(text) else shlex.quote(text)


def _escaped(text: str, special: str) -> str:
    return written(text, lambda name: f"${{{name.upper()}}}", lambda part: re.sub(special, r"\\\g<0>", part))


def python_script(template: Template) -> str:
    """A Python script of boto3 calls."""
    services = dict.fromkeys(step.service for step in template.steps)
    clients = [f'{_CLIENTS[service]} = boto3.client("{service}", region_name=AWS_REGION)' for service in services]
    blocks = ["\n".join(_python_head(template)), "\n".join(clients)]
    for step in template.steps:
        arguments = [f"{_INDENT}{key}={nested(value, _scalar, _INDENT)},\n" for key, value in step.request.items()]
        blocks.append(f"{_CLIENTS[step.service]}.{xform_name(step.operation)}(\n{''.join(arguments)})")
        if step.operation == "CreateEndpoint":
            every = 'WaiterConfig={"Delay": 10, "MaxAttempts": 360}'
            blocks.append(f'sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT_NAME, {every})')
    return "\n\n".join(blocks) + "\n"


def _python_head(template: Template) -> Iterator[str]:
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
