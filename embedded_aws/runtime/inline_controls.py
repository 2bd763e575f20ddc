"""Deepgram's controls within a text that is to be spoken: how a word is pronounced, and pauses.

No synthesiser here can be told a pronunciation, so the word is spoken as it is written.
"""

import re

_PRONOUNCED = re.compile(r'\\\{\s*"word"\s*:\s*"([^"]*)"\s*,\s*"pronounce"\s*:\s*"[^"]*"\s*\\\}')
LONGEST = 200
"""Characters of a control at most (assumption)."""
_PAUSE = re.compile(r"\\\{\s*pause\s*:")


def plain_text(text: str) -> tuple[str, int]:
    """The text as it is spoken, and how many pronunciations were in it."""
    return _PRONOUNCED.subn(r"\1", text)


def has_pause(text: str) -> bool:
    """Whether there is a pause in it, such as ``\\{pause:500ms\\}``."""
    return bool(_PAUSE.search(text))
