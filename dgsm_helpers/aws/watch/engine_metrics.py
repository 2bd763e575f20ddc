"""The engine's own word: how many streams Deepgram's container thinks that an instance sustains.

It is in CloudWatch's OpenTelemetry store, which answers PromQL only: a signed GET that no client of boto3 makes. A
second witness beside the measured knee, never in its place: the estimate grows with the load and stops at the GPU's
limit, so after a measurement it says the most. Sources: Deepgram, prometheus-otel-sagemaker; CloudWatch guide, PromQL
APIs.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from dgsm_helpers.aws.core.calls import call
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.session import Workbook

CAPACITY, ACTIVE = "engine_estimated_stream_capacity", "engine_active_requests"
DISAGREES = 0.2
"""Share of the measured knee by which the two may differ."""
SWITCH_ON = "aws cloudwatch start-otel-enrichment"
_NEEDED = "cloudwatch:QueryMetrics, cloudwatch:GetMetricData and cloudwatch:ListMetrics"
_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class EngineWord:
    """What the engines of an endpoint say: the largest estimate of an instance, and the streams of all of them now.

    ``why_not`` says why there is no estimate, and ``fix`` what to do about it.
    """

    capacity: float | None = None
    active: float | None = None
    why_not: str = ""
    fix: str = ""

    def disagrees(self, knee: int) -> bool:
        """Whether it is more than `DISAGREES` off the measured knee."""
        return self.capacity is not None and abs(self.capacity - knee) > DISAGREES * knee

    def beside(self, knee: int) -> str:
        """A sentence beside a measured knee."""
        if self.capacity is None:
            return f"The engine's own estimate: {self.why_not}. {self.fix}".rstrip()
        off = abs(self.capacity - knee) / knee
        verdict = (
            f"{off:.0%} off the measured {knee}: measure again, or ask Deepgram" if self.disagrees(knee) else "agrees"
        )
        return f"The engine's own estimate: {self.capacity:g} streams, {verdict}."


def read_engine(wb: Workbook) -> EngineWord:
    """Ask CloudWatch for the engines' estimate; where it cannot be read, say how to switch it on. Never fails."""
    if wb.family.name != "nova":
        return EngineWord(why_not=f"{wb.family.title} publishes none")
    try:
        status = call(wb, "cloudwatch", "GetOTelEnrichment")["Status"]
    except DgsmError as error:
        return EngineWord(why_not=f"not to be read ({error.message})", fix="Allow cloudwatch:GetOTelEnrichment.")
    if status != "Running":
        return EngineWord(why_not="the account's metrics are not enriched", fix=f"Switch it on: {SWITCH_ON}.")
    try:
        capacities, active = _latest(wb, CAPACITY), _latest(wb, ACTIVE)
    except (DgsmError, BotoCoreError, ValueError, KeyError, TypeError) as error:
        return EngineWord(why_not=f"not to be read ({error})", fix=f"It needs {_NEEDED}.")
    if not capacities:
        return EngineWord(why_not="none yet", fix="It comes with streams, where detailed observability is on.")
    return EngineWord(capacity=max(capacities), active=sum(active))


def selector(wb: Workbook, metric: str) -> str:
    """PromQL for a metric of the endpoint's engines."""
    return f'{{"{metric}","aws.sagemaker.endpoint.name"="{wb.endpoint_name}"}}'


def _latest(wb: Workbook, metric: str) -> list[float]:
    """The newest value of each instance.

    Raises:
        BotoCoreError: nothing answers.
        ValueError: what answers refuses, or is not CloudWatch.
    """
    url = f"{wb.client('cloudwatch').meta.endpoint_url}/api/v1/query?{urlencode({'query': selector(wb, metric)})}"
    keys = wb.credentials()
    signer = SigV4Auth(
        Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token), "monitoring", wb.region
    )
    request = AWSRequest(method="GET", url=url)
    signer.add_auth(request)
    http = URLLib3Session(verify=wb.ca_bundle or True, proxies=get_environ_proxies(url), timeout=_TIMEOUT_S)
    answer = http.send(request.prepare())
    if answer.status_code != 200:
        raise ValueError(f"HTTP {answer.status_code}: {answer.text[:200]}")
    content: Any = json.loads(answer.text)
    return [float(series["value"][1]) for series in content["data"]["result"]]
