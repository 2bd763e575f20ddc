"""CloudWatch of the embedded AWS: one region's, with its operations on dashboards."""

import json
import re
from operator import itemgetter
from typing import Any

from embedded_aws.clock import moment
from embedded_aws.cloudwatch.alarm_operations import AlarmOperations
from embedded_aws.cloudwatch.metric_operations import MetricOperations
from embedded_aws.cloudwatch.refusals import bad_token, bad_value, not_found
from embedded_aws.cloudwatch.region_watch import Dashboard
from embedded_aws.gateway.paging import one_page
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.gateway.regions import Params, Regions
from embedded_aws.listings import make_arn

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE = 1000


class CloudWatch(MetricOperations, AlarmOperations):
    """A region's CloudWatch: operations on metrics, alarms and dashboards, which nothing here draws."""

    def start_otel_enrichment(self, p: Params) -> dict[str, Any]:
        """Let metrics be asked for by PromQL; while it runs nothing changes."""
        if self.state.enrichment is None:
            self.state.enrichment = {**p, "CreatedAt": moment(self.state.now_s())}
        return self.state.enrichment

    def get_otel_enrichment(self, _: Params) -> dict[str, Any]:
        """Whether they can."""
        return (
            {"Status": "Stopped"} if self.state.enrichment is None else {"Status": "Running", **self.state.enrichment}
        )

    def stop_otel_enrichment(self, _: Params) -> dict[str, Any]:
        """Let them not be asked for by PromQL."""
        self.state.enrichment = None
        return {}

    def put_dashboard(self, p: Params) -> dict[str, Any]:
        """Make or replace a dashboard."""
        name, body = p["DashboardName"], p["DashboardBody"]
        if not _NAME.fullmatch(name):
            raise bad_value(
                f"The value {name} for field DashboardName contains invalid characters. It can only contain "
                "alphanumerics, dash (-) and underscore (_)."
            )
        try:
            valid = isinstance(json.loads(body), dict)
        except ValueError:
            valid = False
        if not valid:
            raise AwsRefusal("The field DashboardBody must be a valid JSON object", "InvalidParameterInput")
        self.state.dashboards[name] = Dashboard(name, body, self.state.now_s())
        return {"DashboardValidationMessages": []}

    def get_dashboard(self, p: Params) -> dict[str, Any]:
        """A dashboard as it was put."""
        name = p["DashboardName"]
        board = self.state.dashboards.get(name)
        if board is None:
            raise not_found(f"Dashboard {name} does not exist")
        return {"DashboardArn": _arn(self.state.region, name), "DashboardBody": board.body, "DashboardName": name}

    def list_dashboards(self, p: Params) -> dict[str, Any]:
        """Dashboards by the beginning of their names."""
        entries = [
            {
                "DashboardName": name,
                "DashboardArn": _arn(self.state.region, name),
                "LastModified": moment(board.modified_s),
                "Size": len(board.body),
            }
            for name, board in sorted(self.state.dashboards.items())
            if name.startswith(p.get("DashboardNamePrefix", ""))
        ]
        name = itemgetter("DashboardName")
        return one_page(entries, p, "DashboardEntries", size=_PAGE, refusal=bad_token(), key=name)

    def delete_dashboards(self, p: Params) -> dict[str, Any]:
        """Delete dashboards, all of them or none."""
        names = p["DashboardNames"]
        if unknown := [name for name in names if name not in self.state.dashboards]:
            raise not_found(f"The specified dashboard does not exist. [{', '.join(unknown)}]")
        for name in names:
            self.state.dashboards.pop(name, None)
        return {}


def _arn(region: str, name: str) -> str:
    return make_arn("cloudwatch", region, f"dashboard/{name}", of_region=False)


def evaluate_alarms(regions: Regions[CloudWatch], now_s: float) -> None:
    """Evaluate the alarms that are due in all regions."""
    for service in regions.made():
        service.state.alarms.evaluate(now_s)
