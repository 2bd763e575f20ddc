"""Run notebooks with parameters, as ``dgsm run`` and ``dgsm demo`` do.

papermill does the running, after the parameters were checked (`notebook_inputs`). Whichever kernel a notebook names, it
runs in this interpreter.
"""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, NotReady, UnknownParameter
from dgsm_helpers.processes.schema_import import import_without_grammar
from dgsm_helpers.workbook.notebook_inputs import check_parameters, parameters_of, read_notebook

VALUES_MIME = "application/vnd.dgsm.values+json"
SAVE_EVERY_S = 2.0
"""How often a notebook is written while it runs. papermill would write all of it twice for each cell, while its kernel
waits."""


@dataclass(frozen=True, kw_only=True)
class NotebookOutcome:
    """How running one notebook ended.

    Attributes:
        notebook, output: the notebook and its executed copy.
        ok: True when every cell ran.
        took_s: wall-clock seconds.
        failed_cell: number of the failing code cell as the reader counts (``In [n]``), None when all ran.
        error: what went wrong, one line, "" when all ran.
        values: those given out with `glue`.
    """

    notebook: Path
    output: Path
    ok: bool
    took_s: float
    failed_cell: int | None = None
    error: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.ok:
            return f"{self.notebook.stem}: ran in {self.took_s:.0f} s, {self.output}"
        where = f" in cell [{self.failed_cell}]" if self.failed_cell is not None else ""
        return f"{self.notebook.stem}: failed{where} after {self.took_s:.0f} s: {self.error} See {self.output}"


def glue(**values: Any) -> None:
    """Show values (JSON types) below the cell and give them out of the notebook, as `NotebookOutcome.values`."""
    from IPython.display import display

    text = "\n".join(f"{name}: {value}" for name, value in values.items())
    display({VALUES_MIME: values, "text/plain": text}, raw=True)


def run_notebook(
    notebook: Path,
    parameters: Mapping[str, Any] | None = None,
    output_dir: Path = Path("out"),
    timeout_s: float = 900.0,
    *,
    progress_bar: bool = True,
    gives_way: bool = False,
) -> NotebookOutcome:
    """Run one notebook from top to bottom in a kernel of its own, in the working folder, as papermill does.

    So a path in a parameter is what it is to the caller.

    Args:
        notebook: the .ipynb file; it is not changed.
        parameters: values for its parameters (see `check_parameters`).
        output_dir: folder of the executed copy, made when missing. On a failure the copy shows the error.
        timeout_s: wall-clock seconds that one cell may take.
        progress_bar: show one on stderr.
        gives_way: its kernel, and what that starts, computes only when nobody else does: for work beside real-time
            streams.

    Returns:
        The outcome; a cell that raised or timed out is an outcome, not an exception.

    Raises:
        UnknownParameter, InvalidInput, NotFound: before anything is run.
        NotReady: no notebook can run in this interpreter.
    """
    import_without_grammar()
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    notebook = Path(notebook)
    values = check_parameters(notebook, parameters or {})
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(output_dir)):
        raise InvalidInput(f"{output_dir} is no folder of this machine.", hint="Give a folder, and copy it from there.")
    output_dir.mkdir(parents=True, exist_ok=True)
    output = output_dir / notebook.name
    if output.resolve() == notebook.resolve():
        raise InvalidInput(f"{output} is the notebook itself.", hint="Give another output folder.")
    began = time.monotonic()
    failed_cell, error = None, ""
    execute = partial(
        papermill.execute_notebook,
        read_notebook(notebook),
        output.resolve(),
        values,
        engine_name=_engine_that_saves_seldom(),
        kernel_manager_class=_this_interpreter(gives_way=gives_way),
        execution_timeout=int(timeout_s),
        # ipykernel 7 warns of its loopback TCP at each start, which says nothing to whoever runs a notebook.
        extra_arguments=["--log-level=ERROR"],
        progress_bar={"desc": notebook.stem, "leave": True} if progress_bar else False,
    )
    try:
        _with_second_start(execute)
    except PapermillExecutionError as failure:
        failed_cell, error = failure.exec_count, f"{failure.ename}: {failure.evalue}"
    except CellTimeoutError:
        error = f"a cell took longer than {timeout_s:g} s."
    except DeadKernelError:
        error = "its kernel died."
    return NotebookOutcome(
        notebook=notebook,
        output=output,
        ok=not error,
        took_s=time.monotonic() - began,
        failed_cell=failed_cell,
        error=error,
        values=_finish(output),
    )


def _this_interpreter(*, gives_way: bool) -> Any:
    """A class of kernel managers whose kernels are this very interpreter, whatever kernels are installed.

    Raises:
        NotReady: it has no ipykernel.
    """
    try:
        from ipykernel.kernelspec import get_kernel_dict
    except ImportError as error:
        raise NotReady(
            f"{sys.executable} cannot run notebooks: it has no ipykernel.",
            hint="Install it with: pip install ipykernel",
        ) from error
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    spec = KernelSpec(**get_kernel_dict())
    if gives_way:
        spec.argv = ["nice", "-n", "15", *spec.argv]

    class ThisInterpreter(AsyncKernelManager):
        kernel_spec = spec

    return ThisInterpreter


@cache
def _engine_that_saves_seldom() -> str:
    """The name of papermill's own engine with that one difference; it still writes before the first cell and at the
    end, whatever that is."""
    import_without_grammar()
    from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

    class SavesSeldom(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: NotebookExecutionManager, *args: Any, **given: Any) -> object:
            save = nb_man.save

            def save_seldom(**given: Any) -> None:
                if (nb_man.now() - nb_man.last_save_time).total_seconds() >= SAVE_EVERY_S:
                    save(**given)

            nb_man.save = save_seldom
            try:
                return super().execute_managed_notebook(nb_man, *args, **given)
            finally:
                nb_man.save = save

    papermill_engines.register(SavesSeldom.__name__, SavesSeldom)
    return SavesSeldom.__name__


def _with_second_start(execute: Callable[[], object]) -> None:
    """Execute, and once more when the kernel died before it ran anything.

    Kernels that start at the same moment can be given the same ports, and the later one dies (jupyter_client chooses
    ports before the kernel binds them).
    """
    try:
        execute()
    except RuntimeError as failure:
        if "died before replying" not in str(failure):
            raise
        execute()


def run_notebooks(
    notebooks: Sequence[Path],
    parameters: Mapping[str, Any],
    output_dir: Path = Path("out"),
    timeout_s: float = 900.0,
) -> bool:
    """Run notebooks in order, stop at the first that fails, print an outcome for each.

    Each gets those of ``parameters`` that it declares. All are checked before the first is run.

    Returns:
        Whether all ran.

    Raises:
        UnknownParameter: none of them has such a parameter.
        InvalidInput, NotFound: a value or a path is wrong.
    """
    declared = {notebook: parameters_of(notebook) for notebook in notebooks}
    every = sorted({name for known in declared.values() for name in known})
    for name in parameters:
        if name not in every:
            lacking = f"{notebooks[0].name} has no" if len(notebooks) == 1 else "None of the notebooks has a"
            raise UnknownParameter(f"{lacking} parameter {name!r}.", hint=f"Known: {', '.join(every) or 'none'}.")
    chosen = {
        notebook: check_parameters(notebook, {name: v for name, v in parameters.items() if name in known})
        for notebook, known in declared.items()
    }
    for notebook, values in chosen.items():
        outcome = run_notebook(notebook, values, output_dir, timeout_s)
        print(outcome, flush=True)
        if not outcome.ok:
            return False
    return True


def _finish(executed: Path) -> dict[str, Any]:
    """Add pictures of its live views to an executed notebook; what it gave out with `glue`."""
    import_without_grammar()
    import nbformat

    from dgsm_helpers.workbook.notebook_page import add_pictures

    if not executed.exists():
        return {}
    notebook = nbformat.read(executed, as_version=4)
    add_pictures(notebook)
    nbformat.write(notebook, executed)
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    values = (output.get("data", {}).get(VALUES_MIME, {}) for output in outputs)
    return {name: value for glued in values for name, value in glued.items()}
