"""How an error of the package shows in a notebook: message and next step first, the traceback on request."""

from __future__ import annotations

import nbclient
import pytest
from nbformat.v4 import new_code_cell, new_notebook

IMPORTS = "from dgsm_helpers.errors import NotReady\nfrom dgsm_helpers import open_workbook"


@pytest.fixture
def shown(tmp_path):
    """What the last of some cells shows as its error, without colours."""

    def run(*cells: str) -> str:
        cells = [new_code_cell(source, metadata={"tags": ["raises-exception"]}) for source in (IMPORTS, *cells)]
        notebook = new_notebook(cells=cells)
        resources = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
        (error,) = (output for output in notebook.cells[-1].outputs if output.output_type == "error")
        return "\n".join(error.traceback)

    return run


def test_message_and_next_step_come_first_in_a_few_lines(shown):
    lines = shown('open_workbook("azure")').splitlines()
    assert lines[:3] == [
        "InvalidInput: where is 'azure'.",
        'Next: Give "local" or "aws".',
        'Line: open_workbook("azure")',
    ]
    assert len(lines) <= 5 and "%xmode Verbose" in lines[-1]


def test_what_was_noted_on_the_way_is_part_of_it(shown):
    text = shown('error = NotReady("Not yet.")\nerror.add_note("Scaling is on again.")\nraise error')
    assert "Note: Scaling is on again." in text


def test_the_whole_traceback_comes_on_request(shown):
    text = shown('open_workbook("azure")', "%xmode Verbose", "%tb")
    assert "session.py" in text and "where is 'azure'" in text
    assert "In[" in text or "Cell" in text
    assert "%xmode" not in text.splitlines()[-1]
