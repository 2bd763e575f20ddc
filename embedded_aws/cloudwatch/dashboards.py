"""Dashboards of one region: kept and given back, as nothing here draws them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core.exceptions import ServiceException

from embedded_aws.cloudwatch import pages
from embedded_aws.cloudwatch.refusals import bad_value, not_found
from embedded_aws.listings import ACCOUNT_ID

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE = 1000


@dataclass(frozen=True)
class _Dashboard:
    name: str
    body: str
    modified_s: float

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudwatch::{ACCOUNT_ID}:dashboard/{self.name}"


class DashboardCalls:
    """Answers the operations on dashboards; parameters are as boto3 takes them."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._by_name: dict[str, _Dashboard] = {}

    def put_dashboard(self, p: Mapping[str, Any]) -> dict[str, Any]:
        name, body = p["DashboardName"], p["DashboardBody"]
        if not _NAME.fullmatch(name):
            raise bad_value(f"The value {name} for field DashboardName contains invalid characters.")
        try:
            valid = isinstance(json.loads(body), dict)
        except ValueError:
            valid = False
        if not valid:
            raise ServiceException("InvalidParameterInput", "The field DashboardBody must be a valid JSON object")
        self._by_name[name] = _Dashboard(name, body, self._now_s())
        return {"DashboardValidationMessages": []}

    def get_dashboard(self, p: Mapping[str, Any]) -> dict[str, Any]:
        name = p["DashboardName"]
        found = self._by_name.get(name)
        if found is None:
            raise not_found(f"Dashboard {name} does not exist")
        return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": name}

    def list_dashboards(self, p: Mapping[str, Any]) -> dict[str, Any]:
        prefix = p.get("DashboardNamePrefix", "")
        found = [board for name, board in sorted(self._by_name.items()) if name.startswith(prefix)]
        shown, more = pages.page(found, p.get("NextToken"), size=_PAGE, key=lambda board: board.name)
        entries = [
            {
                "DashboardName": board.name,
                "DashboardArn": board.arn,
                "LastModified": datetime.fromtimestamp(board.modified_s, UTC),
                "Size": len(board.body),
            }
            for board in shown
        ]
        return {"DashboardEntries": entries} | more

    def delete_dashboards(self, p: Mapping[str, Any]) -> dict[str, Any]:
        names = p["DashboardNames"]
        if unknown := [name for name in names if name not in self._by_name]:
            raise not_found(f"The specified dashboard does not exist. [{', '.join(unknown)}]")
        for name in names:
            self._by_name.pop(name, None)
        return {}
