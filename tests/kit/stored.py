"""Pictures as they were when somebody last looked at them."""

from __future__ import annotations

import os
from pathlib import Path

SNAPSHOTS = Path(__file__).parents[1] / "views" / "figures" / "snapshots"


def agrees_with_snapshot(name: str, text: str) -> None:
    """Compare with the stored picture; UPDATE_SNAPSHOTS=1 stores it anew, to be looked at before it is committed."""
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
