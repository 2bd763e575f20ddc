"""One offline page about an endpoint, fit to be sent: set-up, evidence of capacity, its story, doctor, alarms, cost.

Everything is asked once (:func:`gather`); the page (``report_page``) is a pure function of the answers.
"""

from datetime import timedelta
from functools import cache, partial
from pathlib import Path

from dgsm_helpers.aws.core.money import price_per_hour
from dgsm_helpers.aws.doctor import examine
from dgsm_helpers.aws.doctor.gather import gather as read_snapshot
from dgsm_helpers.aws.watch import observe
from dgsm_helpers.aws.watch.metrics import read_metrics
from dgsm_helpers.aws.watch.retention import looked_back
from dgsm_helpers.load.transport.held_calls import CallsHeld
from dgsm_helpers.rules.names import alarm_prefix
from dgsm_helpers.session import Workbook
from dgsm_helpers.views.pages.report_page import ReportData, page
from dgsm_helpers.wire.whole_file import write_whole

WINDOW_S = 3 * 3600.0 - 120.0
"""Ten-second data is kept for three hours (two minutes spare for asking); a longer timeline is drawn from minutes."""


def write_report(wb: Workbook, out: Path, *, last_s: float = WINDOW_S, calls: CallsHeld | None = None) -> Path:
    """Write the page about the workbook's endpoint as it is now (5 MB, most of it plotly.js).

    Args:
        last_s: seconds of the timeline, up to now.
        calls: that were held meanwhile: how far their text was behind, and one of them to be heard.

    Raises:
        NotFound: no such endpoint or variant.
        UnsupportedFeature: it is of a kind that has no instances of its own. Others as AWS answers.
    """
    text = page(gather(wb, last_s=last_s, calls=calls))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, text)
    return out


def gather(wb: Workbook, *, last_s: float = WINDOW_S, calls: CallsHeld | None = None) -> ReportData:
    """Ask once for everything that the page shows."""
    window = looked_back(last_s)
    activities = cache(partial(observe.read_activities, wb))
    snapshot = read_snapshot(wb, examine.Expected(), activities=activities)
    snapshot.kind.require_supported()
    types = snapshot.variant.instance_types
    prices = tuple((name, snapshot.prices.get(name) or price_per_hour(wb, name)) for name in types)
    now = wb.now()
    start = max(now - window, snapshot.endpoint.created or now - timedelta(days=365))
    frame = observe.activity_frame(activities())
    variant = snapshot.endpoint.variant(wb.variant_name)
    states = sorted((a.state for a in snapshot.alarms.values()), key=lambda state: (state.side, state.name))
    operator_prefix = alarm_prefix(wb.endpoint_name)
    return ReportData(
        place=wb.place_in_full,
        snapshot=snapshot,
        diagnosis=examine.diagnose(snapshot),
        metrics=read_metrics(wb, start=start, frames=("concurrency",)),
        running=observe.history(frame, snapshot.endpoint, variant, snapshot.variant.initial_count, now=now),
        activities=frame,
        policy_alarms=tuple(s for s in states if not s.name.startswith(operator_prefix)),
        own_alarms=tuple(s for s in states if s.name.startswith(operator_prefix)),
        prices=prices,
        calls=calls,
    )
