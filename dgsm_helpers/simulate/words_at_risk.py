"""What a scale-in costs callers in words: what they said since the last final result, unless they hand over.

The numbers are named assumptions (``words_per_second``, ``speech_at_risk_s``, ``hand_over`` in
``data/assumptions.toml``).
"""

from dgsm_helpers.rules.model import FIXED_RULES

_VALUES = {rule.name: rule.value for rule in FIXED_RULES}
WORDS_PER_SECOND = float(_VALUES["words_per_second"])
SPEECH_AT_RISK_S = float(_VALUES["speech_at_risk_s"])


def words_at_risk(calls_cut: int, *, handed_over: bool = False) -> int:
    """Words that are lost with so many calls cut, rounded.

    Args:
        calls_cut: streams that scale-ins cut; their callers open again at once.
        handed_over: whether callers keep their audio since the last final result and send it again: then none is lost.
    """
    return 0 if handed_over else round(calls_cut * WORDS_PER_SECOND * SPEECH_AT_RISK_S)


def said_of(calls_cut: int) -> str:
    """So many calls cut, in a sentence; empty where there are none."""
    if not calls_cut:
        return ""
    words = words_at_risk(calls_cut)
    return (
        f"It cuts {calls_cut} call{'s' * (calls_cut != 1)} by its scale-ins: about {words} words lost where callers do "
        "not hand over, none where they do."
    )
