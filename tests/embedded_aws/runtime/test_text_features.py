"""Numbers, redaction and replacement in what was heard."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded_aws.engines.base import Recognised, SpokenWord
from embedded_aws.runtime.messages import Shape
from embedded_aws.runtime.query_string import ContainerRefused, QueryString
from embedded_aws.runtime.spoken_numbers import spoken_numbers
from embedded_aws.runtime.text_features import TextFeatures

KNOWN = {"numerals", "redact", "replace", "smart_format"}


def heard(text):
    pieces = text.split()
    plain = ["".join(c for c in p.lower() if c.isalnum() or c in "'-") for p in pieces]
    return tuple(SpokenWord(w, p, float(n), n + 0.9) for n, (w, p) in enumerate(zip(plain, pieces, strict=True)))


def shown(text, query):
    words = TextFeatures.asked(QueryString(query, KNOWN)).applied(heard(text))
    return " ".join(w.punctuated_word for w in words)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("it was nine hundred.", "it was 900."),
        ("the nine hundredth time", "the 900th time"),
        ("my account number is nine two eight four", "my account number is 9 2 8 4"),
        ("and then twenty three", "and then 23"),
        ("twenty-three of them", "23 of them"),
        ("two thousand and twenty four", "2024"),
        ("one hundred and five, no more", "105, no more"),
        ("one hundred and then", "100 and then"),
        ("three million two hundred thousand and one", "3200001"),
        ("the twenty first of May", "the 21st of May"),
        ("the twelfth and the third", "the 12th and the 3rd"),
        ("wait a second", "wait a second"),
        ("hundreds, a hundred", "hundreds, a hundred"),
        ("nineteen eighty four", "19 84"),
        ("twenty thirty", "20 30"),
        ("zero zero seven", "0 0 7"),
        ("five and six", "5 and 6"),
        ("thousand five", "thousand 5"),
        ("ask not what your country can do", "ask not what your country can do"),
    ],
)
def test_numerals_writes_numbers_in_digits(text, written):
    assert shown(text, "numerals=true") == written
    assert shown(text, "smart_format=true") == written
    assert shown(text, "numerals=false") == text


@given(st.integers(0, 10**9 - 1))
def test_every_number_is_read_as_it_is_said(number):
    words = said(number).split()
    assert [n.text for n in spoken_numbers(words)] == [str(number)]


def said(number):
    ones = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    names = (ones + " seventeen eighteen nineteen").split()
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    if number < 20:
        return names[number]
    if number < 100:
        return tens[number // 10 - 2] + (f" {names[number % 10]}" if number % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return f"{said(number // size)} {name}" + (f" {said(rest)}" if rest else "")
    return ""


@pytest.mark.parametrize(
    ("text", "query", "written"),
    [
        ("call nine two eight four, please", "redact=numbers", "call [NUMBER_1], please"),
        ("call nine two, please", "redact=numbers", "call nine two, please"),
        ("call nine two, please", "redact=aggressive_numbers", "call [NUMBER_1], please"),
        ("it costs nine hundred or eight hundred", "redact=true", "it costs [NUMBER_1] or [NUMBER_2]"),
        ("card " + "four " * 16 + "and four", "redact=pci", "card [CREDIT_CARD_1] and four"),
        ("mine is " + "one " * 9 + "now", "redact=pci&redact=ssn", "mine is [SSN_1] now"),
        ("card " + "four " * 16 + "in twenty", "redact=pci,numbers&numerals=true", "card [CREDIT_CARD_1] in 20"),
        ("call 5551234 now", "redact=numbers", "call [NUMBER_1] now"),
        ("I am Monika", "redact=name", "I am Monika"),
    ],
)
def test_redact_hides_what_numbers_tell(text, query, written):
    assert shown(text, query) == written


@pytest.mark.parametrize(
    ("text", "query", "written"),
    [
        ("Monika, come here.", "replace=monika:Monica", "Monica, come here."),
        ("And so, my fellow Americans,", "replace=fellow%20americans:dear%20friends", "And so, my dear friends,"),
        ("ask not, ask", "replace=ask:inquire", "inquire not, inquire"),
        ("you, um, know", "replace=um:", "you, know"),
        ("you, um, know", "replace=um", "you, know"),
        ("ask not", "replace=ask:go&replace=not:on", "go on"),
        ("one two", "replace=one%20two%20three:x", "one two"),
        ("country", "replace=country:the%20whole%20country", "the whole country"),
        ("at ten:thirty", "replace=at:by:then", "by:then ten:thirty"),
        ("ask not", "replace=ask:not&replace=not:on", "not on"),
        ("ask not", "replace=ask:go&replace=ask%20not:stay", "go not"),
        ("ask not", "replace=ask%20not:stay&replace=ask:go", "stay"),
        ("ask ask not", "replace=ask%20not:stay&replace=ask:go", "go stay"),
    ],
)
def test_replace_puts_other_words_in_the_place_of_those_found(text, query, written):
    assert shown(text, query) == written


@pytest.mark.parametrize("pairs", [200, 40, 1])
def test_what_replace_has_put_somewhere_is_not_searched_again(pairs):
    query = "&".join(f"replace=w{n}:w{n + 1}%20w{n + 1}" for n in range(pairs))
    assert shown("w0 is here", query) == "w1 w1 is here"
    assert shown("w0 is here", query + "&numerals=true&redact=numbers") == "w1 w1 is here"


def test_words_that_replace_has_made_long_take_no_memory_once_they_are_sent():
    def sent(number):
        text = f"{number:06}" + "y" * 30_000
        return len(Shape("r", True).results(Recognised(0.0, 1.0, heard(text), is_final=True, model="m")))

    sent(0)
    tracemalloc.start()
    try:
        assert all(sent(number) > 60_000 for number in range(50))
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


@given(
    st.lists(
        st.sampled_from(["ask", "not", "what", "nine", "two", "hundred", "and", "twenty", "third", "thousand", "42"]),
        max_size=12,
    )
)
def test_words_keep_their_order_and_stay_within_their_times(words):
    text = " ".join(words)
    for query in ("numerals=true", "redact=aggressive_numbers", "replace=ask%20not:do&replace=what:which%20one"):
        made = TextFeatures.asked(QueryString(query, KNOWN)).applied(heard(text))
        assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(made))
        assert all(0 <= w.start_s <= w.end_s <= len(words) for w in made)


def test_nothing_is_made_anew_where_nothing_changes():
    words = heard("ask not what your country can do")
    assert TextFeatures.asked(QueryString("numerals=true&replace=moon:sun", KNOWN)).applied(words) is words


@pytest.mark.parametrize("query", ["replace=:x", "replace=%20:x", "numerals=maybe", "&".join(["replace=a:b"] * 201)])
def test_what_cannot_be_asked_is_refused(query):
    with pytest.raises(ContainerRefused):
        TextFeatures.asked(QueryString(query, KNOWN))
