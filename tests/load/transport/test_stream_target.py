"""What the model is asked for, from a user's query."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.load.transport.stream_target import ListenOptions


def test_a_query_replaces_what_it_names_and_repeats_what_it_repeats():
    options = ListenOptions.parse("language=es&punctuate=false&keyterm=one&keyterm=two")
    assert (options.model, options.language, options.punctuate) == ("nova-3", "es", False)
    assert parse_qsl(options.query(16000))[-2:] == [("keyterm", "one"), ("keyterm", "two")]
    assert ListenOptions.parse("") == ListenOptions()


@pytest.mark.parametrize(
    ("query", "reason"),
    [("encoding=opus&model=x", "sets encoding"), ("interim_results=false", "interim_results"), ("nova-3", "no query")],
)
def test_a_query_that_would_spoil_the_measurement_is_refused(query, reason):
    with pytest.raises(InvalidInput, match=reason):
        ListenOptions.parse(query)
