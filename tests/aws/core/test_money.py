"""Instance-hours and what they cost."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
from botocore.config import Config
from kit.call_counter import counted_calls

from dgsm_helpers.aws.core.money import cost_so_far, prices_of
from dgsm_helpers.prices import Price


def running(*changes: tuple[int, int]) -> pd.DataFrame:
    """(hour, running instances) as observe.instances tells them."""
    index = [datetime(2026, 11, 24, hour, tzinfo=UTC) for hour, _ in changes]
    return pd.DataFrame({"running_instances": [count for _, count in changes]}, index=pd.DatetimeIndex(index))


def test_cost_is_hours_times_price_and_a_range_where_types_differ():
    prices = (
        ("a", Price(amount_usd=1.0, source="AWS Price List", as_of="2026-09-27")),
        ("b", Price(amount_usd=2.0, source="AWS Price List", as_of="2026-09-27")),
    )
    history = running((8, 1), (10, 3), (11, 1), (13, 1))
    cost = cost_so_far(history, prices)
    assert (cost.instance_hours, cost.low_usd, cost.high_usd) == (7.0, 7.0, 14.0)
    assert cost.price_source == "AWS Price List, 2026-09-27"
    assert "$7.00 to $14.00" in str(cost)
    assert str(cost_so_far(history, prices[:1])).endswith("$7.00")


def test_an_unknown_price_is_no_price():
    unknown = (("a", Price(amount_usd=1.0, source="s")), ("b", Price(amount_usd=None, source="no offer")))
    cost = cost_so_far(running((8, 1), (9, 1)), unknown)
    assert (cost.low_usd, "price unknown" in str(cost)) == (None, True)


def test_without_types_nothing_is_claimed():
    assert cost_so_far(running((8, 1), (9, 1)), ()).amount == "price unknown (no price was asked for)"


def test_a_price_list_that_no_environment_reaches_is_asked_once_and_named_for_every_type(workbook, monkeypatch):
    """Case: a VPC without internet access, where it has no endpoint, and each attempt waits until it times out."""
    wb = workbook()
    config = wb.client("pricing").meta.config
    assert (config.connect_timeout, config.retries["total_max_attempts"]) == (10, 2)
    nowhere = wb.session.client(
        "pricing", endpoint_url="http://127.0.0.1:1", config=Config(retries={"max_attempts": 0})
    )
    monkeypatch.setitem(wb.clients._by_service, "pricing", nowhere)
    with counted_calls(wb) as counts:
        prices = prices_of(wb, ("ml.g6.2xlarge", "ml.g6e.2xlarge", "ml.g5.2xlarge"))
    assert counts["GetProducts"] == 1
    assert all(price.amount_usd is None and "could not be read" in price.source for _, price in prices)
