"""Docs, help texts and code say the same: every verb, option, notebook, name and message that is named exists."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from unittest import mock

import click
import nbformat
import pytest

import dgsm_helpers
from dgsm_helpers.aws.doctor.examine import RULES
from dgsm_helpers.cli import local_commands
from dgsm_helpers.cli.main import dgsm
from dgsm_helpers.settings.settings_file import SETTINGS
from embedded_aws.gateway.faults import KINDS, kinds_to_json
from embedded_aws.other.price_list_service import USD_PER_HOUR

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOURCES = sorted((ROOT / "dgsm_helpers").rglob("*.py"))
MADE = {"command_pages": "commands", "iam_documents": "iam"}
PLACEHOLDERS = re.compile(r"[…\[\]{}<>]")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def made_by(script):
    """A script of docs/, as a module."""
    spec = spec_from_file_location(script, ROOT / "docs" / f"{script}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLACES = {
    path.name if path in NOTEBOOKS else path.relative_to(ROOT).as_posix(): path
    for path in (*PAGES, *NOTEBOOKS, *SOURCES)
}
"""Where readers meet texts: pages, notebooks, and texts in the source."""


@cache
def text_at(place):
    """The texts of such a place."""
    path = PLACES[place]
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return "\n".join(strings(path)) if path.suffix == ".py" else path.read_text(encoding="utf-8")


@cache
def strings(path):
    """The texts of a source file, an f-string as its parts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def commands_in(text):
    """The command lines of ``dgsm`` in a text: in code spans, in blocks, and after *run* and the like in messages."""
    spans = re.findall(r"`(dgsm [^`]+)`", text) + re.findall(r"\$\((dgsm [^)]+)\)", text)
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    examples = re.findall(r"Such as: (dgsm (?:[^\n]|\n(?=\s+-))+)", text)
    whole = [part for line in [*spans, *lines, *examples] for part in re.split(r"[;|]|&&", line.partition(" #")[0])]
    return [part.strip() for part in whole if part.strip().startswith("dgsm ")]


def problem_of(line):
    """What of a command line there is not; None when all of it is there."""
    try:
        words = shlex.split(line)[1:]
    except ValueError:
        words = line.split()[1:]
    words = words[: words.index(">")] if ">" in words else words
    command = dgsm
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        word = words.pop(0)
        if PLACEHOLDERS.search(word):
            return None
        with mock.patch.object(local_commands, "_ask", lambda *_: kinds_to_json()):
            found = command.get_command(click.Context(command), word)
        if found is None:
            return f"no {'fault' if command.name == 'fault' else 'verb'} {word}"
        command = found
    parser = command.make_parser(click.Context(command))
    own = {"-h", "--help", *(["--version"] if command is dgsm else [])}
    try:
        _, left, _ = parser.parse_args([word for word in words if word not in own and word != "…"])
    except click.NoSuchOption as error:
        return f"no option {error.option_name} of {command.name}"
    except click.BadOptionUsage:
        return None  # the option is what is spoken of
    return f"no argument {', '.join(left)} of {command.name}" if left else None


USES_KIT = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("docs", "benchmarks")
    for path in (ROOT / folder).glob("*.py")
    if "sys.path" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", USES_KIT)
def test_a_script_that_uses_what_tests_share_starts_as_a_command(script, tmp_path):
    # As `python docs/x.py` starts it: with the folder of the script first, in which `tests/embedded_aws` must not
    # stand before the package of that name.
    as_started = "import runpy, sys; sys.path[0] = sys.argv[2]; runpy.run_path(sys.argv[1], run_name='imported')"
    path = ROOT / script
    started = subprocess.run(
        [sys.executable, "-c", as_started, path, path.parent], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not started.returncode, started.stderr


@pytest.mark.parametrize("place", PLACES)
def test_every_command_that_is_named_can_be_given(place):
    wrong = {line: problem for line in commands_in(text_at(place)) if (problem := problem_of(line))}
    assert not wrong


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("dgsm deplay my-endpoint", "no verb deplay"),
        ("dgsm tune my-endpoint --efort quick", "no option --efort of tune"),
        ("dgsm local fault earthquake", "no fault earthquake"),
        ("dgsm local fault crash my-endpoint", "no argument my-endpoint of crash"),
        ("dgsm tune my-endpoint your-endpoint", "no argument your-endpoint of tune"),
        ("dgsm local fault shortage ml.g6.2xlarge", None),
        ("dgsm tune my-endpoint --effort quick", None),
        ("dgsm clean-up ENDPOINT --yes", None),
    ],
)
def test_a_command_that_there_is_not_is_seen(line, problem):
    assert problem_of(line) == problem
    assert commands_in(f"run `{line}` first") == [line]


@pytest.mark.parametrize(("script", "page"), MADE.items())
def test_a_page_that_is_made_is_that_of_the_source(script, page):
    module = made_by(script)
    assert module.PAGE.name == f"{page}.md"
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), f"run docs/{script}.py"


def test_the_picture_of_what_is_real_is_that_of_its_script():
    picture = made_by("real_and_embedded_picture")
    assert picture.PAGE.read_text(encoding="utf-8") == picture.picture(), "run docs/real_and_embedded_picture.py"
    widest = max(len(words) for rows in (picture.EMBEDDED_ROWS, picture.AWS_ROWS) for row in rows for words in row)
    assert widest * 5.6 < picture.COLUMN - 20, "a line runs out of its box"


def test_every_verb_has_an_example_in_its_help():
    without = {
        path
        for path, command in made_by("command_pages").verbs()
        if command.params and "json" not in path and not re.search(r"dgsm [a-z-]+ ", command.help or "")
    }
    assert without <= {"dgsm local env"}


@every_page
def test_every_notebook_that_is_named_exists(page):
    named = set(re.findall(r"\b(\d\d_[a-z]+(?:_[a-z]+)*)\b", page.read_text(encoding="utf-8")))
    assert named <= {path.stem for path in NOTEBOOKS}


@every_page
def test_every_name_of_a_step_that_is_named_exists(page):
    steps = "|".join(dgsm_helpers.STEPS)
    named = re.findall(rf"(?<![\w./])({steps})\.([a-z]\w+)\(", page.read_text(encoding="utf-8"))
    assert [f"{step}.{name}" for step, name in named if name not in import_module(f"dgsm_helpers.{step}").__all__] == []


@every_page
def test_python_that_is_shown_can_be_read_and_imported(page):
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "--8<--" in block:
            continue
        tree = compile(block, page.name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dgsm_helpers"):
                assert [a.name for a in node.names if not hasattr(import_module(node.module), a.name)] == []


@every_page
def test_every_file_that_is_linked_or_included_exists(page):
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    beside = [target for target in linked if not re.match(r"[a-z]+:", target)]
    assert [target for target in beside if not (page.parent / target).exists()] == []
    included = re.findall(r'--8<-- "([^":]+)', text)
    assert [target for target in included if not (ROOT / target).exists()] == []


def rows_of(text):
    """The rows of a page's tables, as lists of cells."""
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in re.findall(r"^\|.*\|$", text, re.M)]


def test_every_message_that_troubleshooting_names_is_one_of_the_package():
    said = "\n".join(text for path in (ROOT / "dgsm_helpers").rglob("*") for text in messages_of(path))
    symptoms = [row[0] for row in rows_of(text_at("docs/guides/troubleshooting.md"))]
    named = [part for symptom in symptoms for part in re.findall(r"`([^`]+)`", symptom)]
    assert len(named) > 30
    assert [part for part in named if part not in said] == []


def messages_of(path):
    """What may be said out of a file: texts of a source, and data as it is."""
    if path.suffix == ".py":
        return strings(path)
    return [path.read_text(encoding="utf-8")] if path.suffix in (".json", ".toml") else []


def test_every_rule_of_the_doctor_that_is_named_is_one():
    rows = rows_of(text_at("docs/guides/troubleshooting.md").split("## It does not scale")[1].split("## ")[0])
    named = {part for row in rows for part in re.findall(r"`([a-z-]+)`", row[1])}
    assert len(named) > 10
    assert named <= {rule.name for rule in RULES}


def test_every_fault_is_told():
    rows = rows_of(text_at("docs/how_to/faults.md"))
    named = {part for row in rows for part in re.findall(r"`([a-z-]+)`", row[0])}
    assert named == set(KINDS)


def test_every_setting_is_told():
    text = text_at("docs/guides/settings.md")
    assert [setting.variable for setting in SETTINGS if setting.variable not in text] == []


def test_the_cost_table_follows_from_its_minutes_and_the_price_list():
    text = text_at("docs/guides/to_aws.md").split("## What it costs")[1].split("## ")[0]
    rows = {row[0].strip("`"): row for row in rows_of(text) if re.match(r"`\d\d_", row[0])}
    assert set(rows) == {path.stem for path in NOTEBOOKS}
    usd = USD_PER_HOUR["ml.g6.2xlarge"]
    assert f"${usd:g} an hour" in text
    for _, _, _, minutes, dollars in rows.values():
        assert float(dollars) == pytest.approx(float(minutes) * usd / 60, abs=0.006)
    assert "Nobody has timed these notebooks on AWS" in " ".join(text.split())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The pages as `make docs` builds them."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


OUTSIDE = re.compile(r"<(?:script|link|img|iframe|source|video|audio)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


def test_the_built_pages_fetch_nothing_from_another_host(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert not {(page.name, hit) for page in pages for hit in OUTSIDE.findall(page.read_text(encoding="utf-8"))}
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not [style[:80] for style in styles if re.search(r"url\([\"']?(?:https?:)?//|@import[^;]+//", style)]


@pytest.mark.parametrize(
    "tag", ['<script src="https://unpkg.com/x"></script>', "<link href=//cdn.example/x.css>", "<img src='http://x/y'>"]
)
def test_every_way_to_fetch_from_outside_is_seen(tag):
    assert OUTSIDE.search(tag)


def test_every_page_of_the_docs_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    pages = {
        page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in PAGES if page.name != "README.md"
    }
    assert {page for page in pages if f'href="{page}"' not in start} <= {"index.html"}
