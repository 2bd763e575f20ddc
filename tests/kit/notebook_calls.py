"""Runs a notebook and records which AWS operations it calls, through botocore's events."""

from __future__ import annotations

import os
from pathlib import Path

import nbclient
import nbformat

from dgsm_helpers.rules.call_effects import iam_action

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STREAM = "sagemaker:InvokeEndpointWithBidirectionalStream"
_RECORDER = """
import botocore.session
from dgsm_helpers.load.transport import stream_target

def _record(line):
    with open({file!r}, "a") as calls:
        calls.write(line + "\\n")

def _before_call(model, **_):
    _record(f"{{model.service_model.service_name}}:{{model.name}}")

_made = botocore.session.Session.__init__

def _make(self, *args, **kwargs):
    _made(self, *args, **kwargs)
    self.register("before-call", _before_call)

botocore.session.Session.__init__ = _make
_of = stream_target.StreamTarget.of.__func__

def _counted(cls, *args, **kwargs):
    # AWS's HTTP/2 client is not botocore: its one call is known by the target that is made for it.
    _record({stream!r})
    return _of(cls, *args, **kwargs)

stream_target.StreamTarget.of = classmethod(_counted)
"""


def actions_called_by(name: str, home: Path, *, endpoint_name: str, timeout_s: float = 600.0) -> set[str]:
    """The IAM actions of every call that the notebook makes for the endpoint on the embedded AWS of ``home``."""
    record = home / f"{name}.calls"
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += f"\nendpoint_name = {endpoint_name!r}"
    text = _RECORDER.format(file=str(record), stream=STREAM)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(text))
    where = home / "run"
    where.mkdir(exist_ok=True)
    former = os.environ.get("DGSM_HOME")
    os.environ["DGSM_HOME"] = str(home)
    try:
        resources = {"metadata": {"path": str(where)}}
        nbclient.NotebookClient(notebook, timeout=timeout_s, resources=resources).execute()
    finally:
        os.environ.pop("DGSM_HOME") if former is None else os.environ.update(DGSM_HOME=former)
    lines = record.read_text().split() if record.exists() else []
    return {action_of(line) for line in lines}


def action_of(call: str) -> str:
    """``service-quotas:ListServiceQuotas`` as the IAM action ``servicequotas:ListServiceQuotas``."""
    service, _, operation = call.partition(":")
    return iam_action(service, operation)
