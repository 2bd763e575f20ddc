"""All that the embedded AWS takes from inside moto, which promises none of it to stay.

Moto answers what needs no more than it gives (IAM, STS, Logs, SNS and the like), and lends its reader and writer of
AWS's protocols. ``SEEN_WITH`` is the version that this file was written against;
``tests/embedded_aws/gateway/test_moto_inside.py`` says so when another one is installed and behaves differently.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from botocore.utils import parse_timestamp
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request as MotoRequest
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sns.models import sns_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import PARTITION_NAMES
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException

from embedded_aws.listings import ACCOUNT_ID

SEEN_WITH = "5.2.5"

LOG_EVENTS_KEPT = 10_000
"""Of each container's log, the newest. AWS keeps all that it was paid for; here a flood of refusals would stay."""

application = partial(DomainDispatcherApplication, create_backend_app)
"""Makes the WSGI application that answers for every service that moto has."""


def params_of_json(service: str, operation: str, wire: Mapping[str, object]) -> dict[str, Any]:
    """Parameters as boto3 takes them (datetimes, bytes) from those of a JSON body that passed the service model."""
    model = get_service_model(service).operation_model(operation)
    parser = PROTOCOL_PARSERS["json"](model, timestamp_parser=parse_timestamp)
    for kind in ("double", "float"):  # which the parser leaves as they came: JSON has no number for "NaN"
        setattr(parser, f"_parse_{kind}", lambda _, value, *__: float(value))
    # The parser's public entry takes the body's text; by now it is decoded, perhaps from CBOR.
    return {} if model.input_shape is None else parser._parse_shape(model.input_shape, wire)


def params_of_form(service: str, operation: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as boto3 takes them from those of the query protocol.

    Raises:
        ValueError: the form does not fit the operation.
    """
    model = get_service_model(service).operation_model(operation)
    request: Any = {"values": form}  # all that the query protocol's parser looks at
    return PROTOCOL_PARSERS["query"](model, timestamp_parser=parse_timestamp).parse(request)


def operation_of_path(service: str, request: Request) -> str | None:
    """The operation that the path and method of a REST request name, None when the service has no such operation."""
    try:
        operation, _ = get_service_router(service).match(MotoRequest(request.environ))
    except (HTTPException, NotImplementedError):
        return None
    return operation.name


def serialized(service: str, operation: str, protocol: str, value: Mapping[str, object]) -> Response:
    """The answer ``value`` of an operation in ``protocol`` (``json``, ``query``); unknown members are left out."""
    model = get_service_model(service).operation_model(operation)
    answer = get_serializer_class(service, protocol)(operation_model=model).serialize(value)
    return Response(answer["body"], answer["status_code"], dict(answer["headers"]))


def caller_arn(access_key_id: str, region: str) -> str:
    """Who makes the calls that are signed with this key, as GetCallerIdentity says it."""
    return sts_backends[ACCOUNT_ID]["aws"].get_caller_identity(access_key_id, region)[1]


def key_pair(access_key_id: str) -> tuple[str, str | None] | None:
    """The secret of a key that IAM or STS handed out, and its session token if it has one; None of an unknown key."""
    if role := sts_backends[ACCOUNT_ID]["aws"].get_assumed_role_from_access_key(access_key_id):
        return role.secret_access_key, role.session_token
    key = iam_backends[ACCOUNT_ID]["aws"].access_keys.get(access_key_id)
    return (key.secret_access_key, None) if key is not None and key.status == "Active" else None


def create_user(name: str, access_key_id: str, secret_access_key: str) -> str:
    """Make an IAM user with a key pair of the caller's choice; returns the user's ARN."""
    iam = iam_backends[ACCOUNT_ID]["aws"]
    user = iam.create_user(region_name="us-east-1", user_name=name)
    key = iam.create_access_key(name)
    key.access_key_id, key.secret_access_key = access_key_id, secret_access_key
    return user.arn


def create_role(name: str, trust_policy: str, description: str) -> str:
    """Make an IAM role that ``trust_policy`` (JSON) lets assume, in every partition; returns its ARN in ``aws``."""
    arns = {}
    for partition in PARTITION_NAMES:
        role = iam_backends[ACCOUNT_ID][partition].create_role(
            role_name=name,
            assume_role_policy_document=trust_policy,
            path="/",
            permissions_boundary=None,
            description=description,
            tags=[],
            max_session_duration="3600",
        )
        arns[partition] = role.arn
    return arns["aws"]


def publish(topic_arn: str, subject: str, message: str) -> str:
    """Publish to an SNS topic, whose subscribers then have it; returns why it could not be done, else ""."""
    try:
        region = topic_arn.split(":")[3]
        sns_backends[ACCOUNT_ID][region].publish(message, topic_arn, subject=subject)
    except Exception as error:  # whatever a subscriber that moto cannot reach raises must not stop the alarms
        return str(getattr(error, "message", "")) or f"{type(error).__name__}: {error}"
    return ""


def log_streams(region: str, group: str) -> Collection[str] | None:
    """The names of a log group's streams; None where there is no such group."""
    found = logs_backends[ACCOUNT_ID][region].groups.get(group)
    return None if found is None else found.streams.keys()


def write_container_log(region: str, endpoint: str, stream: str, message: str, now_s: float) -> None:
    """Append a line to ``/aws/sagemaker/Endpoints/<endpoint>``, stream ``<variant>/<instance id>``, as SageMaker does.

    Straight into the group: moto's public operation refuses what lies two hours ahead of the wall, as local time may.
    """
    backend = logs_backends[ACCOUNT_ID][region]
    name = f"/aws/sagemaker/Endpoints/{endpoint}"
    if name not in backend.groups:
        backend.create_log_group(name, {})
    group = backend.groups[name]
    if stream not in group.streams:
        group.create_log_stream(stream)
    group.put_log_events(stream, [{"timestamp": int(now_s * 1000), "message": message}])
    del group.streams[stream].events[:-LOG_EVENTS_KEPT]
