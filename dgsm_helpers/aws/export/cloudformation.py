"""An export as a CloudFormation template.

Models and endpoint config get names from CloudFormation: with names of their own they could not be replaced, and every
change of them is a replacement.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dgsm_helpers.aws.export.template_values import (
    EXPORT_NAMES,
    Template,
    only_parameter,
    parameters_in,
    policy_number,
    strings_replaced,
    written,
)
from dgsm_helpers.aws.scaling.setup_calls import SetupCall

TARGET_KEYS = ("ServiceNamespace", "ResourceId", "ScalableDimension")
"""How a call names its scalable target."""


UNKNOWN = frozenset(EXPORT_NAMES["cloudformation"]["unknown"])
"""What SageMaker takes and CloudFormation's resources do not."""


def expressible(given: Template) -> Template:
    """The set-up without what CloudFormation does not know, and a note for each."""
    left_out: dict[str, None] = {}

    def known(value: Any, operation: str) -> Any:
        if isinstance(value, Mapping):
            left_out.update({f"{key} of {operation}": None for key in value if key in UNKNOWN})
            # What a user calls a variable or a tag may be spelt alike.
            kept = {key: item for key, item in value.items() if key not in UNKNOWN}
            return {k: v if k in ("Environment", "Tags") else known(v, operation) for k, v in kept.items()}
        return [known(item, operation) for item in value] if isinstance(value, list) else value

    steps = tuple(replace(step, request=known(step.request, step.operation)) for step in given.steps)
    notes = (f"CloudFormation does not know {name}: it is left out." for name in left_out)
    return replace(given, steps=steps, notes=(*given.notes, *notes))


def template(given: Template) -> str:
    """The template as JSON."""
    content = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Endpoint {given.endpoint_name} with its scaling. Written by dgsm export.",
        # A description has a limit of 1,024 bytes, notes have none.
        **({"Metadata": {"Notes": given.notes}} if given.notes else {}),
        "Parameters": {
            camel(p.name): {
                "Type": "String",
                "Description": p.about,
                **({} if p.default is None else {"Default": p.default}),
                **({"NoEcho": True} if p.secret else {}),
            }
            for p in given.parameters
        },
        "Resources": {**hosting(given.steps), **_scaling(given.steps), **_alarms(given.steps)},
    }
    return json.dumps(strings_replaced(content, _function), indent=2) + "\n"


def camel(name: str) -> str:
    """``model_package_arn`` as ``ModelPackageArn``."""
    return "".join(word.capitalize() for word in name.split("_"))


def numbered(name: str, number: int, separator: str = "") -> str:
    """The name of the first, the name with its number of every later one."""
    return name if number == 1 else f"{name}{separator}{number}"


def hosting(steps: tuple[SetupCall, ...]) -> dict[str, Any]:
    """The resources of models, endpoint config and endpoint."""
    resources: dict[str, Any] = {}
    models: dict[str, str] = {}
    for step in steps:
        request = dict(step.request)
        if step.operation == "CreateModel":
            name = models[request.pop("ModelName")] = numbered("Model", len(models) + 1)
            resources[name] = {"Type": "AWS::SageMaker::Model", "Properties": request}
        elif step.operation == "CreateEndpointConfig":
            del request["EndpointConfigName"]
            for kind in ("ProductionVariants", "ShadowProductionVariants"):
                if kind in request:
                    request[kind] = [_variant(v, models) for v in request[kind]]
            resources["EndpointConfig"] = {"Type": "AWS::SageMaker::EndpointConfig", "Properties": request}
        elif step.operation == "CreateEndpoint":
            request["EndpointConfigName"] = {"Fn::GetAtt": ["EndpointConfig", "EndpointConfigName"]}
            # Else an update of the stack would put the instance count back to the config's initial one.
            properties = {**request, "RetainAllVariantProperties": True}
            resources["Endpoint"] = {"Type": "AWS::SageMaker::Endpoint", "Properties": properties}
    return resources


def _variant(variant: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, Any]:
    named = dict(variant)
    if "ModelName" in named:
        named["ModelName"] = _model(models[named["ModelName"]])
    if "InstancePools" in named:
        named["InstancePools"] = [
            {**pool, "ModelNameOverride": _model(models[pool["ModelNameOverride"]])}
            if "ModelNameOverride" in pool
            else pool
            for pool in named["InstancePools"]
        ]
    return named


def _model(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "ModelName"]}


def _scaling(steps: tuple[SetupCall, ...]) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    targets: dict[str, str] = {}
    policies = 0
    for step in steps:
        request = dict(step.request)
        if step.operation == "RegisterScalableTarget":
            name = targets[request["ResourceId"]] = numbered("Target", len(targets) + 1)
            if "Tags" in request:
                request["Tags"] = [{"Key": key, "Value": value} for key, value in request["Tags"].items()]
            target = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "DependsOn": "Endpoint"}
            resources[name] = {**target, "Properties": request}
        elif step.operation in ("PutScalingPolicy", "PutScheduledAction"):
            name = targets[request["ResourceId"]]
            own = {key: value for key, value in request.items() if key not in TARGET_KEYS}
            if step.operation == "PutScheduledAction":
                resources[name]["Properties"].setdefault("ScheduledActions", []).append(own)
            else:
                policies += 1
                properties = {**own, "ScalingTargetId": {"Ref": name}}
                policy = {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": properties}
                resources[numbered("Policy", policies)] = policy
    return resources


def _alarms(steps: tuple[SetupCall, ...]) -> dict[str, Any]:
    requests = [step.request for step in steps if step.operation == "PutMetricAlarm"]
    return {
        numbered("Alarm", number): {"Type": "AWS::CloudWatch::Alarm", "Properties": request}
        for number, request in enumerate(requests, start=1)
    }


def _function(text: str) -> str | dict[str, str]:
    if name := only_parameter(text):
        return {"Ref": _logical_id(name)}
    if not parameters_in(text):
        return text
    return {"Fn::Sub": written(text, lambda name: f"${{{_logical_id(name)}}}", lambda p: p.replace("${", "${!"))}


def _logical_id(name: str) -> str:
    """The parameter's name in a template; that of the policy where the name stands for the ARN of one."""
    number = policy_number(name)
    return camel(name) if number is None else numbered("Policy", number)
