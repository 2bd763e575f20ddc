"""What the model is asked for, from a user's query."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import AURA, FAMILIES, FLUX, FLUX_TTS, NOVA
from dgsm_helpers.load.transport.query import Query


def test_a_query_replaces_what_it_names_and_repeats_what_it_repeats():
    query = Query.parse("language=es&punctuate=false&keyterm=one&keyterm=two")
    asked = query.asked()
    assert (asked["model"], asked["language"], asked["punctuate"]) == ("nova-3", "es", "false")
    assert parse_qsl(query.text(16000))[-2:] == [("keyterm", "one"), ("keyterm", "two")]
    assert Query.parse("") == Query()


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_family_is_asked_for_what_its_container_takes_and_each_thing_once(family):
    sent = parse_qsl(Query(family).text(16000))
    assert {name for name, _ in sent} <= family.protocol.parameters
    assert len(dict(sent)) == len(sent)
    assert dict(sent)["sample_rate"] == "16000"


@pytest.mark.parametrize(
    ("family", "query", "reason"),
    [
        (NOVA, "encoding=opus&model=x", "sets encoding"),
        (NOVA, "interim_results=false", "interim_results"),
        (NOVA, "nova-3", "no query"),
        (NOVA, "callback=https://example.com", "asks Nova-3 for callback"),
        (FLUX, "profanity_filter=true", "asks Flux for profanity_filter"),
        (FLUX, "channels=2", "sets channels"),
        (AURA, "speed=1.2", "asks Aura-2 for speed"),
        (FLUX_TTS, "sample_rate=8000", "sets sample_rate"),
    ],
)
def test_a_query_that_would_spoil_the_measurement_is_refused(family, query, reason):
    with pytest.raises(InvalidInput, match=reason):
        Query.parse(query, family)
