"""What every notebook of the series keeps to."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

from dgsm_helpers.workbook.notebook_inputs import parameters_of

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
COMMITTED = sorted(FOLDER.glob("*.ipynb"))
HEADINGS = ["What you do", "What you need", "What it costs", "Steps", "Check", "Clean up", "Next"]
GUIDE = {
    "what is scaled, by which metric": ("00_start_here", "ConcurrentRequestsPerModel"),
    "before you start": ("00_start_here", "start.check(wb)"),
    "several instance types": ("01_deploy", "deploy.choose_pool(wb)"),
    "stream and file": ("01_deploy", "deploy.transcribe_file("),
    "register the scalable target": ("02_register", "register.register(wb, min_capacity, max_capacity)"),
    "create the policy, save it": ("02_register", 'policy.write_json("scaling-policy.json")'),
    "CLI and boto3 forms": ("02_register", "register.cli_commands("),
    "choose the target value": ("02_register", "under 400 ms"),
    "weighted custom metric for pools": ("02_register", "weighted custom metric"),
    "verify": ("02_register", "describe_scaling_policies"),
    "where the console shows it": ("02_register", "Endpoint runtime settings"),
    "alarms": ("04_monitor", "record.alarms"),
    "secondary metric": ("04_monitor", "InvocationsPerInstance"),
    "activities": ("04_monitor", "describe_scaling_activities"),
    "container logs": ("04_monitor", "monitor.log_tail(wb"),
    "alarms for operators": ("04_monitor", "monitor.put_alarms(wb"),
    "scale to zero": ("99_clean_up", "cannot scale to zero"),
    "asynchronous endpoints": ("99_clean_up", "async_inference_config"),
}

every_notebook = pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def test_the_first_notebook_lists_the_series_as_it_is():
    first = read(FOLDER / "00_start_here.ipynb").cells[0].source
    assert re.findall(r"^\| \[`(\w+)`\]\(\1\.ipynb\) \|", first, re.MULTILINE) == [path.stem for path in COMMITTED]


@every_notebook
def test_the_next_notebook_it_names_exists(path):
    text = read(path).cells[-1].source
    named = re.findall(r"`(\d\d_\w+)`", text)
    assert named and set(named) <= {other.stem for other in COMMITTED}


@every_notebook
def test_the_headings_are_those_of_the_skeleton_in_order(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert len(re.findall(r"^# .+$", text, re.MULTILINE)) == 1


@every_notebook
def test_the_first_code_cell_holds_typed_and_commented_parameters(path):
    assert code(path)[0].metadata.tags == ["parameters"]
    parameters = parameters_of(path)
    assert {parameters[name].default for name in ("where", "region", "endpoint_name")} == {'""'}, "the settings count"
    assert all(p.type in ("str", "int", "float", "bool") and p.help for p in parameters.values()), parameters
    assert {p.default for p in parameters.values() if p.name.startswith("confirm_")} == {"False"}


@every_notebook
def test_a_workbook_is_opened_with_what_was_set_once(path):
    opened = re.findall(r"^wb = open_workbook\((.*)\)$", "\n".join(cell.source for cell in code(path)), re.MULTILINE)
    assert opened == [""]


@every_notebook
def test_cells_are_short(path):
    _, *steps = code(path)
    lengths = [len(cell.source.splitlines()) for cell in steps]
    assert median(lengths) <= 3
    assert max(lengths) <= 12


@every_notebook
def test_it_was_run_from_top_to_bottom_without_an_error(path):
    cells = code(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]


@every_notebook
def test_the_file_is_small_and_holds_nothing_of_the_machine_it_ran_on(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 300_000
    assert not re.findall(r"/(?:tmp|root|home|work)/\w+|127\.0\.0\.1:\d+", text)


@every_notebook
def test_cells_have_telling_ids_and_the_kernel_every_jupyter_has(path):
    notebook = read(path)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert not [i for i in ids if re.fullmatch(r"[0-9a-f]{8}", i)]
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


@every_notebook
def test_nbconvert_makes_a_script_of_it_that_python_runs(path):
    from nbconvert.exporters import get_exporter

    metadata = read(path).metadata.language_info
    assert (metadata.nbconvert_exporter, metadata.file_extension) == ("python", ".py")
    script, resources = get_exporter("script")().from_filename(path)
    assert resources["output_extension"] == ".py"
    compile(script, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@every_notebook
def test_it_asks_for_no_input_and_uses_no_widget_that_hangs_without_a_browser(path):
    source = "\n".join(cell.source for cell in code(path))
    assert not re.findall(r"\binput\(|interact|FigureWidget|anywidget|\bOutput\(|%pip|!pip|time\.sleep", source)


@every_notebook
def test_no_cell_asks_where_it_runs(path):
    assert not re.findall(r"\bif\b.*\bwhere\b|wb\.where\s*[=!]=", "\n".join(cell.source for cell in code(path)))


def words_of(path):
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


@every_notebook
def test_another_notebook_that_is_named_can_be_clicked(path):
    bare = set(re.findall(r"(?<!\[)`(\d\d_\w+)`", words_of(path)))
    assert bare <= {path.stem}


@every_notebook
def test_everything_that_is_linked_is_there(path):
    for target, anchor in re.findall(r"\]\((?!https:)([^)#]+)#?([^)]*)\)", words_of(path)):
        page = path.parent / target
        assert page.exists(), target
        headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        named = {re.sub(r"[^\w-]", "", heading.partition(" {")[0].lower().replace(" ", "-")) for heading in headings}
        assert not anchor or anchor in named, f"{target}#{anchor}"


@every_notebook
def test_the_guide_or_what_it_costs_is_a_click_away(path):
    assert re.search(r"\]\(https://developers\.deepgram\.com/|docs/guides/|docs/how_to/", words_of(path))


@every_notebook
def test_no_sentence_is_printed_since_jupyterlab_breaks_it_inside_words(path):
    """Code and logs are: they are read in columns."""
    printed = [cell.source for cell in code(path) if re.search(r"\bprint\(", cell.source)]
    assert not [source for source in printed if not re.search(r"read_text\(|cli_commands\(|log_tail\(", source)]


@every_notebook
def test_values_for_other_programs_are_folded_away(path):
    given_out = [cell for cell in code(path) if cell.source.startswith("glue(")]
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in given_out)


@every_notebook
def test_figures_and_live_views_are_not_compared_with_a_fresh_run(path):
    for cell in code(path):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if "application/vnd.plotly.v1+json" in kinds or re.search(r"view\.start|LoadControl\(", cell.source):
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), cell.id
        assert "application/vnd.jupyter.widget-view+json" not in kinds, "a widget without its kernel shows an error"


@pytest.mark.parametrize("point", GUIDE)
def test_each_point_of_the_guide_has_its_place(point):
    name, text = GUIDE[point]
    assert text in "\n".join(cell.source for cell in read(FOLDER / f"{name}.ipynb").cells)
