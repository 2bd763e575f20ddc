"""Where the fleet's containers write: CloudWatch Logs of the embedded AWS, kept by moto."""

from __future__ import annotations

from moto.logs.models import logs_backends

from embedded_aws.listings import ACCOUNT_ID


def write_log(region: str, endpoint: str, stream: str, message: str, now_s: float) -> None:
    """Append one line to ``/aws/sagemaker/Endpoints/<endpoint>``, stream ``<variant>/<instance id>``, as SageMaker
    does.

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
