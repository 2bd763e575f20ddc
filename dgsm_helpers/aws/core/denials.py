"""Which kind of policy denied a call, told from AWS's message, and who can do what about it.

Source: IAM user guide, "Troubleshoot access denied error messages". Each kind is mended by somebody else: a further
permission on the identity helps against one of them only.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_KIND = r"(?P<kind>[\w-]+(?: [\w-]+){0,2}?) (?:policy|policies|boundary)"
_IMPLICIT = re.compile(rf"because no {_KIND} allows", re.IGNORECASE)
_EXPLICIT = re.compile(rf"with an explicit deny in (?:an?|the|your) {_KIND}", re.IGNORECASE)
_ACTION = re.compile(r"not authorized to perform:? ([a-z0-9-]+:\w+)(?:.*? on resource: [\"']?([^\s\"']+))?")
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:(?:organizations|iam):[^\s\"',]*:policy/[^\s\"',]+")

_TABLE = tomllib.loads((files("dgsm_helpers") / "data" / "denials.toml").read_text(encoding="utf-8"))
_NEXT_STEPS: Mapping[str, tuple[str, str]] = {
    kind: (steps["allowed_by_none"], steps["denied"]) for kind, steps in _TABLE["next_steps"].items()
}
# AWS's own page writes "sessions policy" once.
_BY_SPELLING = {kind.lower(): kind for kind in _NEXT_STEPS} | {"sessions": "session", "permission": "permissions"}
_UNTOLD = (
    "{it} is denied explicitly and AWS does not say by which policy: look for a Deny in the identity's policies, "
    "its permissions boundary and the organisation's service control policies."
)
_DECODE = "What AWS encoded there: aws sts decode-authorization-message --encoded-message …"


@dataclass(frozen=True)
class Denial:
    """Why AWS denies an action.

    ``kind`` is AWS's name of the policy's kind without the word policy, such as ``service control``; ``identity-based``
    when AWS names none. ``explicit``: a statement denies it, rather than none allowing it. ``told`` is False when AWS
    says that it is denied explicitly and not by what. ``policy_arn`` is empty unless AWS names the policy.
    """

    action: str
    resource: str = ""
    kind: str = "identity-based"
    explicit: bool = False
    told: bool = True
    policy_arn: str = ""

    @property
    def next_step(self) -> str:
        """What to do about it, and who can: a sentence."""
        it = f"{self.action} on {self.resource}" if self.resource else self.action
        text = (_NEXT_STEPS[self.kind][self.explicit] if self.told else _UNTOLD).format(it=it)
        return f"{text} The policy: {self.policy_arn}." if self.policy_arn else text


def read_denial(text: str, action: str) -> Denial:
    """The denial that AWS's message tells of.

    Args:
        text: AWS's message, which may be broken into lines.
        action: IAM's name of the call, for messages that name no action.
    """
    line = " ".join(text.split())
    named = _ACTION.search(line)
    action, resource = (named[1], named[2] or "") if named else (action, "")
    explicit = _EXPLICIT.search(line)
    found = explicit or _IMPLICIT.search(line)
    policy = _POLICY_ARN.search(line, found.end()) if found else None
    kind = _BY_SPELLING.get(found["kind"].lower()) if found else None
    is_explicit = "explicit deny" in line.lower()
    return Denial(
        action,
        # What no resource can be named for is written as a star.
        "" if resource == "*" else resource.rstrip(".,"),
        kind or "identity-based",
        is_explicit,
        told=kind is not None or not is_explicit,
        policy_arn=policy[0].rstrip(".") if policy else "",
    )


def next_step(text: str, action: str) -> str:
    """What to do about AWS's denial ``text`` of ``action``; see `read_denial`."""
    if "not subscribed" in text.lower():
        return "Subscribe to the listing in AWS Marketplace with this account, then repeat the call."
    step = read_denial(text, action).next_step
    return f"{step} {_DECODE}" if "encoded authorization" in text.lower() else step
