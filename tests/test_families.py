"""Which family a model package belongs to, and what holds for every family."""

from __future__ import annotations

import json

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.families import AURA, FAMILIES, FLUX, FLUX_TTS, NOVA, family_of, require_family

EVERY = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def arn(package):
    return f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{package}/1"


@pytest.mark.parametrize(
    ("package", "family"),
    [
        ("deepgram-stt-nova-3", NOVA),
        ("deepgram-nova-3-multilingual", NOVA),
        ("speech-of-ours", NOVA),
        ("deepgram-stt-flux-general-en", FLUX),
        ("deepgram-flux-multi", FLUX),
        ("deepgram-tts-aura-2", AURA),
        ("deepgram-aura2-en", AURA),
        ("deepgram-tts-flux", FLUX_TTS),
        ("deepgram-flux-text-to-speech-en", FLUX_TTS),
    ],
)
def test_family_is_read_from_the_packages_name(package, family):
    assert family_of(arn(package)) is require_family(arn(package)) is family


def test_without_a_package_it_is_nova():
    assert family_of("") is NOVA


@pytest.mark.parametrize("package", ["deepgram-voice-agent", "deepgram-whisper-large", "deepgram-text-intelligence"])
def test_who_measures_refuses_what_is_known_not_to_be_sold(package):
    with pytest.raises(InvalidInput, match=package) as refused:
        require_family(arn(package))
    assert "Nova-3 (nova), Flux (flux), Aura-2 (aura), Flux TTS (flux-tts)" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("family", "instance_type", "fits"),
    [
        (FLUX, "ml.g4dn.2xlarge", False),
        (FLUX, "ml.g5.2xlarge", True),
        (FLUX_TTS, "ml.g5.2xlarge", False),
        (FLUX_TTS, "ml.g7e.2xlarge", True),
        (AURA, "ml.g6.2xlarge", False),
        (AURA, "ml.g6.12xlarge", True),
        (NOVA, "ml.g5.2xlarge", True),
    ],
)
def test_types_the_manual_rules_out_are_known(family, instance_type, fits):
    assert (family.objection(instance_type) == "") is fits


@EVERY
def test_a_family_recommends_nothing_it_rules_out(family):
    assert not [t for t in family.default_pool if family.objection(t)]


@EVERY
def test_what_a_measurement_sends_is_known_to_the_container(family):
    sent = family.fixed.keys() | family.defaults.keys()
    assert sent <= family.protocol.parameters
    assert not sent & family.never_sent
    assert not family.fixed.keys() & family.defaults.keys()


@EVERY
def test_the_message_that_ends_a_stream_is_one_of_its_controls(family):
    assert json.loads(family.end_message) == {"type": family.protocol.end_message}
    assert family.protocol.end_message in family.protocol.controls


@EVERY
def test_every_family_has_the_default_and_the_vendors_preset(family):
    assert {"strict", "deepgram"} <= family.presets.keys()


def test_only_nova_says_nothing_before_it_is_asked():
    assert [f.name for f in FAMILIES.values() if not f.first_chunk_is_greeting] == ["nova"]
