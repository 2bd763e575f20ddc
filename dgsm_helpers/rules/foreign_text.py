"""Text from outside (names, tags, logs, transcripts, evidence) as data in what is written: one helper for each medium.

Shell scripts, HCL and CloudFormation have theirs with the formats (``aws.export``); a word for a shell is
``shlex.quote``'s.
"""

import json
import re
from html import escape

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but for tab and newline: colours, titles, the cursor
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of the text around it
    "\ud800-\udfff\ufffe\uffff]"  # what no XML and no UTF-8 may hold
)


def in_terminal(text: object) -> str:
    """The text with what a terminal would act on, or what hides, made visible: ``\\x1b`` for an escape character."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))


def in_html(text: object) -> str:
    """The text for an element or a quoted attribute of HTML or SVG."""
    return escape(in_terminal(text), quote=True)


def in_toml(text: str) -> str:
    """The text as a basic string of TOML, with its quotes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
