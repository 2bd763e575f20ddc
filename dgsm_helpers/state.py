"""Files under the state folder ($DGSM_HOME): what AWS cannot be asked for later.

Evidence of measured capacity is kept in ``capacity/``; what an endpoint was before a measurement pinned it or a pause
deleted it is kept in ``journal/`` until that is put back. Every file is JSON with a schema version.
"""

import fcntl
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgsm_helpers.errors import InvalidInput, NotFound, NotReady
from dgsm_helpers.session import Workbook
from dgsm_helpers.wire.evidence_schema import evidence_of
from dgsm_helpers.wire.whole_file import write_whole

SCHEMA = 1
EVIDENCE_SCHEMA = 2
"""Schema 1 knew streams of Nova-3 only; its evidence is read in the words of today."""


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` with its schema as a file that only its owner can read; a reader sees all of it or none.

    Raises:
        OSError: it cannot be written, as on a full disk; what was there stays, and nothing else is left.
    """
    text = json.dumps({"schema": SCHEMA, **content}, indent=1, default=str)
    write_whole(path, text, private=True)  # for a model's environment may hold a secret


def journal_files(wb: Workbook, what: str = "") -> list[Path]:
    """Files of the journal of the workbook's endpoint: of all its changes, or of one kind such as ``pause``.

    Whatever else lies there as JSON counts among all of them, so that it is read, refused and told of.
    """
    return list((wb.home / "journal" / wb.key).glob(f"{what}*.json"))


def set_aside(path: Path, why: str) -> str:
    """Rename a file that cannot be used, so that nothing stumbles over it again; says what was done."""
    try:
        path.replace(path.with_suffix(".aside"))
    except OSError as error:
        return f"{why} It is not used, and could not be set aside ({error})."
    return f"{why} It was set aside as {path.with_suffix('.aside').name}."


@dataclass(frozen=True)
class Record:
    """One file of the state folder that is read back and ended.

    ``kind`` and ``hint`` are for the error about a file that cannot be read: what it is not, and what to do then.
    ``schemas`` are those that can be read.
    """

    path: Path
    kind: str
    hint: str
    schemas: tuple[int, ...] = (SCHEMA,)

    def read[T](self, build: Callable[[dict[str, Any]], T]) -> T | None:
        """What ``build`` makes of the content without its schema; None when nothing is recorded.

        Raises:
            InvalidInput: the file is damaged, or of another version.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
            if not text:
                return None
            content = json.loads(text)
            schema = content.pop("schema")
            if schema not in self.schemas:
                known = " and ".join(map(str, self.schemas))
                raise ValueError(f"it has schema {schema}, this version reads {known}")
            return build(content)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidInput(f"{self.path} is not {self.kind}: {error}.", hint=self.hint) from error

    def write(self, content: Mapping[str, Any]) -> None:
        """Record ``content`` in place of what was recorded before."""
        write(self.path, content)

    def clear(self) -> None:
        """Record nothing."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self, busy: NotReady) -> Iterator[None]:
        """Within it the record is this process's alone.

        Raises:
            NotReady: ``busy``, when another process has it.
        """
        with self.path.with_suffix(".lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise busy from error
            yield


def read(path: Path) -> dict[str, Any]:
    """One measurement's JSON.

    Raises:
        NotFound: no such file.
        InvalidInput: not an evidence file, or of a newer schema.
    """
    measure_again = "Measure first (03_tune or dgsm tune)."
    file = Record(path, "an evidence file", measure_again, schemas=(SCHEMA, EVIDENCE_SCHEMA))
    content = file.read(evidence_of)
    if content is None:
        raise NotFound(f"No evidence at {path}.", hint=measure_again)
    return {"schema": EVIDENCE_SCHEMA, **content}


def newest(wb: Workbook, instance_type: str | None = None) -> dict[str, Any] | None:
    """The newest complete measurement for the workbook's endpoint, its file under ``evidence``; None without one.

    One of simultaneous turns is passed over: CloudWatch counts calls, and those speak for a part of their time only.

    Args:
        instance_type: only what was measured on this type.

    A file that is not an evidence file of this version is passed over, with a warning.
    """
    folder = wb.state_path(f"capacity/{wb.endpoint_name}/x").parent
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            content = read(path)
        except InvalidInput as error:
            warnings.warn(f"{error.message} It is passed over.", stacklevel=2)
            continue
        of_type = instance_type is None or content["fingerprint"].get("instance_type") == instance_type
        if of_type and content["unit"] != "turns" and not content["problem"] and content["feasible_max"] > 0:
            return {**content, "evidence": str(path)}
    return None


def keep_evidence(wb: Workbook, content: Mapping[str, Any]) -> Path:
    """Keep a measurement under the time it was made; its file, which never replaces another one.

    Args:
        content: as `CapacityResult.to_dict` makes it, and the ``problem`` if there was one.
    """
    name = f"capacity/{wb.endpoint_name}/" + content["measured_at"].replace(":", "").replace("+0000", "Z")
    path, number = wb.state_path(f"{name}.json"), 1
    while path.exists():
        number += 1
        path = wb.state_path(f"{name}-{number}.json")
    write(path, content)
    return path
