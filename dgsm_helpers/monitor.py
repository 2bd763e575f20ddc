"""Step 4, ``04_monitor``: load that scales the endpoint, and everything there is to see of it.

Load: `Load` holds real-time streams in the background, `file_load` sends whole files beside them, `LoadControl` adds
and drops streams by hand, `Live` shows the endpoint meanwhile.

Afterwards: `observe` reads metrics, instances, alarms and activities once, and draws them.

Logs: `log_tail` reads the newest lines and explains those it knows.

Judging: `examine` is the doctor; `put_alarms` makes the operators' alarms and dashboard, `remove_alarms` takes them
away; `write_report` writes one offline page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import TYPE_CHECKING

from dgsm_helpers import state
from dgsm_helpers.aws.account import operator_alarms
from dgsm_helpers.aws.account.operator_alarms import remove as remove_alarms
from dgsm_helpers.aws.core.money import fleet_usd_per_hour, prices_of
from dgsm_helpers.aws.doctor import examine as doctor
from dgsm_helpers.aws.doctor.data_path_findings import diagnose_path
from dgsm_helpers.aws.doctor.snapshot import Expected
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.invoke import file_sender, spoken_body
from dgsm_helpers.aws.watch import observe as observing
from dgsm_helpers.aws.watch.logs import tail as log_tail
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.background_load import Load
from dgsm_helpers.load.transport.conversation import TEXTS
from dgsm_helpers.load.transport.data_path import follow
from dgsm_helpers.load.transport.file_load import FileLoad
from dgsm_helpers.load.transport.held_calls import CallsHeld
from dgsm_helpers.load.transport.query import Query
from dgsm_helpers.load.transport.recordings import bundled_recording
from dgsm_helpers.views.feed import origin_of
from dgsm_helpers.views.pages.report import write_report
from dgsm_helpers.views.scaling_story import ScalingStory
from dgsm_helpers.views.widgets.live_view import Live
from dgsm_helpers.views.widgets.load_control import LoadControl

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from dgsm_helpers.session import Workbook

__all__ = [
    "Live",
    "Load",
    "LoadControl",
    "examine",
    "file_load",
    "log_tail",
    "observe",
    "put_alarms",
    "remove_alarms",
    "write_report",
]


@dataclass(frozen=True)
class Observation:
    """What an endpoint showed since ``began``, read from AWS once.

    Attributes:
        concurrency: streams per instance, every 10 s: mean, least and most.
        traffic: per minute: invocations, errors, first-chunk and model latency in ms.
        instances: desired and running instances at each change since the endpoint was made.
        activities: scaling activities since ``began``, oldest first, those that AWS decided against included.
        alarms: the two alarms of the policy, by side.
        story: the activities in AWS's own words.
        origin: where the numbers come from.
        usd_per_hour: list price of one instance of those that run; None where it is not known.
        knee: streams that one instance sustains; None where that was not measured.
    """

    began: datetime
    concurrency: pd.DataFrame
    traffic: pd.DataFrame
    instances: pd.DataFrame
    activities: pd.DataFrame
    alarms: pd.DataFrame
    story: str
    origin: str
    usd_per_hour: float | None = None
    knee: int | None = None

    @property
    def running_instances(self) -> pd.Series:
        """Running instances at each change since ``began``."""
        return self.instances.running_instances[self.instances.index >= self.began]

    def timeline(self, target_value: float, calls: CallsHeld | None = None) -> go.Figure:
        """Calls per instance against the target, instances and activities over time; the lag of ``calls``, if given."""
        from dgsm_helpers.views.figures.timeline import timeline

        drawn = (self.concurrency, self.instances, self.activities)
        lag_p95_ms = calls.lag_p95_ms if calls else ()
        return timeline(*drawn, target_value=target_value, origin=self.origin, lag_p95_ms=lag_p95_ms)

    def scaling(
        self, target_value: float, calls: CallsHeld | None = None, lag_before_ms: float | None = None
    ) -> ScalingStory | None:
        """What scaling did, before, at the peak and after, and what none would do; None where it did not scale out."""
        return ScalingStory.of(
            self.concurrency,
            self.instances,
            target_value=target_value,
            lag_p95_ms=calls.lag_p95_ms if calls else (),
            lag_before_ms=lag_before_ms,
            usd_per_hour=self.usd_per_hour,
            knee=self.knee,
        )

    def first_chunk_latency(self) -> go.Figure:
        """Time to the first answer of a stream, one sample per stream."""
        from dgsm_helpers.views.figures.timeline import first_chunk_latency

        return first_chunk_latency(self.traffic, origin=self.origin)


def observe(wb: Workbook, began: datetime) -> Observation:
    """Read what the endpoint showed since ``began``.

    Raises:
        NotFound: there is no such endpoint.
    """
    metrics = read_metrics(wb, began)
    activities = observing.activities(wb)
    counts = endpoint_state.status(wb).variant(wb.variant_name).instances_by_type
    usd_per_hour = fleet_usd_per_hour(dict(prices_of(wb, counts)), counts)
    measured = state.newest(wb)
    return Observation(
        began=began,
        concurrency=metrics.concurrency,
        traffic=metrics.traffic,
        instances=observing.instances(wb),
        activities=activities[activities.started >= began],
        alarms=observing.alarms(wb).set_index("side"),
        story=observing.story(wb),
        origin=origin_of(wb),
        usd_per_hour=usd_per_hour and usd_per_hour / sum(counts.values()),
        knee=measured["feasible_max"] if measured else None,
    )


def put_alarms(wb: Workbook, target_value: float, *, sns_topic_arn: str | None = None) -> operator_alarms.AlarmChanges:
    """The alarms and the dashboard that Deepgram's manual recommends, made or brought up to date.

    Their thresholds follow from what one instance sustains: the newest measurement, or without one the guide's rule
    read backwards, by which the target is about 75 % of it.

    Args:
        target_value: of the policy; counts only while nothing has been measured.
        sns_topic_arn: who is told; None: nobody.
    """
    knee = None if state.newest(wb) else ceil(target_value / 0.75)
    return operator_alarms.put(wb, knee=knee, sns_topic_arn=sns_topic_arn)


def examine(
    wb: Workbook,
    *,
    peak_streams: float | None = None,
    growth_per_min: float | None = None,
    stream_s: float | None = None,
    data_path: bool = False,
) -> doctor.Diagnosis:
    """What is wrong with the endpoint's configuration, or with the way to it; changes nothing.

    Args:
        peak_streams: the most streams at once that you expect; default: the most that CloudWatch saw.
        growth_per_min: new streams a minute, net, in the steepest rise; default: likewise.
        stream_s: how long a stream typically lasts; default: likewise.
        data_path: look at the way of a stream instead, in at most ten seconds: name, port, proxy, certificate, HTTP/2,
            credentials, then one stream with a fifth of a second of silence, which the listing may count as a second
            of audio. `Load` and ``tune.tune`` look at the same before their first stream on AWS.
    """
    if data_path:
        path = follow(wb)
        return diagnose_path(wb, path.steps, within_s=path.left_s)
    return doctor.examine(wb, Expected(peak_streams, growth_per_min, stream_s))


def file_load(wb: Workbook) -> FileLoad:
    """Callers that send the bundled recording as a file, or have a text spoken, again and again: an ``InvokeEndpoint``
    counts as a stream does.

    ``set(n)`` keeps ``n`` requests in flight, ``stop()`` ends it and returns a trace of each.

    Raises:
        InvalidInput: the model takes streams only.
    """
    family, query = wb.family, Query(wb.family)
    if not family.protocol.file_parameters:
        raise InvalidInput(f"{family.title} takes streams only, no whole files.", hint="Hold streams (monitor.Load).")
    if family.speaks:
        body, kind = spoken_body(TEXTS[1]), "application/json"
        send = file_sender(wb, body, path=query.path, content_type=kind, **query.asked())
        return FileLoad(send, characters=len(TEXTS[1]))
    recording = bundled_recording()
    send = file_sender(wb, recording.to_wav(), path=query.path, **query.asked())
    return FileLoad(send, audio_s=recording.duration_s)
