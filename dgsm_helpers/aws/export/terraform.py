"""An export as Terraform.

Scaling is made of the ``aws`` provider's own resources. Model, config and endpoint are a CloudFormation stack within
it: the provider's endpoint configuration knows neither instance pools nor metrics configuration nor the provisioning
timeout (hashicorp/terraform-provider-aws issue 48469, open in autumn 2026).
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore import xform_name

from dgsm_helpers.aws.export.cloudformation import TARGET_KEYS, hosting, numbered
from dgsm_helpers.aws.export.template_values import (
    EXPORT_NAMES,
    Template,
    comment_lines,
    nested,
    only_parameter,
    policy_number,
    written,
)
from dgsm_helpers.aws.scaling.setup_calls import SetupCall

_INDENT = "  "
_PROVIDER = "5.64"
"""The first with every argument used here: ``suspended_state`` (the provider's changelog)."""
_NAMES = EXPORT_NAMES["terraform"]
_TYPES, _BLOCKS, _LISTS_OF_BLOCKS = _NAMES["resources"], _NAMES["blocks"], _NAMES["lists_of_blocks"]


def configuration(given: Template) -> str:
    """The configuration as HCL."""
    blocks = [_head(given), *(_variable(p.name, p.about, p.default, p.secret) for p in given.parameters)]
    blocks.append(_stack(given))
    targets: dict[str, str] = {}
    counts: dict[str, int] = {}
    for step in given.steps:
        if step.operation in _TYPES:
            kind, name = _TYPES[step.operation]
            counts[name] = counts.get(name, 0) + 1
            label = numbered(name, counts[name], "_")
            if step.operation == "RegisterScalableTarget":
                targets[step.request["ResourceId"]] = label
            lines = [*_arguments(step, targets)]
            blocks.append(f'resource "{kind}" "{label}" {{\n' + "".join(lines) + "}")
    return "\n\n".join(blocks) + "\n"


def _head(given: Template) -> str:
    lines = [f"# Endpoint {given.endpoint_name} with its scaling. Written by `dgsm export`."]
    lines += [line for note in given.notes for line in comment_lines(note)]
    lines += [
        "terraform {",
        "  required_providers {",
        "    aws = {",
        '      source  = "hashicorp/aws"',
        f'      version = ">= {_PROVIDER}"',
        "    }",
        "  }",
        "}",
    ]
    return "\n".join(lines)


def _variable(name: str, about: str, default: str | None, secret: bool) -> str:
    lines = [f'variable "{name}" {{', "  type        = string", f"  description = {_value(about, 1)}"]
    lines += [] if default is None else [f"  default     = {_value(default, 1)}"]
    lines += ["  sensitive   = true"] if secret else []
    return "\n".join([*lines, "}"])


def _stack(given: Template) -> str:
    body = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": hosting(given.steps)}
    return (
        "# The provider's own endpoint configuration has no instance pools yet\n"
        "# (hashicorp/terraform-provider-aws issue 48469), so CloudFormation makes this part.\n"
        'resource "aws_cloudformation_stack" "endpoint" {\n'
        # A stack's name begins with a letter, and an endpoint's may begin with a digit.
        '  name = "hosting-${var.endpoint_name}"\n'
        f"  template_body = jsonencode({_value(body, 1)})\n"
        "  timeouts {\n"
        '    create = "60m"\n'
        '    update = "60m"\n'
        "  }\n"
        "}"
    )


def _arguments(step: SetupCall, targets: Mapping[str, str]) -> Iterator[str]:
    if step.operation == "PutMetricAlarm":
        yield from _body(_alarm(step.request), 1)
        return
    request = dict(step.request)
    label = targets[request["ResourceId"]]
    if step.operation == "RegisterScalableTarget":
        yield from _body(request, 1)
        yield f"{_INDENT}depends_on = [aws_cloudformation_stack.endpoint]\n"
        return
    for key in TARGET_KEYS:
        del request[key]
        attribute = xform_name(key)
        yield f"{_INDENT}{attribute} = aws_appautoscaling_target.{label}.{attribute}\n"
    yield from _body(request, 1)


def _alarm(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PutMetricAlarm request in the shape of the provider's alarm: dimensions and tags are maps there."""
    alarm = {key: value for key, value in request.items() if key not in ("Dimensions", "Tags", "Metrics")}
    if "Dimensions" in request:
        alarm["dimensions"] = _by_name(request["Dimensions"], "Name")
    if "Tags" in request:
        alarm["tags"] = _by_name(request["Tags"], "Key")
    if "Metrics" in request:
        alarm["MetricQueries"] = [_metric_query(query) for query in request["Metrics"]]
    return alarm


def _metric_query(query: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in query.items() if key != "MetricStat"}
    if "MetricStat" in query:
        stat = {key: value for key, value in query["MetricStat"].items() if key != "Metric"}
        metric = dict(query["MetricStat"]["Metric"])
        dimensions = metric.pop("Dimensions", None)
        plain["Metric"] = {**metric, **stat, **({"dimensions": _by_name(dimensions, "Name")} if dimensions else {})}
    return plain


def _by_name(pairs: list[Mapping[str, str]], key: str) -> dict[str, str]:
    return {pair[key]: pair["Value"] for pair in pairs}


def _body(content: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Arguments and nested blocks, as the provider names them."""
    pad = _INDENT * depth
    for key, value in content.items():
        if key in _BLOCKS:
            yield f"{pad}{_BLOCKS[key]} {{\n"
            yield from _body(value, depth + 1)
            yield f"{pad}}}\n"
        elif key in _LISTS_OF_BLOCKS:
            for item in value:
                yield f"{pad}{_LISTS_OF_BLOCKS[key]} {{\n"
                yield from _body(item, depth + 1)
                yield f"{pad}}}\n"
        else:
            yield f"{pad}{_NAMES['arguments'].get(key) or xform_name(key)} = {_value(value, depth)}\n"


def _value(value: Any, depth: int) -> str:
    return nested(value, _scalar, _INDENT, depth=depth, colon=" = ", comma="")


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if name := only_parameter(value):
        return _expression(name)
    return f'"{written(value, lambda name: f"${{{_expression(name)}}}", _escaped)}"'


def _expression(name: str) -> str:
    """A parameter; the ARN of a policy where the name stands for one."""
    number = policy_number(name)
    return f"var.{name}" if number is None else f"aws_appautoscaling_policy.{numbered('policy', number, '_')}.arn"


_ESCAPES = {"b": r"\u0008", "f": r"\u000c"}
"""What HCL writes for JSON's escapes that it does not know."""


def _escaped(text: str) -> str:
    quoted = re.sub(
        r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), json.dumps(text, ensure_ascii=False)[1:-1]
    )
    # Before a brace, a parameter's too, these begin a template or double as its escape.
    return re.sub(r"[$%](?=\{|\Z)", lambda found: rf"\u{ord(found[0]):04x}", quoted)
