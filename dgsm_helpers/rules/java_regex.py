r"""AWS's patterns as Python's ``re`` can run them.

The service models hold Java expressions. Where they differ from Python's: ``\p{L}`` and its kin (Unicode categories and
POSIX classes), ``\d \w \s`` are ASCII, characters beyond the basic plane are written as surrogate pairs, and a ``-``
after a class escape is itself. What Python cannot express even then is not checked: ``compiled`` returns None for it.
"""

import re
import sys
import unicodedata
import warnings
from functools import lru_cache

_POSIX = {
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "ASCII": r"\x00-\x7F",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1F\x7F",
    "Digit": "0-9",
    "Graph": r"\x21-\x7E",
    "Lower": "a-z",
    "Print": r"\x20-\x7E",
    "Punct": r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
    "Space": r" \t\n\x0B\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}
_ALL_SUPPLEMENTARY = r"\uD800\uDC00-\uDBFF\uDFFF"
_TOKEN = re.compile(r"\\p\{(?P<property>\w+)\}|\\u(?P<hex>[0-9A-Fa-f]{4})|\\.|.", re.DOTALL)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern for ``fullmatch`` (AWS matches whole values), or None when Python cannot express it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # a Java set operation Python would read as plain characters
        try:
            return re.compile(translated(pattern), re.ASCII)
        except (re.error, LookupError, FutureWarning):
            return None


def translated(pattern: str) -> str:
    r"""The pattern in Python's syntax.

    Raises:
        LookupError: it names a ``\p{…}`` class that neither Unicode's categories nor POSIX have.
    """
    out: list[str] = []
    in_class = False
    after_escape = False
    for match in _TOKEN.finditer(pattern.replace(_ALL_SUPPLEMENTARY, "\U00010000-\U0010ffff")):
        token = match[0]
        if name := match["property"]:
            ranges = _POSIX.get(name) or _category(name)
            token = ranges if in_class else f"[{ranges}]"
        elif token == "[" and not in_class:
            in_class = True
        elif token == "]" and in_class:
            in_class = False
        elif token == "-" and in_class and after_escape:
            token = r"\-"
        after_escape = match["property"] is not None or token in (r"\w", r"\d", r"\s")
        out.append(token)
    return "".join(out)


def _category(name: str) -> str:
    matching = [ranges for category, ranges in _categories().items() if category.startswith(name)]
    if not matching:
        raise LookupError(name)
    return "".join(matching)


@lru_cache(maxsize=1)
def _categories() -> dict[str, str]:
    """Each Unicode category's characters as the inside of a character class; made when a pattern first needs it."""
    runs: dict[str, list[str]] = {}
    start, current = 0, unicodedata.category("\0")
    for code in range(1, sys.maxunicode + 2):
        category = unicodedata.category(chr(code)) if code <= sys.maxunicode else ""
        if category != current:
            runs.setdefault(current, []).append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start, current = code, category
    return {category: "".join(parts) for category, parts in runs.items()}
