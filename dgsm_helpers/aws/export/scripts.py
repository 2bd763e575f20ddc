"""An export as a script of calls: AWS CLI commands, the scaling part in the guide's own form, or Python with boto3.

Parameters come from the environment. The shell script is POSIX's: it runs in dash as in bash.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.resources import files
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.export.template_values import (
    Template,
    TemplateParameter,
    comment_lines,
    nested,
    only_parameter,
    parameters_in,
    policy_arn,
    written,
)
from dgsm_helpers.aws.scaling.policy import POLICY_FILE
from dgsm_helpers.aws.scaling.setup_calls import SetupCall

_CLIENTS = {"sagemaker": "sagemaker", "application-autoscaling": "autoscaling", "cloudwatch": "cloudwatch"}
_INDENT = "    "
_CONFIGURATIONS = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")

_JSON_FUNCTION = (files("dgsm_helpers") / "data" / "export_json.sh").read_text(encoding="utf-8").rstrip()


def shell_script(template: Template) -> str:
    """A POSIX shell script; the policy goes by way of scaling-policy.json."""
    blocks = ["\n".join(_shell_head(template)), _JSON_FUNCTION]
    used = _policy_arns_used(template)
    policies = 0
    for step in template.steps:
        if step.operation == "PutScalingPolicy":
            policies += 1
            file = POLICY_FILE if policies == 1 else f"scaling-policy-{policies}.json"
            arn = policy_arn(policies)
            blocks += _policy(step, file, arn.upper() if arn in used else "")
        elif step.service == "application-autoscaling":
            blocks.append(_by_options(step, step.request))
        else:
            blocks.append(_by_document(step))
        if step.operation == "CreateEndpoint":
            wait = 'aws sagemaker wait endpoint-in-service --region "$AWS_REGION" --endpoint-name "$ENDPOINT_NAME"'
            blocks.append(wait)
    return "\n\n".join(blocks) + "\n"


def _policy_arns_used(template: Template) -> set[str]:
    """The names that stand for ARNs of policies which later steps need."""
    return set().union(*(parameters_in(step.request) for step in template.steps))


def _shell_head(template: Template) -> Iterator[str]:
    yield "#!/bin/sh"
    yield f"# Makes the endpoint {template.endpoint_name} again, with its scaling. Written by `dgsm export`."
    for note in template.notes:
        yield from comment_lines(note)
    yield "# Parameters are environment variables:"
    for p in template.parameters:
        yield from comment_lines(f"  {p.name.upper():<20} {p.about}{_default(p)}")
    yield "set -eu"
    yield f': "${{AWS_REGION:={template.region}}}"'
    for parameter in template.parameters:
        name = parameter.name.upper()
        if parameter.default is None:
            # Not "${NAME:?…}": bash reads an apostrophe in there as a quote, dash does not.
            message = shlex.quote(f"{name} is not set: {parameter.about}")
            yield f"[ -n \"${{{name}:-}}\" ] || {{ printf '%s\\n' {message} >&2; exit 2; }}"
        else:
            yield f'[ -n "${{{name}:-}}" ] || {name}={shlex.quote(parameter.default)}'


def _default(parameter: TemplateParameter) -> str:
    return "" if parameter.default is None else f" (default: {parameter.default})"


def _policy(step: SetupCall, file: str, arn: str) -> Iterator[str]:
    """The policy's file and the call that takes it; ``arn`` is the variable that keeps its ARN, "" for none."""
    key = next(k for k in _CONFIGURATIONS if k in step.request)
    yield f"cat > {file} <<JSON\n{_document(step.request[key])}\nJSON"
    options = {k: v for k, v in step.request.items() if k != key}
    command = f"{_by_options(step, options)} \\\n    --{xform_name(key, '-')} file://{file}"
    yield f"{arn}=$({command} \\\n    --query PolicyARN --output text)" if arn else command


def _by_document(step: SetupCall) -> str:
    command = f'aws {step.service} {xform_name(step.operation, "-")} --region "$AWS_REGION"'
    return f"{command} --cli-input-json {_json_argument(step.request, indent=2)}"


def _by_options(step: SetupCall, request: Mapping[str, Any]) -> str:
    options = [_option(key, value) for key, value in request.items()]
    lines = [f"aws {step.service} {xform_name(step.operation, '-')}", *options, '--region "$AWS_REGION"']
    return " \\\n    ".join(lines)


def _option(key: str, value: Any) -> str:
    # What begins with a dash would be taken for an option.
    separator = "=" if isinstance(value, str) and value.startswith("-") else " "
    return f"--{xform_name(key, '-')}{separator}{_argument(value)}"


def _document(value: Any) -> str:
    """JSON within a here-document, where the shell puts the parameters in."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return written(text, lambda name: f'$(json "${name.upper()}")', lambda part: re.sub(r"[\\$`]", r"\\\g<0>", part))


def _json_argument(value: Any, indent: int | None = None) -> str:
    """JSON as one word, in single quotes, which end for each parameter.

    Not a here-document within "$(…)": in there shells differ in what an apostrophe or a parenthesis is.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    quoted = written(text, lambda name: f"""'"$(json "${name.upper()}")"'""", lambda part: part.replace("'", r"'\''"))
    return f"'{quoted}'"


def _argument(value: Any) -> str:
    if not isinstance(value, str):
        return _json_argument(value) if isinstance(value, (Mapping, list)) else json.dumps(value)
    if not parameters_in(value):
        return shlex.quote(value)
    # The shell reads these characters within double quotes.
    literal = partial(re.sub, r'[\\$`"]', r"\\\g<0>")
    return f'"{written(value, lambda name: f"${{{name.upper()}}}", literal)}"'


def python_script(template: Template) -> str:
    """A Python script of boto3 calls."""
    services = dict.fromkeys(step.service for step in template.steps)
    clients = [f'{_CLIENTS[service]} = boto3.client("{service}", region_name=AWS_REGION)' for service in services]
    blocks = ["\n".join(_python_head(template)), "\n".join(clients)]
    used = _policy_arns_used(template)
    policies = 0
    for step in template.steps:
        arguments = [f"{_INDENT}{key}={nested(value, _scalar, _INDENT)},\n" for key, value in step.request.items()]
        call = f"{_CLIENTS[step.service]}.{xform_name(step.operation)}(\n{''.join(arguments)})"
        if step.operation == "PutScalingPolicy":
            policies += 1
            if (arn := policy_arn(policies)) in used:
                call = f'{arn.upper()} = {call}["PolicyARN"]'
        blocks.append(call)
        if step.operation == "CreateEndpoint":
            every = 'WaiterConfig={"Delay": 10, "MaxAttempts": 360}'
            blocks.append(f'sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=ENDPOINT_NAME, {every})')
    return "\n\n".join(blocks) + "\n"


def _python_head(template: Template) -> Iterator[str]:
    yield f'"""Makes the endpoint {template.endpoint_name} again, with its scaling. Written by `dgsm export`."""\n'
    for note in template.notes:
        yield from comment_lines(note)
    yield "import os\n\nimport boto3\n"
    yield f'AWS_REGION = os.environ.get("AWS_REGION", "{template.region}")'
    for parameter in template.parameters:
        name = parameter.name.upper()
        default = parameter.default
        yield from comment_lines(parameter.about)
        reader = f'os.environ["{name}"]' if default is None else f'os.environ.get("{name}", {_quoted(default)})'
        yield f"{name} = {reader}"


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    if name := only_parameter(value):
        return name.upper()
    if not parameters_in(value):
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
