"""What a recording holds, its file, and how its values compare with what is assumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dgsm_helpers import state
from dgsm_helpers.aws.core.tables import Table
from dgsm_helpers.places.kept_recording import FOLDER
from dgsm_helpers.recording.ground import Observed
from dgsm_helpers.rules.model import ScalingModel, agrees
from dgsm_helpers.session import Workbook


@dataclass
class AwsRecording(Table):
    """What steps saw: their words by step, their values by assumption, and the calls that can be replayed.

    ``path`` is its file in the state folder. `tests/recorded/` takes it as it is.
    """

    path: Path
    content: dict[str, Any]

    _columns = ("assumption", "assumed", "found", "", "step")

    @classmethod
    def kept(cls, wb: Workbook) -> Self:
        """As far as the place has been recorded before, empty at first; InvalidInput where its file is damaged."""
        path = wb.state_path(f"{FOLDER}/{wb.key}.json")
        kept = state.Record(path, "a recording", "Remove it and record anew.").read(dict)
        return cls(path, kept or {"seen": {}, "values": {}, "steps": []})

    @property
    def steps(self) -> dict[str, str]:
        """What each step saw, in words."""
        return dict(self.content["seen"])

    @property
    def values(self) -> dict[str, Any]:
        return {name: about["value"] for name, about in self.content["values"].items()}

    @property
    def deviations(self) -> dict[str, Any]:
        """The values that are not as assumed."""
        assumed = {a.name: a for a in ScalingModel().assumptions()}
        return {name: value for name, value in self.values.items() if not agrees(assumed[name], value)}

    @property
    def unsettled(self) -> tuple[str, ...]:
        """The assumptions that a step was to settle and did not."""
        asked = [a for a in ScalingModel().assumptions() if a.settled_by.removeprefix("step ") in self.steps]
        return tuple(a.name for a in asked if a.name not in self.values)

    def add(self, wb: Workbook, step: str, seen: Observed) -> None:
        """Keep what a step saw; written at once."""
        self.content |= {
            "about": f"What `dgsm record` saw of {wb.place_in_full} in {wb.region}.",
            "source": f"dgsm record on {wb.place_in_full}, {wb.region}",
            "date": f"{wb.now():%Y-%m-%d}",
            "service": "sagemaker",
            "grade": "recorded",
        }
        self.content["seen"][step] = seen.seen
        self.content["values"] |= {name: {"value": value, "step": step} for name, value in seen.values.items()}
        if seen.replay:
            self.content["steps"] += [{"anew": True}, *seen.replay]
        state.write(self.path, self.content)

    def to_dict(self) -> dict[str, Any]:
        return {**self.content, "deviations": self.deviations, "unsettled": self.unsettled, "file": str(self.path)}

    def _caption(self) -> str:
        settled, differ = len(self.values), len(self.deviations)
        return f"{self.content.get('source', 'Nothing recorded')}: {settled} values settled, {differ} not as assumed"

    def _rows(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = []
        for assumed in ScalingModel().assumptions():
            if assumed.name in self.values:
                found = self.values[assumed.name]
                verdict = "" if agrees(assumed, found) else "differs"
                shown = round(found, 1) if isinstance(found, float) else found
                rows.append((assumed.name, assumed.value, shown, verdict, assumed.settled_by.removeprefix("step ")))
        return rows

    def _notes(self) -> list[str]:
        notes = [f"{step}: {seen}." for step, seen in self.steps.items()]
        if self.unsettled:
            notes.append(f"Not settled: {', '.join(self.unsettled)}.")
        return [*notes, f"Written to {self.path}."]
