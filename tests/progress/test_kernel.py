"""What of ipykernel's inside an interrupt rests on; the rest is tested in a real kernel (tests/views/widgets)."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from types import SimpleNamespace

from ipykernel import kernelbase

from dgsm_helpers.progress import kernel


def test_ipykernel_still_keeps_the_handler_where_it_is_replaced():
    assert kernel.SAVED_HANDLER in inspect.getsource(kernelbase), (
        f"ipykernel {version('ipykernel')} has no {kernel.SAVED_HANDLER}: see dgsm_helpers/progress/kernel.py"
    )


def shell(monkeypatch):
    """An IPython shell in whose cells this code seems to run; `cell` and `execution` say in which."""
    parent = {"header": {"msg_type": "execute_request"}, "metadata": {}}
    made = SimpleNamespace(get_parent=lambda: parent, parent=parent)
    monkeypatch.setitem(kernel.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: made))
    return made


def run_in(made, cell, execution):
    made.parent["metadata"]["cellId"], made.parent["header"]["msg_id"] = cell, execution


def test_what_a_cell_began_ends_when_the_cell_is_run_again(monkeypatch):
    ended = []
    made = shell(monkeypatch)
    run_in(made, "a", "1")
    kernel.end_when_run_again(lambda: ended.append("first"))
    kernel.end_when_run_again(lambda: ended.append("second"))
    run_in(made, "b", "2")
    kernel.end_when_run_again(lambda: ended.append("other cell"))
    assert ended == []
    run_in(made, "a", "3")
    kernel.end_when_run_again(lambda: ended.append("third"))
    assert ended == ["first", "second"]


def test_outside_a_notebook_nothing_is_remembered(monkeypatch):
    monkeypatch.delitem(kernel.sys.modules, "IPython", raising=False)
    kernel.end_when_run_again(lambda: None)
    kernel.on_interrupt(lambda: None)
