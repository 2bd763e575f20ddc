"""Where another Python process spends its time: the stack of its main thread, whenever a signal from outside comes.

A sampler thread inside would see the process only where it lets go of the interpreter (system calls, long hashes),
whatever else takes its time. A signal comes at any time, and its handler runs where the main thread is: in the function
itself, or in the one that has just called into C.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

_EVERY_S = 0.01
_IN_THE_PROCESS = """
import os, signal

def look(number, frame):
    stack = []
    while frame is not None:
        stack.append(f"{{frame.f_code.co_filename}}\\t{{frame.f_code.co_qualname}}")
        frame = frame.f_back
    os.write(seen, ("\\t".join(stack) + "\\n").encode())

seen = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
signal.signal(signal.SIGPROF, look)
"""
_WAITING = "selectors.py EpollSelector.select"


@dataclass(frozen=True)
class Spent:
    """One function's share of the time: ``own`` with the C functions it calls, ``whole`` with everything it calls."""

    function: str
    own: float
    whole: float


class Stacks:
    """Samples a process that was started within `watched`, into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = folder / "stacks"
        (folder / "sitecustomize.py").write_text(_IN_THE_PROCESS.format(file=str(self._seen)))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What is started within can be looked at."""
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (str(self._folder), before) if path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before

    def sample(self, pid: int, seconds: float) -> None:
        """Look a hundred times a second, for ``seconds``; what was seen before is forgotten."""
        self._seen.write_bytes(b"")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            os.kill(pid, signal.SIGPROF)
            time.sleep(_EVERY_S)

    def spent(self) -> tuple[float, list[Spent]]:
        """Share of the looks that found it at work, and its functions' shares of those, largest own share first."""
        own: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        looks = [line.split("\t") for line in self._seen.read_text().splitlines()]
        stacks = [[_named(*frame) for frame in batched(look, 2)] for look in looks]
        at_work = [stack for stack in stacks if stack[0] != _WAITING]
        for stack in at_work:
            own[stack[0]] += 1
            whole.update(set(stack))
        total = max(len(at_work), 1)
        functions = [Spent(name, count / total, whole[name] / total) for name, count in own.most_common()]
        return len(at_work) / max(len(stacks), 1), functions


def _named(file: str, function: str) -> str:
    path = Path(file)
    # Modules of the standard library, and what dataclasses and named tuples make, are in no package's folder.
    folder = "" if path.parent.name.startswith("python3") else path.parent.name
    return f"{Path(folder, path.name)} {function}"
