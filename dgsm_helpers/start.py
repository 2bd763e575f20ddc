"""Step 0, ``00_start_here``: is everything there that later steps need?

`check`
    asks AWS and changes nothing; its report says what is missing and what to do about it.
"""

from collections.abc import Sequence
from dataclasses import replace

from dgsm_helpers.aws.account import preflight
from dgsm_helpers.load.transport.data_path import follow
from dgsm_helpers.session import Workbook

__all__ = ["check"]


def check(wb: Workbook, instance_types: Sequence[str] | None = None) -> preflight.PreflightReport:
    """Ask everything that can be asked before deploying; nothing is changed and nothing bills.

    Of the way of a stream, the part that needs no endpoint: name, port, proxy, certificate and HTTP/2.

    Args:
        instance_types: the pool to check quotas for; default: the pool Deepgram recommends for the listing's family.
    """
    report = preflight.check(wb, instance_types)
    barred = next((step for step in follow(wb, opening=False).steps if step.ends_the_way), None)
    row = preflight.Check("data path", "yes", "the runtime's port answers, is trusted and speaks HTTP/2")
    if barred is not None:
        row = preflight.Check("data path", "no", f"{barred.cause}: {barred.saw}", barred.fix)
    return replace(report, rows=(*report.rows, row))
