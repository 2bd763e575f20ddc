"""An instance with live streams that is taken away by hand, below the registered minimum."""

from typing import Any

from dgsm_helpers.aws.endpoint.desired_count import set_desired
from dgsm_helpers.aws.scaling import registration
from dgsm_helpers.load.transport.trace import Ending, StreamTrace
from dgsm_helpers.recording.ground import MOST_INSTANCES, Ground, Observed

_EACH = 2
"""Streams on each of two instances."""
_SET_S = 60.0
"""After a registration, until its bounds have acted."""
_SIGKILL_S = 300.0
"""How long live streams are watched."""
_BOUNDS_S = 300.0
"""How long a count below the minimum is watched: AWS acts within seconds where it acts."""


def removal(ground: Ground) -> Observed:
    """What streams see of it and when, whether new ones still reach it, and whether the minimum brings it back."""
    wb = ground.wb
    ground.at(2)
    registration.remove(wb)  # with its policy: nothing but the bounds is to act
    registration.register(wb, 2, MOST_INSTANCES)
    wb.sleep(_SET_S)
    with ground.streams(0) as load:
        ground.spread(load, 2 * _EACH)
        set_desired(wb, 1)
        asked_s = wb.now_s()
        load.set(4 * _EACH)

        def cut() -> list[StreamTrace]:
            return [trace for trace in load.traces if trace.ending in (Ending.ERROR, Ending.DROPPED)]

        traces = ground.until(cut, at_most_s=_SIGKILL_S)
        after_s = wb.now_s() - asked_s
        wb.sleep(10)
        traces = cut()
    values: dict[str, Any] = {}
    seen = f"no stream was cut in {after_s:.0f} s"
    if traces:
        first = traces[0]
        values["sigkill_after_s"] = after_s
        values["cut_stream_sees"] = _ending(first)
        late = [trace for trace in traces if int(trace.label.rpartition("-")[2]) > 2 * _EACH]
        values["routed_until"] = "SIGKILL" if late else "SIGTERM"
        error = f" ({first.error.code})" if first.error else ""
        seen = f"the first stream was cut after {after_s:.0f} s, {first.ending}{error}; of the new ones {len(late)}"
    ground.settled()
    below = ground.running
    back = ground.until(lambda: ground.desired >= 2, at_most_s=_BOUNDS_S)
    values["bounds_act"] = "always" if back else "when set"
    return Observed(values=values, seen=f"{seen}; {below} instance at minimum 2: {ground.desired} asked for later")


def _ending(trace: StreamTrace) -> str:
    """As `ScalingModel.cut_stream_sees` says it."""
    if trace.ending is Ending.ERROR:
        return "exception"
    return "clean-end" if trace.error and trace.error.code == "ConnectionDropped" else "reset"
