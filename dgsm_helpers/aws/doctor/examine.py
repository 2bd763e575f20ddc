"""The doctor: looks at an endpoint's live configuration once and says what is wrong, why, and what to do.

Each rule is a pure function of one snapshot (``*_rules``); reading it takes about ten calls (``gather``).
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from dgsm_helpers.aws.core.tables import Table, folded, html_table
from dgsm_helpers.aws.doctor.capacity_rules import CAPACITY_RULES
from dgsm_helpers.aws.doctor.endpoint_rules import ENDPOINT_RULES, KIND_RULE
from dgsm_helpers.aws.doctor.gather import gather
from dgsm_helpers.aws.doctor.policy_rules import POLICY_RULES
from dgsm_helpers.aws.doctor.snapshot import Expected, Rule, RuleVerdict, Snapshot, unknown
from dgsm_helpers.session import Workbook

__all__ = ["RULES", "Diagnosis", "Expected", "Finding", "RuleVerdict", "diagnose", "examine"]

RULES: tuple[Rule, ...] = (KIND_RULE, *CAPACITY_RULES, *POLICY_RULES, *ENDPOINT_RULES)

_MARKS = {RuleVerdict.OK: "✓", RuleVerdict.UNKNOWN: "?", RuleVerdict.WARN: "!", RuleVerdict.STOP: "✗"}


@dataclass(frozen=True)
class Finding:
    """One rule's answer: the values it rests on, what to do (empty when all is well), and where the rule comes from."""

    rule: str
    verdict: RuleVerdict
    evidence: str
    fix: str
    source: str

    @property
    def marked(self) -> str:
        """The verdict with a sign before it, so that it does not rest on colour."""
        return f"{_MARKS[self.verdict]} {self.verdict}"


@dataclass(frozen=True)
class Diagnosis(Table):
    """All findings, the worst first; ``str()`` is a table, a notebook shows it as HTML."""

    endpoint_name: str
    examined: datetime
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> RuleVerdict:
        """The worst verdict among the findings."""
        return max((f.verdict for f in self.findings), key=lambda verdict: verdict.rank, default=RuleVerdict.OK)

    @property
    def ok(self) -> bool:
        """True when nothing says STOP."""
        return self.worst is not RuleVerdict.STOP

    def __getitem__(self, rule: str) -> Finding:
        """The finding of the rule of that name; KeyError when there is none."""
        return {finding.rule: finding for finding in self.findings}[rule]

    def to_json(self) -> str:
        """The diagnosis as JSON."""
        content = {
            "endpoint": self.endpoint_name,
            "examined": self.examined.isoformat(timespec="seconds"),
            "worst": self.worst,
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)

    _columns = ("rule", "verdict", "evidence", "what to do", "source")

    def __str__(self) -> str:
        lines = [self._caption()]
        for finding in self.findings:
            lines.append(f"{finding.marked:<10} {finding.rule:<23} {finding.evidence}")
            if finding.fix:
                lines.append(f"{'':<11}→ {finding.fix}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """What is not in order with what to do; then how many are, which can be opened."""
        fine = [(f.rule, f.evidence, f.source) for f in self.findings if f.verdict is RuleVerdict.OK]
        in_order = html_table("", ("rule", "evidence", "source"), fine)
        return super()._repr_html_() + (folded(f"✓ {len(fine)} in order", in_order) if fine else "")

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (f.rule, f.marked.replace(" ", "\N{NO-BREAK SPACE}"), f.evidence, f.fix, f.source)
            for f in self.findings
            if f.verdict is not RuleVerdict.OK
        ]

    def _caption(self) -> str:
        counts = {verdict: sum(f.verdict is verdict for f in self.findings) for verdict in reversed(RuleVerdict)}
        listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"Endpoint {self.endpoint_name}, {self.examined:%Y-%m-%d %H:%M} UTC: {listed}"


def examine(wb: Workbook, expected: Expected | None = None) -> Diagnosis:
    """Hold the endpoint's live configuration against measured capacity, its traffic and AWS's rules.

    Reads only. Parts that this identity may not read make their rules UNKNOWN instead of failing the whole.

    Args:
        expected: what you know about the traffic, where CloudWatch's last three days do not show it.

    Raises:
        NotFound: no such endpoint or variant.
        DgsmError: AWS did not answer (throttled, expired credentials): nothing was found out.
    """
    return diagnose(gather(wb, expected or Expected()))


def diagnose(snapshot: Snapshot) -> Diagnosis:
    """Apply every rule to a snapshot. Pure."""
    findings = [_finding(rule, snapshot) for rule in RULES]
    findings.sort(key=lambda finding: -finding.verdict.rank)
    return Diagnosis(snapshot.endpoint.name, snapshot.now, tuple(findings))


def _finding(rule: Rule, snapshot: Snapshot) -> Finding:
    missing = [snapshot.unread[part] for part in rule.needs if part in snapshot.unread]
    passed_over = [snapshot.unjudged[part] for part in rule.needs if part in snapshot.unjudged]
    if passed_over:
        judged = unknown(f"not looked at: {passed_over[0]}", f"See the rule {KIND_RULE.name}.")
    else:
        judged = unknown(f"could not be read: {missing[0]}", "Make it readable.") if missing else rule.judge(snapshot)
    return Finding(rule.name, judged.verdict, judged.evidence, judged.fix, rule.source)
