"""What the report says for those who pay: how it opens, a call to listen to, and what policies would do."""

from collections.abc import Sequence

import pandas as pd

from dgsm_helpers.aws.doctor import examine
from dgsm_helpers.aws.doctor.snapshot import Snapshot
from dgsm_helpers.aws.watch.observe import counts_at
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.load.transport.call_record import CallRecord
from dgsm_helpers.load.transport.heard_recording import player_html
from dgsm_helpers.load.transport.held_calls import CallsHeld
from dgsm_helpers.planning.comparing import PlanStudy
from dgsm_helpers.planning.frames import PolicyTable
from dgsm_helpers.planning.measured import Measured
from dgsm_helpers.planning.sources import STREAM_S
from dgsm_helpers.prices import Price
from dgsm_helpers.rules.foreign_text import in_html
from dgsm_helpers.rules.model import ScalingModel
from dgsm_helpers.simulate.conditions import Capacity
from dgsm_helpers.simulate.replay import replay, series_of
from dgsm_helpers.simulate.sweep import recommend
from dgsm_helpers.views.scaling_story import ScalingStory


def opening(s: Snapshot, diagnosis: examine.Diagnosis, story: ScalingStory | None, calls: CallsHeld | None) -> str:
    """What it comes to: how it scaled, what became of the calls, and what is to be mended first."""
    told = (
        story.sentence
        if story
        else f"It did not have to scale out in this time; it has {s.running} instance{'s' * (s.running != 1)}."
    )
    if calls and calls.calls:
        lost, of = calls.words_lost, f"{calls.calls} call{'s' * (calls.calls != 1)}"
        told += f" {lost} words of {of} were lost." if lost else f" No word of {of} was lost."
    stops = [f.rule for f in diagnosis.findings if f.verdict is examine.RuleVerdict.STOP]
    return told + (f" To be mended first: {', '.join(stops)} (see the doctor)." if stops else "")


def call(record: CallRecord | None) -> str:
    """A call to listen to, with its words as captions; nothing where none is known."""
    if record is None:
        return ""
    count, changes = record.against_sample(), len(record.hand_overs)
    told = (
        f"A call of {record.call_s:.0f} s, handed over {changes} time{'s' * (changes != 1)} to another instance; "
        f"of its {count.said} words {count.lost or 'none'} {'is' if count.lost == 1 else 'are'} missing."
    )
    return f"<p>{in_html(told)}</p><div>{player_html(record.sound, record.captions)}</div>"


def plan(s: Snapshot, concurrency: pd.Series, running: pd.DataFrame, prices: Sequence[tuple[str, Price]]) -> str:
    """What the usual policies would have made of this time's calls; nothing where knee, price or calls are not known.

    CloudWatch does not tell how long calls last: `STREAM_S` is taken.

    Args:
        concurrency: the mean of the instances, by time.
        running: ``running_instances`` by time, each count valid until the next.
    """
    streams = concurrency.fillna(0.0)
    if s.evidence is None or s.knee is None or not prices or not streams.any():
        return ""
    counts = counts_at(running, streams.index).reindex(streams.index)
    instance_type, price = prices[0]
    capacity, unit = Capacity(knee=s.knee), s.evidence["unit"]
    instance = Measured(capacity=capacity, instance_type=instance_type, source="measured", price=price, unit=unit)
    try:
        times = [time.timestamp() for time in streams.index]
        study = PlanStudy(
            replay(series_of(times, (streams * counts).tolist()), mean_s=STREAM_S), instance, ScalingModel()
        )
        study.play_presets()
        choice = recommend(study.outcomes)
    except DgsmError as error:
        return f"<p>{in_html(error.message)}</p>"
    told = (
        f"Of these: {choice.best.plan.name}. {choice.reason} Calls are taken to last {STREAM_S:g} s on average, which "
        "CloudWatch does not tell."
    )
    table = PolicyTable(study.played, study.model.statistic, study.other_statistic)
    return f"<p>{in_html(told)}</p><div>{table._repr_html_()}</div>"
