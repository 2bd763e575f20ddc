"""Text files that are written whole or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

_IN_PLACE = ("/dev/", "/proc/")
_LONGEST_NAME = 200


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Write the text as UTF-8: a reader sees all of it, or what was there before.

    What a link leads to is written, and keeps its mode; a device or a pipe is written to as it is.

    Args:
        private: only its owner can read it, from the first; a link of its name is replaced.

    Raises:
        OSError: it cannot be written, as on a full disk; what was there stays, and nothing else is left.
    """
    if not private:
        if str(path).startswith(_IN_PLACE) or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
            return
        path = path.resolve()
    # New, so that no link is followed.
    new = path.with_name(f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.new")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
        with open(handle, "w", encoding="utf-8") as file:
            if not private and path.exists():
                os.fchmod(handle, path.stat().st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(handle)  # or a power cut leaves an empty file under the name
        os.replace(new, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(new)
        if isinstance(error, OSError):  # which was asked for, not the one beside it
            error.filename, error.filename2 = str(path), None
        raise
