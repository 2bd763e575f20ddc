"""The events of traffic one by one, as the planner is to play them."""

from __future__ import annotations

import numpy as np

from dgsm_helpers.simulate.events import Events


def begins_and_ends(events: Events) -> list[tuple[float, bool, int]]:
    """When, whether it begins, and which stream, in order of time; ends come first at the same moment."""
    begins = [(at_s, True, stream) for stream, at_s in enumerate(events.starts_s.tolist())]
    ends = [(events.ends_s.item(stream), False, stream) for stream in events.ending.tolist()]
    assert np.array_equal(events.bounds[-1], (len(begins), len(ends)))
    return sorted(begins + ends, key=lambda event: event[:2])
