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

    def count(model: Any, **_: Any) -> None:
        counts[model.name] += 1

    for events in emitters(wb):
        events.register("before-call", count, unique_id="counted-calls")
    try:
        yield counts
    finally:
        for events in emitters(wb):
            events.unregister("before-call", unique_id="counted-calls")


def emitters(wb: Workbook) -> list[Any]:
    """Of its clients, and of its session, which hands its handlers to the clients that are made later."""
    return [wb.clients.session.events, *(client.meta.events for client in wb.clients._by_service.values())]
