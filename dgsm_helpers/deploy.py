"""Step 1, ``01_deploy``: from a model package to an endpoint that transcribes, or speaks.

Before: `choose_pool` leaves out instance types without quota; `plan` writes down what will be made and what it costs.

Making: `deploy` follows a plan; `ensure` does all three and reuses an identical endpoint.

Trying: `stream_recording` and `transcribe_file` send `bundled_recording` to a model that listens, and `lag_figure` says
what came of it; `speak` has a text spoken by one that speaks, to be heard.

Later: `update` brings another version or instance type under an endpoint that scales; `roll_back` undoes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dgsm_helpers.aws.account.quotas import PoolChoice, without_zero_quota
from dgsm_helpers.aws.endpoint import deployment, endpoint_state, invoke
from dgsm_helpers.aws.endpoint.deployment import Deployment
from dgsm_helpers.aws.endpoint.deployment_plan import plan
from dgsm_helpers.aws.endpoint.update import roll_back
from dgsm_helpers.aws.endpoint.update import update_endpoint as update
from dgsm_helpers.load.transport.recordings import bundled_recording
from dgsm_helpers.load.transport.sdk_transport import stream_recording
from dgsm_helpers.load.transport.spoken_answer import speak
from dgsm_helpers.load.transport.trace import lag_samples
from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.rules.sample import Recording

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from dgsm_helpers.aws.endpoint.deployment_plan import DeploymentPlan
    from dgsm_helpers.aws.endpoint.endpoint_state import OnProgress
    from dgsm_helpers.load.transport.trace import StreamTrace
    from dgsm_helpers.session import Workbook

__all__ = [
    "bundled_recording",
    "choose_pool",
    "deploy",
    "ensure",
    "lag_figure",
    "plan",
    "roll_back",
    "speak",
    "stream_recording",
    "transcribe_file",
    "update",
]


def choose_pool(wb: Workbook) -> PoolChoice:
    """The default pool of instance types without those whose quota is zero: one such type fails a whole deployment.

    Raises:
        QuotaExceeded: no type is left.
    """
    return without_zero_quota(wb)


def deploy(wb: Workbook, plan: DeploymentPlan, *, on_change: OnProgress | None = None) -> Deployment:
    """Make the endpoint and wait until it is ``InService``; an identical one is reused.

    Args:
        on_change: called with each change that SageMaker reports; ``print`` makes it a short log.

    Raises:
        SpendNotConfirmed: it would start billing, and the workbook was opened without ``confirm_spend=True``.
        InvalidInput: the endpoint exists with another configuration; the message lists the differences.
        QuotaExceeded: a type of the pool has no quota.
        DeployFailed: the package, the role or the container does not work; ``kind`` says which.
    """
    import_without_grammar()  # what follows in a notebook may be SageMaker's own SDK, which imports it with one
    on_progress = None if on_change is None else endpoint_state.on_change(on_change)
    return deployment.deploy(wb, plan, on_progress=on_progress)


def ensure(wb: Workbook) -> Deployment:
    """The endpoint of the default plan: reused when it is there and identical, deployed otherwise.

    Raises:
        SpendNotConfirmed: it has to be made, and the workbook was opened without ``confirm_spend=True``.
        DeployFailed: SageMaker could not start it.
    """
    return deploy(wb, plan(wb, choose_pool(wb).kept))


def transcribe_file(wb: Workbook, recording: Recording, **options: Any) -> str:
    """The transcript of a whole recording, by one ``InvokeEndpoint``.

    Args:
        recording: what is sent, as a WAV file.
        options: query parameters of Deepgram's ``/v1/listen``, such as ``punctuate=True``.
    """
    return invoke.transcript_of(invoke.transcribe_file(wb, recording.to_wav(), **options))


def lag_figure(trace: StreamTrace, *, origin: str, limit_ms: float | None = None) -> go.Figure:
    """Distribution of a stream's transcript lag: audio sent minus audio transcribed, in ms, from interim results.

    Args:
        origin: where the numbers come from; it stands below the title.
        limit_ms: a limit to compare with.
    """
    from dgsm_helpers.views.figures.timeline import lag_distribution

    return lag_distribution(1000 * lag_samples(trace).lag_s, origin=origin, limit_ms=limit_ms)
