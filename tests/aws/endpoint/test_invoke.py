"""One file, one answer: InvokeEndpoint against the embedded runtime."""

from __future__ import annotations

import pytest

from dgsm_helpers.aws.endpoint import invoke
from dgsm_helpers.errors import AwsCallFailed, InvalidInput, NotFound
from dgsm_helpers.rules.sample import sample_wav

NOVA = {"model": "nova-3", "language": "en"}


@pytest.fixture(scope="module")
def wav():
    return sample_wav()


def test_file_is_transcribed(deployed, wav):
    answer = invoke.transcribe_file(deployed, wav, **NOVA, punctuate=True)
    assert "ask not what your country can do for you" in invoke.transcript_of(answer)


@pytest.mark.parametrize("megabytes", [26])
def test_file_over_25_mb_is_not_sent(deployed, megabytes):
    with pytest.raises(InvalidInput, match=r"26\.0 MB and InvokeEndpoint takes 25 MB"):
        invoke.transcribe_file(deployed, b"\0" * (megabytes * 1_000_000), **NOVA)


def test_empty_file_is_not_sent(deployed):
    with pytest.raises(InvalidInput, match="empty"):
        invoke.transcribe_file(deployed, b"", **NOVA)


def test_query_too_long_for_custom_attributes_is_not_sent(deployed, wav):
    with pytest.raises(InvalidInput, match="customAttributes"):
        invoke.transcribe_file(deployed, wav, keyterm=["word"] * 200)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"path": "", "model": "nova-3"}, "answered 404"),
        ({"modle": "nova-3"}, "answered 400: .*unsupported_parameter.*modle"),
    ],
)
def test_the_containers_own_words_come_back(deployed, wav, given, text):
    with pytest.raises(AwsCallFailed, match=text) as caught:
        invoke.transcribe_file(deployed, wav, **given)
    assert caught.value.code == "ModelError"
    assert caught.value.hint


def test_missing_endpoint_is_not_found(workbook, wav):
    with pytest.raises(NotFound):
        invoke.transcribe_file(workbook(), wav, **NOVA)
