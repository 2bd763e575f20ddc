"""Counts the requests that a workbook's boto3 clients send, by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dgsm_helpers.session import Workbook


@contextmanager
def counted_calls(wb: Workbook) -> Iterator[Counter[str]]:
    """Within it the counter holds how often each operation (``DescribeEndpoint``) was sent; every page is one.

    Clients that the workbook makes within it count too, retries do not.
    """
    counts: Counter[str] = Counter()
    events = wb.clients.session.events
    made = dict(wb.clients._by_service)

    def count(model: Any, **_: Any) -> None:
        counts[model.name] += 1

    # A session hands its handlers to the clients that are made later; those there are have handlers of their own.
    listened = [events, *(client.meta.events for client in made.values())]
    for emitter in listened:
        emitter.register("before-call", count, unique_id="counted-calls")
    try:
        yield counts
    finally:
        for emitter in [*listened, *(c.meta.events for name, c in wb.clients._by_service.items() if name not in made)]:
            emitter.unregister("before-call", unique_id="counted-calls")
