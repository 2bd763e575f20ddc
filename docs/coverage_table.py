"""Write docs/guides/coverage.md: what the embedded AWS answers, refuses, checks, and what of it real AWS has shown.

Made from the source, botocore's service models, the rules of the conformance tests, and `tests/recorded/`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path[:0] = [str(HERE.parent), str(TESTS)]

from kit.cross_field_rules import RULES  # noqa: E402
from kit.model_requests import ANSWERING, operations, violations  # noqa: E402

from dgsm_helpers.rules.request_checks import service_model  # noqa: E402

PAGE = HERE / "guides" / "coverage.md"
HEAD = """# What the embedded AWS covers

Made by `docs/coverage_table.py` from the source, botocore's service models, and the observations of real AWS in
`tests/recorded/`; `make docs` makes it anew.

- **Answered**: by the embedded AWS itself. Every other operation of these services is refused by name, never answered
  from an empty state.
- **Model**: constraints of botocore's model (required, type, values, range, length, pattern) that a test breaks one by
  one; each is refused as AWS does, at the member that breaks it. Whatever the model admits is put to the operation,
  too: nothing is a server error.
- **Prose**: requests that break a rule between members that AWS documents in words only.
- **Recorded**: observations of real AWS with this operation that are played against the embedded AWS in the test run.
"""
OTHERS = """
## Other services

IAM, STS, CloudWatch Logs, SNS, SQS and the like are answered by moto. What it cannot answer is refused by name.
Corrected are what is known to differ: role ARNs that are none, a log stream that exists, the class of log groups. Tags
are those of SageMaker's resources; the Resource Groups Tagging API refuses filters of other services.
"""


def recorded() -> Counter[str]:
    """How many recordings hold an answer of an operation, by ``service.Operation``."""
    found: Counter[str] = Counter()
    for path in (TESTS / "recorded").rglob("*.json"):
        steps = json.loads(path.read_text(encoding="utf-8"))["steps"]
        calls = [step.get("until", step) for step in steps]
        found.update({s["call"] for s in calls if "call" in s and (s.get("refuses") or s.get("answers"))})
    return found


def page() -> str:
    """The page's text."""
    seen = recorded()
    parts = [HEAD]
    for service in ANSWERING:
        answered = operations(service)
        refused = [name for name in service_model(service).operation_names if name not in answered]
        rows = [
            f"| {name} | {len(list(violations(service, name)))} | {_prose(service, name) or ''} "
            f"| {seen[f'{service}.{name}'] or ''} |"
            for name in answered
        ]
        parts.append(
            f"\n## {service}\n\n{len(answered)} operations are answered, {len(refused)} refused by name.\n\n"
            "| answered | model | prose | recorded |\n|---|---:|---:|---:|\n" + "\n".join(rows) + "\n"
        )
        if refused:
            parts.append(f"\n<details><summary>Refused by name</summary>\n{', '.join(refused)}\n</details>\n")
    parts.append(OTHERS)
    others = sorted(name for name in seen if name.partition(".")[0] not in ANSWERING)
    parts.append(f"\nRecorded of these: {', '.join(others)}.\n")
    return "".join(parts)


def _prose(service: str, operation: str) -> int:
    return sum(len(rule.breaks) for rule in RULES if (rule.service, rule.operation) == (service, operation))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
