"""What a refusal of a stream means, and what an answer that is late does: the last steps of `path_steps`."""

import re
from dataclasses import replace

from dgsm_helpers.rules.error_codes import KIND_BY_CODE
from dgsm_helpers.rules.path_steps import MAX_SKEW_S, Cause, PathStep, Refusal, Way, wrong_clock

_DATED = re.compile(
    r"signature expired|not yet current|is now earlier than|is still later than|request.*too skewed", re.IGNORECASE
)

SIGN_IN = "Sign in again (aws login, aws sso login), or take the execution role; check which profile is in use."
ACTION = "sagemaker:InvokeEndpointWithBidirectionalStream"
_NOT_FOUND = re.compile(r"(endpoint|variant)\b.*\bnot found|could not find", re.IGNORECASE)
_NOT_SERVING = re.compile(r"not in ?service|is not ready|no (healthy )?instances?", re.IGNORECASE)
_BUSY = {429, 503, 529}
MODEL_ERROR = 424
"""SageMaker found the container and the container refused: the way is open, its log has the reason (Deepgram)."""


def kind_of(refusal: Refusal) -> str:
    """What the refusal means by its code (`error_codes`), or by its words where a code is missing; "" for neither."""
    if kind := KIND_BY_CODE.get(refusal.code):
        return kind
    return next((kind for kind, words in _KIND_BY_WORDS if words.search(refusal.text)), "")


_KIND_BY_WORDS = (
    ("denied", re.compile(r"not authorized to perform|explicit deny|access denied", re.IGNORECASE)),
    ("expired", re.compile(r"token .*expired", re.IGNORECASE)),
    ("bad credentials", re.compile(r"security token|access key|request signature|authentication token", re.IGNORECASE)),
    ("throttled", re.compile(r"rate exceeded|too many requests|throttl", re.IGNORECASE)),
)


def refused(way: Way, refusal: Refusal, *, skew_s: float | None = None) -> PathStep:
    """The runtime's refusal of a stream, and which cause it is."""
    return replace(_named(way, refusal, skew_s), refusal=refusal)


def _named(way: Way, refusal: Refusal, skew_s: float | None) -> PathStep:
    kind, saw = kind_of(refusal), f"refused with {refusal}"
    skewed = skew_s is not None and abs(skew_s) > MAX_SKEW_S
    if _DATED.search(refusal.text) or (skewed and kind in ("expired", "bad credentials")):
        return wrong_clock(way, skew_s, saw)
    if "valid region" in refusal.text or "correct region" in refusal.text:
        return PathStep("stream", saw, Cause.REGION, f"Streams are signed for {way.region}: is {way.host} its host?")
    if kind in ("expired", "bad credentials"):
        return PathStep("credentials", saw, Cause.CREDENTIALS, SIGN_IN)
    if kind == "denied":
        return PathStep("permission", saw, Cause.ACTION, f"Allow {ACTION} for this identity.")
    if _NOT_SERVING.search(refusal.text):
        fix = "Wait until it is InService: no instance takes streams before."
        return PathStep("instance", saw, Cause.FULL, fix)
    if kind == "throttled" or refusal.status in _BUSY or refusal.original_status in _BUSY:
        return PathStep("instance", saw, Cause.FULL, _ROOM)
    if kind == "missing" or _NOT_FOUND.search(refusal.text):
        return PathStep("endpoint", saw, Cause.ENDPOINT, "Check the endpoint's name, its variant, region and account.")
    if refusal.original_status is not None and 400 <= refusal.original_status < 500:
        return reached_the_model(f"the container does not take what was asked for: {refusal}")
    fix = "Look at the endpoint's state (dgsm doctor) and at its container's log (monitor.log_tail)."
    return PathStep("stream", saw, Cause.OTHER, fix, barred=refusal.status != MODEL_ERROR)


_ROOM = "Wait until streams end, scale out (02_register), or raise the maximum: dgsm doctor says what holds it back."


def reached_the_model(words: str) -> PathStep:
    """The way is open to its end, whatever the model thinks of what it was asked."""
    return PathStep("stream", f"reached the model; {words}")


LATE_S = 3.0
"""Silence costs a model next to nothing: when its end takes longer than this to be confirmed, others are in front."""


def late(words: str, *, barred: bool) -> PathStep:
    """Taken, and answered late or not at all."""
    return PathStep("instance", words, Cause.FULL, _ROOM, barred=barred)
