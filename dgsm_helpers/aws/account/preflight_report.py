"""What a preflight found out: one answer per question, and whether anything speaks against deploying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dgsm_helpers.aws.core.tables import Table, mark
from dgsm_helpers.errors import NotReady

if TYPE_CHECKING:
    import pandas as pd

type CheckVerdict = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Check:
    """One question and its answer; ``fix`` says what to do when the answer is not yes."""

    name: str
    verdict: CheckVerdict
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class PreflightReport(Table):
    """All answers. ``unknown`` does not stop a deployment: it means that AWS would not say."""

    rows: tuple[Check, ...]

    _columns = ("name", "verdict", "detail", "fix")

    @property
    def ok(self) -> bool:
        """True when no answer is no."""
        return all(row.verdict != "no" for row in self.rows)

    def require(self) -> PreflightReport:
        """This report, if nothing speaks against deploying.

        Raises:
            NotReady: naming every answer that is no, with what to do.
        """
        bad = [row for row in self.rows if row.verdict == "no"]
        if bad:
            raise NotReady(
                "Not ready to deploy: " + "; ".join(f"{row.name}: {row.detail}" for row in bad) + ".",
                hint=" ".join(row.fix for row in bad),
            )
        return self

    def to_frame(self) -> pd.DataFrame:
        """The rows as a DataFrame: name, verdict, detail, fix."""
        import pandas as pd

        return pd.DataFrame([(r.name, r.verdict, r.detail, r.fix) for r in self.rows], columns=list(self._columns))

    def _caption(self) -> str:
        counts = {v: sum(r.verdict == v for r in self.rows) for v in ("yes", "no", "unknown")}
        return "Preflight: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(r.name, mark(r.verdict), r.detail, r.fix if r.verdict != "yes" else "") for r in self.rows]
