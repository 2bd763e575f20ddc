"""One place for settings: found from the working folder upwards, overridden by the environment, written once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.session import open_workbook
from dgsm_helpers.settings import settings_file

ALL = """
where = "local"
region = "eu-west-1"
endpoint = "mine"
listing = "speech"
role = "arn:aws:iam::123456789012:role/mine"
[bounds]
min = 2
max = 6
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, in which settings count."""
    monkeypatch.delenv(settings_file.FILE_VARIABLE)
    inner = tmp_path / "project" / "notebooks"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return inner


def test_without_a_file_and_variables_there_is_none(folder):
    assert settings_file.read() == {}


@pytest.mark.parametrize("up", [0, 1, 2])
def test_the_file_is_found_here_and_in_the_folders_above(folder, up):
    [folder, *folder.parents][up].joinpath("dgsm.toml").write_text('endpoint = "mine"')
    assert settings_file.read() == {"endpoint": "mine"}


def test_the_nearest_file_is_the_one(folder):
    (folder / "dgsm.toml").write_text('endpoint = "near"')
    (folder.parent / "dgsm.toml").write_text('endpoint = "far"\nregion = "eu-west-1"')
    assert settings_file.read() == {"endpoint": "near"}


def test_a_variable_counts_before_the_file_and_an_empty_one_does_not(folder, monkeypatch):
    (folder / "dgsm.toml").write_text(ALL)
    monkeypatch.setenv("DGSM_ENDPOINT", "other")
    monkeypatch.setenv("DGSM_BOUNDS_MAX", "9")
    monkeypatch.setenv("DGSM_REGION", "")
    read = settings_file.read()
    assert (read["endpoint"], read["bounds.max"], read["bounds.min"], read["region"]) == ("other", 9, 2, "eu-west-1")


def test_a_file_can_be_named(folder, monkeypatch, tmp_path):
    named = tmp_path / "other.toml"
    named.write_text('region = "eu-west-1"')
    monkeypatch.setenv("DGSM_SETTINGS", str(named))
    assert settings_file.read() == {"region": "eu-west-1"}
    named.unlink()
    with pytest.raises(InvalidInput, match=r"other\.toml cannot be read"):
        settings_file.read()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('endpont = "x"', r"has the key endpont = 'x', which is none\. Keys: where, region, endpoint"),
        ("confirm_spend = true", "has the key confirm_spend = True"),
        ("bounds = 3", "has the key bounds = 3"),
        ("[bounds]\nlow = 1", "has the key bounds.low = 1"),
        ('[bounds]\nmin = "1"', "bounds.min='1' is not of type int"),
        ("[bounds]\nmin = true", "bounds.min=True is not of type int"),
        ("[bounds]\nmin = 0", "bounds.min=0 is too few"),
        ("[bounds]\nmin = 5\nmax = 2", "bounds.min 5 above bounds.max 2"),
        ("region = 1", "region=1 is not of type str"),
        ('where = "azure"', "where='azure' is no place"),
        ("where = local", "cannot be read: Invalid value"),
        ("endpoint = [", "cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_with_file_key_and_value(folder, text, said):
    (folder / "dgsm.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput, match=said) as refusal:
        settings_file.read()
    assert "above" in said or str(folder / "dgsm.toml") in str(refusal.value)


def test_a_folder_of_that_name_is_refused(folder):
    (folder / "dgsm.toml").mkdir()
    with pytest.raises(InvalidInput, match=r"dgsm\.toml cannot be read"):
        settings_file.read()


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("DGSM_BOUNDS_MIN", "one", "DGSM_BOUNDS_MIN='one' is not of type int"),
        ("DGSM_BOUNDS_MAX", "0", "DGSM_BOUNDS_MAX=0 is too few"),
        ("DGSM_WHERE", "AWS", "DGSM_WHERE='AWS' is no place"),
    ],
)
def test_a_variable_that_cannot_be_right_is_refused_by_its_name(folder, monkeypatch, variable, text, said):
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidInput, match=said):
        settings_file.read()


def test_it_is_written_once_and_reads_back_as_it_was(folder):
    values = {"where": "aws", "region": "eu-west-1", "endpoint": 'with "quotes" and ü', "role": "", "bounds.min": 2}
    path = settings_file.write(values)
    assert path == folder / "dgsm.toml"
    assert settings_file.read() == {key: value for key, value in values.items() if value}
    assert settings_file.write(values) == path
    before = path.read_text()
    with pytest.raises(InvalidInput, match="stays as it is"):
        settings_file.write({**values, "endpoint": "another"})
    assert path.read_text() == before
    assert all(setting.key in before for setting in settings_file.SETTINGS)


def test_a_workbook_writes_its_place_and_another_opens_it(folder, embedded):
    given = {"region": "eu-west-1", "endpoint_name": "mine", "listing": "speech"}
    path = open_workbook("local", home=embedded.home, **given).write_settings()
    assert "role" not in settings_file.read(), "the embedded AWS's role is not the user's"
    wb = open_workbook(home=embedded.home)
    assert (wb.where, wb.region, wb.endpoint_name, wb.listing) == ("local", "eu-west-1", "mine", "speech")
    assert path.parent == folder


def test_what_a_call_says_counts_before_the_settings(folder, embedded):
    (folder / "dgsm.toml").write_text(ALL.replace('"local"', '"aws"'))
    wb = open_workbook("local", region="us-west-2", endpoint_name="other", listing="metered", home=embedded.home)
    assert (wb.where, wb.region, wb.endpoint_name, wb.listing) == ("local", "us-west-2", "other", "metered")
    assert (wb.bounds, wb.role_arn) == ((2, 6), "arn:aws:iam::123456789012:role/mine")


def test_within_left_out_neither_file_nor_variables_count_nor_in_what_is_started(folder, monkeypatch):
    (folder / "dgsm.toml").write_text(ALL)
    monkeypatch.setenv("DGSM_ENDPOINT", "other")
    code = "from dgsm_helpers.settings import settings_file; print(settings_file.read())"
    with settings_file.left_out():
        assert settings_file.read() == {}
        started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert started.stdout == "{}\n"
    assert (settings_file.read()["endpoint"], os.environ.get("DGSM_SETTINGS")) == ("other", None)
