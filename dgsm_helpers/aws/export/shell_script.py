"""An export as a shell script of AWS CLI commands, the scaling part in the guide's own form."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.export.template_values import Template, TemplateParameter, has_parameters, written
from dgsm_helpers.aws.scaling.policy import POLICY_FILE
from dgsm_helpers.aws.scaling.scaling_setup import SetupCall

_CONFIGURATIONS = ("TargetTrackingScalingPolicyConfiguration", "StepScalingPolicyConfiguration")


def script(template: Template) -> str:
    """A POSIX shell script; parameters come from the environment, the policy goes by way of scaling-policy.json."""
    blocks = ["\n".join(_head(template))]
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


def _head(template: Template) -> Iterator[str]:
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


_SPECIAL = r'[\\$`"]'


def _escaped(text: str, special: str) -> str:
    return written(text, lambda name: f"${{{name.upper()}}}", lambda part: re.sub(special, r"\\\g<0>", part))
