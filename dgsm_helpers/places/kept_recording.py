"""The recording of AWS that a state folder holds: what the planner and the embedded AWS of that folder go by."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput

FOLDER = "recordings"
"""In the state folder; a file for each place, region and endpoint (`Workbook.key`)."""


def kept_recording(home: Path) -> Mapping[str, Any]:
    """The newest recording of AWS; ``{}`` when there is none. What was recorded on the embedded AWS is none of AWS.

    Raises:
        InvalidInput: its file holds something else.
    """
    files = sorted((home / FOLDER).glob("aws-*.json"), key=lambda path: path.stat().st_mtime)
    if not files:
        return {}
    try:
        recording = json.loads(files[-1].read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{files[-1]} is not JSON: {error}", hint="Remove it, then `dgsm record`.") from error
    if not isinstance(recording, dict):
        raise InvalidInput(f"{files[-1]} holds no recording.", hint="Remove it, then `dgsm record`.")
    return recording
