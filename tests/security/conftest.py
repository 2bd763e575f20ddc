"""The closing table of `make fuzz`."""

from __future__ import annotations

import pytest
from kit.fuzz_targets import REFUSED, TAKEN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tally = next((m.tally for m in _modules(terminalreporter)), {})
    if tally:
        terminalreporter.write_line(f"\n{'target':<16}{'inputs':>9}{'taken':>9}{'refused':>9}")
    for name, counts in tally.items():
        terminalreporter.write_line(f"{name:<16}{counts.total():>9}{counts[TAKEN]:>9}{counts[REFUSED]:>9}")


def _modules(reporter: pytest.TerminalReporter):
    session = reporter._session
    return {item.module for item in session.items if hasattr(item.module, "tally")} if session else ()
