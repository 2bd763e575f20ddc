"""Text from outside is data in every medium."""

from __future__ import annotations

import tomllib
import unicodedata
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st

from dgsm_helpers.rules.foreign_text import in_html, in_terminal, in_toml

ANY = st.text(st.characters(exclude_categories=[])) | st.text()
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "&lt;b&gt; & &amp;",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2J\x08\x7f",
    "abc\u202egnp.exe\u2066",
    "\ud800\ufffe\uffff",
    "]]>--><!--",
    "line\r\nline\ttab\x0b\x0c",
]


def with_examples(test):
    for text in HOSTILE:
        test = example(text)(test)
    return test


class Seen(HTMLParser):
    """Elements, attributes and text of a document."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@given(ANY)
@with_examples
def test_in_html_it_is_text_and_makes_no_element_or_attribute(text):
    seen = Seen()
    seen.feed(f"<p title=\"{in_html(text)}\" class='{in_html(text)}'>{in_html(text)}</p>")
    seen.close()
    assert seen.elements == ["p"]
    assert [name for name, _ in seen.attributes] == ["title", "class"]
    assert seen.text == in_terminal(text)


@given(ANY)
@with_examples
def test_in_svg_it_is_well_formed_and_reads_as_it_was(text):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><text aria-label="{in_html(text)}">{in_html(text)}</text></svg>'
    (element,) = ElementTree.fromstring(svg.encode("utf-8"))
    assert element.text or not text


@given(ANY)
@with_examples
def test_in_a_terminal_nothing_acts_or_hides(text):
    shown = in_terminal(text)
    assert not [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Z", "Mn"])))
def test_what_is_plain_stays_as_it_is(text):
    plain = text.replace("\u061c", "")
    assert in_terminal(plain) == plain


@given(st.text())
@example("\x7f\"\\'\n#")
def test_in_toml_it_reads_as_it_was(text):
    assert tomllib.loads(f"a = {in_toml(text)}  # comment") == {"a": text}
