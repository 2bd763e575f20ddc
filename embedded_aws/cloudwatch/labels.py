"""Labels of GetMetricData: ``${…}`` in them is replaced by what CloudWatch knows of the series.

Supported are ``PROP('…')`` and FIRST, LAST, MIN, MAX, AVG, SUM of the series; the rest of CloudWatch's list is refused.
Source: CloudWatch user guide, "Use dynamic labels".
"""

import re

from embedded_aws.cloudwatch.queries import MetricStat
from embedded_aws.cloudwatch.query_run import Result
from embedded_aws.cloudwatch.series_functions import Series, reduction
from embedded_aws.gateway.refusal import AwsRefusal
from embedded_aws.listings import ACCOUNT_ID

_HOLE = re.compile(r"\$\{([^}]*)\}")
_PROP = re.compile(r"PROP\('([^']+)'\)")
_STATISTICS = ("AVG", "FIRST", "LAST", "MAX", "MIN", "SUM")


def label(result: Result, *, region: str) -> str:
    """The label of a result. Raises AwsRefusal: ValidationError, naming what is not supported in it."""
    return _HOLE.sub(lambda hole: _filling(hole[1].strip(), result, region), result.label)


def _filling(content: str, result: Result, region: str) -> str:
    if content in _STATISTICS:
        return _statistic(content, result.series)
    prop = _PROP.fullmatch(content)
    stat = result.query.metric
    if prop is None:
        raise AwsRefusal(f"The dynamic label ${{{content}}} is not supported: use PROP('…'), {', '.join(_STATISTICS)}.")
    if prop[1] in ("AccountId", "Region"):
        return ACCOUNT_ID if prop[1] == "AccountId" else region
    return _property(prop[1], stat) if stat else ""


def _statistic(name: str, series: Series) -> str:
    points = [value for _, value in sorted(series.items())]
    if not points:
        return "--"
    ends = {"FIRST": points[0], "LAST": points[-1]}
    return f"{ends[name] if name in ends else reduction(name, points):g}"


def _property(name: str, stat: MetricStat) -> str:
    if name.startswith("Dim."):
        return dict(stat.dimensions).get(name.removeprefix("Dim."), "")
    known = {"MetricName": stat.name, "Namespace": stat.namespace, "Period": str(stat.period_s), "Stat": stat.stat}
    if name not in known:
        raise AwsRefusal(f"The dynamic label ${{PROP('{name}')}} is not supported.")
    return known[name]
