"""Step 0, ``00_start_here``: is everything there that later steps need?

`check`
    asks AWS and changes nothing; its report says what is missing and what to do about it.
"""

from dgsm_helpers.aws.account.preflight import check

__all__ = ["check"]
