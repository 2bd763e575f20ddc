"""Next steps for a shell: the calls that messages name for a notebook, as the commands that do the same.

Messages are written once, for a notebook, since most of what raises them does not know who asks. What a verb prints
passes through `in_commands`.
"""

import re
import shlex
from collections.abc import Sequence

COMMANDS = {
    "cleanup.delete": "clean-up {} --yes",
    "cleanup.pause": "pause {}",
    "cleanup.resume": "resume {}",
    "deploy.choose_pool": "deploy {}",
    "deploy.deploy": "deploy {}",
    "deploy.plan": "deploy {}",
    "deploy.status": "status {}",
    "deploy.update": "update {} --instance-type TYPE",
    "monitor.log_tail": "logs {}",
    "register.apply": "register {}",
    "register.register": "register {}",
    "register.resume": "register {} --resume",
}
"""By the call; the braces stand for the endpoint and where it is."""

_OPTIONS = {"register.register": (("--min", "MIN"), ("--max", "MAX")), "register.apply": (("--target", "TARGET"),)}
"""What a call's further arguments are, each with what stands for a value that the message leaves open."""

_CALL = re.compile(rf"`?\b({'|'.join(map(re.escape, COMMANDS))})\(wb((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)`?")
_TWICE = re.compile(r"(`dgsm [^`]+`), \1")
_WORDS = (
    (re.compile(r"\bSet confirm_spend=True"), "Give --confirm-spend"),
    (re.compile(r"\bSet confirm_delete=True"), "Give --yes"),
    (re.compile(r'\brole_arn="([^"]+)" to open_workbook\(\)'), r"--role-arn \1"),
    (re.compile(r"\bas role_arn= to open_workbook\(\)"), "as --role-arn"),
)


def in_commands(text: str, place: Sequence[str] | None) -> str:
    """The text with commands for calls.

    Args:
        text: a message or an answer.
        place: endpoint and options of the line that is run; None when it names no endpoint.
    """
    there = "ENDPOINT" if place is None else shlex.join(place)

    def command(call: re.Match[str]) -> str:
        line = " ".join(["dgsm", COMMANDS[call[1]].format(there), *_given(call[1], call[2])])
        return f"`{' '.join(line.split())}`"

    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return _TWICE.sub(r"\1", _CALL.sub(command, text))


def _given(call: str, arguments: str) -> list[str]:
    """A call's further arguments as options: numbers as they are, what is left open by its name."""
    options = _OPTIONS.get(call, ())
    values = re.findall(r"\d+(?:\.\d+)?|…|\w+_capacity", arguments)
    if values == ["…"]:
        values *= len(options)
    pairs = zip(options, values, strict=False)
    return [f"{option} {value if value[0].isdigit() else open_name}" for (option, open_name), value in pairs]
