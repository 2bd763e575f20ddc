"""What the verbs of ``dgsm`` share."""

from __future__ import annotations

import io
import sys

import pytest

from dgsm_helpers.aws.core.tables import mark
from dgsm_helpers.cli.options import answer

SAID = f"✗ STOP     target-below-knee   9 of 8\n! WARN     x   {mark('yes')}\nRecommended: guide at 8\nWARN no sign\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def no_choice_of_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)


def said(monkeypatch, stream, text=SAID):
    monkeypatch.setattr(sys, "stdout", stream)
    answer(text)
    return stream.getvalue()


def test_on_a_terminal_verdicts_and_the_recommendation_are_coloured_and_nothing_else(monkeypatch):
    text = said(monkeypatch, Terminal())
    for words, colour in (("✗ STOP", 31), ("! WARN", 33), ("✓ yes", 32)):
        assert f"\x1b[{colour}m\x1b[1m{words}\x1b[0m" in text
    assert "\x1b[1mRecommended: guide at 8\x1b[0m" in text
    assert text.endswith("\nWARN no sign\n\n")


def test_in_a_pipe_it_is_plain_text(monkeypatch):
    assert said(monkeypatch, io.StringIO()) == f"{SAID}\n"


def test_whoever_wants_no_colour_gets_none(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert said(monkeypatch, Terminal()) == f"{SAID}\n"


def test_what_a_name_from_outside_would_do_to_the_terminal_is_still_shown_as_text(monkeypatch):
    text = said(monkeypatch, Terminal(), "✓ yes \x1b[31mred")
    assert "\\x1b[31mred" in text and "\x1b[31m" not in text
