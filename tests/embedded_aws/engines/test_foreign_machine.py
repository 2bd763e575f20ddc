"""A machine for which there is no recogniser: the ``speech`` listing serves, and everyone is told what answers."""

from __future__ import annotations

import os
import warnings

import pytest
from kit import endpoints
from kit.command_line import run_line

from dgsm_helpers import cleanup, deploy, local
from dgsm_helpers.errors import DgsmError
from dgsm_helpers.session import open_workbook

WITHOUT_RECOGNISER = """
import importlib.util
look = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "moonshine_voice" else look(name, *rest)
"""
SENTENCE = r"No recogniser is installed on this machine \(\w+, \w+\).*known words.*moonshine-voice==0\.1\.0"


@pytest.fixture(scope="module")
def foreign_home(tmp_path_factory):
    """The state folder of an embedded AWS whose Python does not have the recogniser."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "sitecustomize.py").write_text(WITHOUT_RECOGNISER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
        local.up(folder / "home", speed=120)
    yield folder / "home"
    local.down(folder / "home")


def test_on_a_foreign_machine_the_speech_listing_serves_streams_and_files_with_known_words(foreign_home):
    with pytest.warns(UserWarning, match=SENTENCE):
        wb = open_workbook("local", home=foreign_home, endpoint_name="dg-foreign", listing="speech")
    endpoints.deployed(wb)
    recording = deploy.bundled_recording()
    trace = deploy.stream_recording(wb, recording)
    assert trace.ok and trace.transcript == recording.transcript
    assert trace.model == "metered: bundled sample"
    assert deploy.transcribe_file(wb, recording, punctuate=True) == recording.transcript
    cleanup.delete(wb)


def test_on_a_foreign_machine_the_status_says_what_answers(foreign_home):
    answer = run_line(foreign_home, "local", "status")
    assert answer.exit_code == 0
    assert "No recogniser is installed" in answer.stdout


def test_on_a_foreign_machine_the_other_listing_has_nothing_to_say(foreign_home):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_workbook("local", home=foreign_home, endpoint_name="dg-foreign", listing="metered")


def test_where_the_recogniser_is_installed_nobody_is_told_anything(embedded):
    pytest.importorskip("moonshine_voice")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_workbook("local", home=embedded.home, listing="speech")
    assert "recogniser" not in run_line(embedded.home, "local", "status").stdout


def test_a_listing_that_nobody_has_is_still_refused(foreign_home):
    with pytest.raises(DgsmError, match="metered, speech"):
        open_workbook("local", home=foreign_home, listing="sepech")
