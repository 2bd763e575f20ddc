"""Metric math: generated expressions against values computed by hand, the guide's own tables, and refusals."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded_aws.cloudwatch.metric_store import MetricStore
from embedded_aws.cloudwatch.queries import queries_from_api
from embedded_aws.cloudwatch.query_run import QueryRun
from embedded_aws.gateway.refusal import AwsRefusal

NOW = 1_700_000_000.0 // 60 * 60
GRID = [NOW - 300 + 60 * i for i in range(5)]
GAP = None


def compute(expression, **rows):
    """The values of an expression over five minutes; None where there is no point."""
    [result] = results(expression, **rows)
    return [result.series.get(at) for at in GRID]


def results(expression, **rows):
    store = MetricStore(lambda: NOW)
    queries = [{"Id": "result", "Expression": expression}]
    for name, row in rows.items():
        for at, value in zip(GRID, row, strict=True):
            if value is not GAP:
                store.put("N", name, {}, timestamp_s=at, values=[value])
        metric = {"Namespace": "N", "MetricName": name}
        queries.append({"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False})
    parsed = queries_from_api(queries, where="MetricDataQueries")
    return QueryRun(store, parsed, start_s=GRID[0], end_s=NOW, now_s=NOW).results()


@st.composite
def expressions(draw, depth=3):
    """An expression as text, the same as a tree, and whether it is a series: built side by side."""
    kind = (
        draw(st.sampled_from(["number", "metric", "sign", "minus", "array", "IF", "FILL", "ABS"]))
        if depth
        else "metric"
    )
    if kind == "number":
        number = draw(st.integers(min_value=0, max_value=9))
        return str(number), float(number), False
    if kind == "metric":
        name = draw(st.sampled_from("abc"))
        return name, name, True
    inner = [draw(expressions(depth=depth - 1)) for _ in range({"sign": 2, "array": 2, "IF": 3}.get(kind, 1))]
    texts, trees = [text for text, _, _ in inner], [tree for _, tree, _ in inner]
    if kind == "sign":
        sign = draw(st.sampled_from(["+", "-", "*", "/", ">", "<=", "=="]))
        return f"({texts[0]} {sign} {texts[1]})", (sign, *trees), any(series for _, _, series in inner)
    if kind == "minus":
        return f"-({texts[0]})", ("-", 0.0, *trees), inner[0][2]
    # The others need series where CloudWatch takes no numbers: adding a metric makes one of any operand.
    name = draw(st.sampled_from("abc"))
    needed = 2 if kind == "array" else 1
    for i, (text, tree, series) in enumerate(inner[:needed]):
        if not series:
            texts[i], trees[i] = f"({text} + {name})", ("+", tree, name)
    if kind == "array":
        function = draw(st.sampled_from(["MAX", "MIN", "SUM", "AVG"]))
        return f"{function}([{texts[0]}, {texts[1]}])", (function, *trees), True
    arguments = ", ".join([*texts, "7"] if kind == "FILL" else texts)
    return f"{kind}({arguments})", (kind, *trees), True


def _by_hand(tree, values):
    """Value of a tree at one time (None: no point, NaN: no number there), and whether it is a series."""
    if isinstance(tree, float):
        return tree, False
    if isinstance(tree, str):
        return values[tree], True
    sign, *parts = tree
    operands = [_by_hand(part, values) for part in parts]
    found = [None if value is None or math.isnan(value) or math.isinf(value) else value for value, _ in operands]
    if sign == "FILL":
        return (7.0 if found[0] is None else found[0]), True
    if sign == "ABS":
        return (None if operands[0][0] is None else abs(operands[0][0])), True
    if sign == "IF":
        if found[0] is None:
            return None, True
        return (found[1] or 0.0 if found[0] else found[2]), True
    if sign in ("MAX", "MIN", "SUM", "AVG"):
        known = [value for value in found if value is not None]
        if not known:
            return None, True
        total = math.fsum(known)
        return {"MAX": max(known), "MIN": min(known), "SUM": total, "AVG": total / 2}[sign], True
    (x, x_series), (y, y_series) = operands
    if (x is None and (y is None or not y_series)) or (y is None and not x_series):
        return None, True
    return _arithmetic(sign, x or 0.0, y or 0.0), x_series or y_series


def _arithmetic(sign, x, y):
    if math.isnan(x) or math.isnan(y):
        return math.nan
    if sign == "/":
        return x / y if y else math.nan
    return float({"+": x + y, "-": x - y, "*": x * y, ">": x > y, "<=": x <= y, "==": x == y}[sign])


@settings(max_examples=500, deadline=None)
@given(
    generated=expressions().filter(lambda t: t[2]),
    rows=st.fixed_dictionaries(
        {name: st.lists(st.none() | st.integers(0, 40).map(lambda n: n / 4), min_size=5, max_size=5) for name in "abc"}
    ),
)
def test_generated_expressions_equal_values_computed_by_hand(generated, rows):
    expression, tree, _ = generated
    got = compute(expression, **rows)
    for i, value in enumerate(got):
        expected, _ = _by_hand(tree, {name: row[i] for name, row in rows.items()})
        if expected is None or math.isnan(expected) or math.isinf(expected):
            assert value is None
        else:
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # The guide's table for comparison and logical operators.
        ("(m1 < m2)", [0, 0, 1, 0, GAP]),
        ("m1 >= 30", [1, 0, 0, 0, GAP]),
        ("(m1 > 15 AND m2 > 15)", [1, 0, 0, 0, GAP]),
        ("m1 > 15 && m2 > 15 || m2 == 20", [1, 0, 1, 0, GAP]),
        # "Missing values in a time series are treated as 0."
        ("m1 + m2", [50, 20, 20, 0, GAP]),
        ("m1 / m2", [1.5, GAP, 0, GAP, GAP]),
        ("m1 / m2 > 1", [1, GAP, 0, GAP, GAP]),
        ("IF(m1 / m2, 1, 2)", [1, GAP, 2, GAP, GAP]),
        ("AVG([m1, m2])", [25, 10, 10, 0, GAP]),
        ("MIN([m1, m2])", [20, 20, 0, 0, GAP]),
        ("2 ^ 3 ^ 2 - m1", [482, 492, 512, 512, GAP]),
        ("-m1 ^ 2", [-900, -400, 0, 0, GAP]),
        ("10 - 4 - m1 / 2 / 5", [3, 4, 6, 6, GAP]),
    ],
)
def test_operators_follow_the_guide(expression, expected):
    assert compute(expression, m1=[30, 20, 0, 0, GAP], m2=[20, GAP, 20, GAP, GAP]) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IF(m1, m2, m3)", [30, 0, 20, GAP, GAP]),
        ("IF(m1, 5, m3)", [5, 5, 20, GAP, GAP]),
        ("IF(m1, m2, 5)", [30, 0, 5, 5, GAP]),
        ("IF(m1, m2)", [30, 0, GAP, GAP, GAP]),
        ("IF(1, m2, m3)", [30, GAP, 0, 0, 30]),
        ("IF(0, m2, m3)", [0, 0, 20, GAP, 20]),
        ("IF(0, m2)", [GAP] * 5),
        ("IF(m1 > 0, 10, 2)", [10, 10, 2, 2, GAP]),
    ],
)
def test_if_follows_the_tables_of_the_guide(expression, expected):
    rows = {"m1": [1, 1, 0, 0, GAP], "m2": [30, GAP, 0, 0, 30], "m3": [0, 0, 20, GAP, 20]}
    assert compute(expression, **rows) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FILL(m1, 0)", [0, 4, 0, 0, 10]),
        ("FILL(m1, REPEAT)", [GAP, 4, 4, 4, 10]),
        ("FILL(m1, LINEAR)", [GAP, 4, 6, 8, 10]),
        ("FILL(m1, m2)", [1, 4, 3, 4, 10]),
        ("FILL(m1, MIN(m1))", [4, 4, 4, 4, 10]),
        ("FILL(m1 / 0, 9)", [9, 9, 9, 9, 9]),
        ("m1 - AVG(m1)", [GAP, -3, GAP, GAP, 3]),
        ("SUM(FILL([m1, m2], 0))", [1, 6, 3, 4, 15]),
        ("SUM(METRICS())", [1, 6, 3, 4, 15]),
        ('SUM(METRICS("m2")) * 10', [10, 20, 30, 40, 50]),
        ("CEIL(m2 / 2) + FLOOR(m2 / 2)", [1, 2, 3, 4, 5]),
    ],
)
def test_fill_and_reductions(expression, expected):
    assert compute(expression, m1=[GAP, 4, GAP, GAP, 10], m2=[1, 2, 3, 4, 5]) == expected


@pytest.mark.parametrize(
    ("expression", "both", "fallback_empty"),
    [
        ("(a/20 + b/8) / 2", [0.725, 0.775, 0.8875], [0.35, 0.4, 0.45]),
        ("(FILL(a,0)/20 + FILL(b,0)/8) / 2", [0.725, 0.775, 0.8875], [0.35, 0.4, 0.45]),
        ("MAX([FILL(a,0)/20, FILL(b,0)/8])", [0.75, 0.8, 0.9], [0.7, 0.8, 0.9]),
    ],
)
def test_the_weighted_fleet_formulas(expression, both, fallback_empty):
    busy, none = [GAP, GAP, 14, 16, 18], [GAP] * 5
    assert compute(expression, a=busy, b=[GAP, GAP, 6, 6, 7])[2:] == pytest.approx(both)
    assert compute(expression, a=busy, b=none)[2:] == pytest.approx(fallback_empty)


def test_an_array_as_result_is_one_series_for_each_metric():
    found = results("METRICS() * 2", m1=[1, 2, 3, 4, 5], m2=[GAP] * 5)
    assert [(r.label, list(r.series.values())) for r in found] == [("result m1", [2, 4, 6, 8, 10]), ("result m2", [])]


def test_periods_that_have_not_begun_are_not_filled_and_points_in_them_are_kept():
    store = MetricStore(lambda: NOW - 90)
    store.put("N", "m1", {}, timestamp_s=NOW + 60, values=[3.0])
    metric = {"Metric": {"Namespace": "N", "MetricName": "m1"}, "Period": 60, "Stat": "Sum"}
    given = [{"Id": "m1", "MetricStat": metric, "ReturnData": False}, {"Id": "e", "Expression": "FILL(m1, 0)"}]
    parsed = queries_from_api(given, where="MetricDataQueries")
    [result] = QueryRun(store, parsed, start_s=NOW - 300, end_s=NOW + 3600, now_s=NOW - 90).results()
    assert result.series == dict.fromkeys(GRID[:4], 0.0) | {NOW + 60: 3.0}


def test_a_fill_over_years_is_bounded_by_what_is_kept():
    store = MetricStore(lambda: NOW)
    metric = {"Metric": {"Namespace": "N", "MetricName": "m1"}, "Period": 1, "Stat": "Sum"}
    given = [{"Id": "m1", "MetricStat": metric, "ReturnData": False}, {"Id": "e", "Expression": "FILL(m1, 0)"}]
    parsed = queries_from_api(given, where="MetricDataQueries")
    [result] = QueryRun(store, parsed, start_s=0.0, end_s=NOW, now_s=NOW).results()
    assert len(result.series) == 3 * 3600


def test_sums_too_large_are_dropped():
    assert compute("SUM([m1 ^ 512, m1 ^ 512])", m1=[4, 3.99, 1, 0, GAP]) == [
        GAP,
        pytest.approx(2 * 3.99**512),
        2,
        0,
        GAP,
    ]


def test_dropped_points_are_remarked_on():
    [result] = results("m1 / 0", m1=[1, 2, 3, 4, 5])
    assert result.series == {}
    assert result.messages[0][0] == "ArithmeticError"


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("ANOMALY_DETECTION_BAND(m1)", "function ANOMALY_DETECTION_BAND is not supported"),
        ("SEARCH('{N}', 'Sum', 60)", "function SEARCH is not supported"),
        ("max(m1)", "function max is not supported"),
        ("SELECT AVG(x) FROM y", "Metrics Insights"),
        ("m1 % 2", "'% 2' is not supported"),
        ("m1.real", "'.real' is not supported"),
        ("__import__", "not supported"),
        ("M1 + 1", "lowercase"),
        ("m9 + 1", "undefined id m9"),
        ("result + 1", "refers to itself"),
        ("m1 +", "ends too early"),
        ("(m1", "missing at its end"),
        ("m1 m1", "unexpected m1"),
        ("m1)", "unexpected )"),
        ("[]", "unexpected ]"),
        ("", "ends too early"),
        ("MAX(m1)", "result is a number"),
        ("5", "result is a number"),
        ("MAX([m1, 5])", "numbers in it are not supported"),
        ("MAX(5)", "not a number"),
        ("FILL(m1)", "FILL does not take 1"),
        ("FILL(m1, ZERO)", "lowercase"),
        ("FILL(3, m1)", "not a number"),
        ("IF(m1)", "IF does not take 1"),
        ("IF(1, 2, m1)", "time series"),
        ("IF([m1], 1, 2)", "not arrays"),
        ("[m1] + [m1]", "two arrays"),
        ("METRICS(m1)", "METRICS does not take"),
        ("(" * 500 + "m1" + ")" * 500, "nesting"),
        ("-" * 1000 + "m1", "nesting"),
        ("1 > 2 > ", "ends too early"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(expression, problem):
    with pytest.raises(AwsRefusal) as refused:
        results(expression, m1=[1, 2, 3, 4, 5])
    assert refused.value.code == "ValidationException"
    assert problem in refused.value.message


def test_an_expression_cannot_have_a_period_of_its_own():
    with pytest.raises(AwsRefusal, match="Period other than"):
        queries_from_api([{"Id": "e", "Expression": "METRICS()", "Period": 60}], where="MetricDataQueries")


@settings(deadline=None)
@given(st.text(alphabet="abm1 +-*/^()[],<>=!&|.\"'IFMAXSUMRETLN", max_size=40))
def test_any_text_gives_a_series_or_a_validation_error(text):
    try:
        results(text, m1=[1, 2, GAP, 4, 5])
    except AwsRefusal as refused:
        assert refused.code == "ValidationException"
