"""Evidence of measured capacity, read back from the state folder; ``load.ladder.capacity`` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from dgsm_helpers.errors import InvalidInput, NotFound

SCHEMA = 1


class KeepsState(Protocol):
    """The part of a workbook that keeps files for an endpoint."""

    endpoint_name: str

    def state_path(self, name: str) -> Path:
        """A file of the workbook's own state."""


def read(path: Path) -> dict[str, Any]:
    """One measurement's JSON.

    Raises:
        NotFound: no such file.
        InvalidInput: not an evidence file, or of a newer schema.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise NotFound(f"No evidence at {path}.", hint="Measure first (03_tune or dgsm tune).") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not an evidence file: {error}.") from error
    if content.get("schema") != SCHEMA:
        raise InvalidInput(f"{path} has schema {content.get('schema')}; this version reads {SCHEMA}.")
    return content


def newest(wb: KeepsState) -> dict[str, Any] | None:
    """The newest complete measurement for the workbook's endpoint, its file under ``evidence``; None without one.

    Raises:
        InvalidInput: a file there is not an evidence file of this version.
    """
    folder = wb.state_path(f"capacity/{wb.endpoint_name}/x").parent
    for path in sorted(folder.glob("*.json"), reverse=True):
        content = read(path)
        if not content["problem"] and content["feasible_max"] > 0:
            return {**content, "evidence": str(path)}
    return None
