"""Metric math: its grammar. ``parse`` turns an expression into a tree, and refuses what is not in the supported subset.

Supported: numbers, ids, ``[a, b]``, ``+ - * / ^``, unary minus, comparisons, AND/OR (``&&``, ``||``), and the functions
in ``FUNCTIONS``. Everything else is a ValidationError that names it: an expression never turns into an empty answer.
Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from embedded_aws.cloudwatch.series_functions import OF_SERIES, SHAPES, TIMES
from embedded_aws.gateway.refusal import AwsRefusal

_REDUCING = ("AVG", "MAX", "MIN", "SUM")
_OTHERS = ("DATAPOINT_COUNT", "FILL", "FIRST", "IF", "LAST", "METRICS", "METRIC_COUNT", "PERIOD", "REMOVE_EMPTY")
_OF_ARRAYS = ("SLICE", "SORT", "TIME_SERIES")
FUNCTIONS = tuple(sorted((*SHAPES, *TIMES, *OF_SERIES, *_REDUCING, *_OTHERS, *_OF_ARRAYS)))
_REFUSED = {"STDDEV": "AWS does not say whether it is that of a sample or of the whole"}
ID = re.compile(r"[a-z][a-zA-Z0-9_]*")
_DEEPEST = 60
"""Nesting beyond this is refused rather than left to Python's recursion limit."""
_ARITY = {"FILL": (2, 2), "IF": (2, 3), "METRICS": (0, 1), "SLICE": (2, 3), "SORT": (3, 4)}
_KEYWORDS = {("FILL", 1): ("REPEAT", "LINEAR"), ("SORT", 1): _REDUCING, ("SORT", 2): ("ASC", "DESC")}
"""Words that a function takes as its argument of that index; SORT takes nothing else there."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]]))"
)
_SPELLED = {"AND": "&&", "OR": "||"}
_BINDS = {"||": 1, "&&": 2} | dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 3) | {"+": 4, "-": 4, "*": 5, "/": 5}
_MINUS_BINDS, _POWER_BINDS = 6, 7


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class QueryReference:
    """The result of another query."""

    id: str


@dataclass(frozen=True)
class Array:
    """``[a, b]``."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Operation:
    """``left sign right``; unary minus has a zero at its left."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class FunctionCall:
    """A function with its arguments.

    ``words`` are FILL's REPEAT or LINEAR, what SORT sorts by and in which direction, or the text of METRICS("…").
    """

    function: str
    arguments: tuple[Node, ...]
    words: tuple[str, ...] = ()


Node = Number | QueryReference | Array | Operation | FunctionCall


@lru_cache(maxsize=512)
def parse(expression: str) -> Node:
    """The tree of an expression.

    Raises:
        AwsRefusal: ValidationError, with the place and what is not understood or not supported.
    """
    parser = _Parser(expression)
    node = parser.expression(0)
    parser.expect_end()
    return node


def references(node: Node) -> set[str]:
    """The ids that an expression names."""
    return {part.id for part in _parts(node) if isinstance(part, QueryReference)}


def calls(node: Node, *functions: str) -> bool:
    """Whether one of the functions occurs in it."""
    return any(isinstance(part, FunctionCall) and part.function in functions for part in _parts(node))


def _parts(node: Node) -> Iterator[Node]:
    """The node and all beneath it."""
    yield node
    match node:
        case Array(items=nodes) | FunctionCall(arguments=nodes):
            for part in nodes:
                yield from _parts(part)
        case Operation(left=left, right=right):
            yield from _parts(left)
            yield from _parts(right)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._tokens = self._split()
        self._next = 0

    def expression(self, binding: int) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._refuse(f"more than {_DEEPEST} levels of nesting are not supported")
        left = self._operand()
        while True:
            kind, sign = self._peek()
            sign = _SPELLED.get(sign, sign)
            strength = _POWER_BINDS if sign == "^" and kind == "sign" else _BINDS.get(sign, 0)
            if strength <= binding or kind not in ("sign", "name"):
                break
            self._next += 1
            # A power binds to the right, the others to the left.
            left = Operation(sign, left, self.expression(strength - 1 if sign == "^" else strength))
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        kind, text = self._peek()
        if kind:
            raise self._refuse(f"unexpected {text}")

    def _operand(self) -> Node:
        kind, text = self._take()
        match kind, text:
            case "number", _:
                return Number(float(text))
            case "sign", "-":
                return Operation("-", Number(0.0), self.expression(_MINUS_BINDS))
            case "sign", "(":
                node = self.expression(0)
                self._expect(")")
                return node
            case "sign", "[":
                return Array(self._list("]"))
            case "name", _ if self._peek() == ("sign", "("):
                return self._call(text)
            case "name", _ if ID.fullmatch(text):
                return QueryReference(text)
            case "name", _:
                raise self._refuse(f"{text} is not supported here: ids begin with a lowercase letter")
        raise self._refuse(f"unexpected {text}" if kind else "it ends too early")

    def _call(self, function: str) -> Node:
        if function in _REFUSED:
            raise self._refuse(f"the function {function} is not supported: {_REFUSED[function]}")
        if function not in FUNCTIONS:
            raise self._refuse(f"the function {function} is not supported (supported: {', '.join(FUNCTIONS)})")
        self._next += 1
        words: list[str] = []
        if function == "METRICS" and self._peek()[0] == "text":
            words.append(self._take()[1][1:-1])
            if self._peek() != ("sign", ")"):
                raise self._refuse("METRICS takes one text")
        arguments: list[Node] = []
        while self._peek() != ("sign", ")"):
            index = len(arguments) + len(words)
            if index:
                self._expect(",")
            keywords = _KEYWORDS.get((function, index), ())
            if self._peek()[1] in keywords:
                words.append(self._take()[1])
            elif function == "SORT" and keywords:
                raise self._refuse(f"SORT takes {' or '.join(keywords)} there")
            else:
                arguments.append(self.expression(0))
        self._expect(")")
        least, most = _ARITY.get(function, (1, 1))
        count = len(arguments) + len(words)
        if not least <= count <= most or (function == "METRICS" and arguments):
            raise self._refuse(f"{function} does not take {count} argument(s) of this kind")
        if function == "PERIOD" and not isinstance(arguments[0], QueryReference):
            raise self._refuse("PERIOD takes the id of a metric")
        return FunctionCall(function, tuple(arguments), tuple(words))

    def _list(self, closing: str) -> tuple[Node, ...]:
        items = [self.expression(0)]
        while self._peek() == ("sign", ","):
            self._next += 1
            items.append(self.expression(0))
        self._expect(closing)
        return tuple(items)

    def _expect(self, sign: str) -> None:
        kind, text = self._take()
        if (kind, text) != ("sign", sign):
            raise self._refuse(f"expected {sign} instead of {text}" if kind else f"{sign} is missing at its end")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _split(self) -> list[tuple[str, str]]:
        tokens, at = [], 0
        text = self._text.rstrip()
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                raise self._refuse(f"{text[at:].strip()[:20]!r} is not supported")
            tokens.append((token.lastgroup or "", token[token.lastgroup or 0]))
            at = token.end()
        return tokens

    def _refuse(self, problem: str) -> AwsRefusal:
        return AwsRefusal(f"Error in expression '{self._text}': {problem}.")
