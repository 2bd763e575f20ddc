"""Faults on demand: what ``dgsm local fault`` sets, and what gateway, fleet, runtime and metrics ask before they act.

One registry for the whole embedded AWS. A fault stays until it is cleared or has struck ``count`` times.
"""

import itertools
import math
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from typing import Any

from dgsm_helpers.errors import InvalidInput

ANY = "*"


@dataclass(frozen=True, kw_only=True)
class FaultParameter:
    """One parameter of a kind of fault. ``default`` None means: no limit for ``count``, required otherwise."""

    name: str
    help: str
    type: type = str
    default: str | int | float | None = None
    choices: tuple[str, ...] = ()

    @property
    def required(self) -> bool:
        """Whether the operator must name it."""
        return self.default is None and self.name != "count"


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """A kind of fault, with what an operator may say about it."""

    name: str
    help: str
    parameters: tuple[FaultParameter, ...]


_TYPES = {"str": str, "int": int, "float": float}
_TABLE = tomllib.loads((files("embedded_aws") / "data" / "faults.toml").read_text(encoding="utf-8"))


def _parameter(said: str | Mapping[str, Any]) -> FaultParameter:
    """A parameter of the table: one of those that several kinds have, by its name there, or a kind's own."""
    row = {"name": said, **_TABLE["parameters"][said]} if isinstance(said, str) else dict(said)
    return FaultParameter(**{**row, "type": _TYPES[row.get("type", "str")], "choices": tuple(row.get("choices", ()))})


KINDS: Mapping[str, FaultKind] = {
    row["name"]: FaultKind(name=row["name"], help=row["help"], parameters=tuple(map(_parameter, row["parameters"])))
    for row in _TABLE["faults"]
}


def kinds_to_json() -> dict[str, list[dict[str, Any]]]:
    """The kinds of fault, as ``GET /_dgsm/faults/kinds`` sends them to ``dgsm local fault``.

    ``{"kinds": [{"name", "help", "parameters": [{"name", "help", "type", "required", "default", "choices"}]}]}``:
    ``type`` is ``str``, ``int`` or ``float``; ``default`` is null when there is none; ``choices`` is empty when any
    value of the type will do.
    """
    return {
        "kinds": [
            {
                "name": kind.name,
                "help": kind.help,
                "parameters": [
                    asdict(parameter) | {"type": parameter.type.__name__, "required": parameter.required}
                    for parameter in kind.parameters
                ],
            }
            for kind in KINDS.values()
        ]
    }


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault that is set. ``count`` is how often it will still strike, None: until cleared; unused fields are None."""

    id: int
    kind: str
    service: str | None = None
    operation: str | None = None
    endpoint: str | None = None
    instance_type: str | None = None
    failure: str | None = None
    seconds: float | None = None
    sees: str | None = None
    count: int | None = None

    def to_json(self) -> dict[str, object]:
        """As the admin route and ``dgsm local fault --json`` show it; fields that say nothing are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Faults:
    """All faults that are set; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}

    def add(self, kind: str, **parameters: object) -> Fault:
        """Set a fault.

        Args:
            kind: one of ``KINDS``.
            parameters: that kind's parameters; text is converted, as it comes from a command line.

        Raises:
            InvalidInput: there is no such kind or parameter, one is missing, or a value cannot be right.
        """
        values = _checked(_kind(kind), parameters)
        with self._lock:
            fault = Fault(id=next(self._ids), kind=kind, **values)
            self._faults[fault.id] = fault
        return fault

    def add_json(self, body: object) -> Fault:
        """`add` the fault that a JSON object such as ``{"kind": "crash", "endpoint": "demo"}`` describes."""
        if not isinstance(body, Mapping) or not isinstance(body.get("kind"), str):
            raise InvalidInput(
                f"A fault is a JSON object with a kind, not {body!r}.", hint=f"Known faults: {', '.join(KINDS)}."
            )
        return self.add(body["kind"], **{str(name): value for name, value in body.items() if name != "kind"})

    def list(self) -> tuple[Fault, ...]:
        """The faults that are set, oldest first."""
        with self._lock:
            return tuple(self._faults.values())

    def clear(self, kind: str | None = None, *, fault_id: int | None = None) -> int:
        """Unset all faults, those of a kind (InvalidInput where there is none), or one; tells how many there were."""
        if kind is not None:
            _kind(kind)
        with self._lock:
            gone = [f.id for f in self._faults.values() if kind in (None, f.kind) and fault_id in (None, f.id)]
            for identifier in gone:
                del self._faults[identifier]
        return len(gone)

    def api(self, service: str, operation: str) -> str | None:
        """How a call fails now: ``expired-credentials``, ``denied``, ``throttling`` or None; counts as a strike."""
        if self._strike("expired-credentials") is not None:
            return "expired-credentials"
        # AWS answers GetCallerIdentity whatever the policies say.
        always_allowed = (service, operation) == ("sts", "GetCallerIdentity")
        for kind in ("throttling",) if always_allowed else ("denied", "throttling"):
            if self._strike(kind, service=service, operation=operation) is not None:
                return kind
        return None

    def shortage(self, instance_type: str) -> bool:
        """Whether there is no capacity of the type now."""
        return self._strike("shortage", instance_type=instance_type) is not None

    def failed_start(self, instance_type: str) -> str | None:
        """How an instance of the type fails to start now or None; counts as a strike."""
        fault = self._strike("failed-start", instance_type=instance_type)
        return fault.failure if fault else None

    def take(self, kind: str, endpoint: str) -> bool:
        """Whether a kind without a value of its own, such as ``crash``, strikes the endpoint; counts as a strike."""
        return self._strike(kind, endpoint=endpoint) is not None

    def cut_ending(self, endpoint: str) -> str | None:
        """How a stream of the endpoint ends that is cut now or None; counts as a strike."""
        fault = self._strike("cut-ending", endpoint=endpoint)
        return fault.sees if fault else None

    def session_limit_s(self, endpoint: str) -> float | None:
        """How long a stream of the endpoint may be, in wall seconds, or None for AWS's limit."""
        fault = self._strike("session-limit", endpoint=endpoint)
        return fault.seconds if fault else None

    def metrics_delay_s(self) -> float:
        """How late metrics become visible now, in local seconds."""
        return max((f.seconds or 0.0 for f in self.list() if f.kind == "slow-metrics"), default=0.0)

    def _strike(self, kind: str, **event: str) -> Fault | None:
        """The fault of the kind that strikes what happens now, counted down; None when none does."""
        with self._lock:
            for fault in self._faults.values():
                if fault.kind == kind and all(getattr(fault, key) in (ANY, value) for key, value in event.items()):
                    if fault.count == 1:
                        del self._faults[fault.id]
                    elif fault.count is not None:
                        self._faults[fault.id] = replace(fault, count=fault.count - 1)
                    return fault
        return None


def _kind(name: str) -> FaultKind:
    if name not in KINDS:
        raise InvalidInput(f"There is no fault {name!r}.", hint=f"Known faults: {', '.join(KINDS)}.")
    return KINDS[name]


def _checked(kind: FaultKind, values: Mapping[str, object]) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in kind.parameters}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise InvalidInput(
            f"The fault {kind.name} has no parameter {', '.join(unknown)}.", hint=f"It has: {', '.join(known)}."
        )
    return {name: _value(kind, parameter, values.get(name)) for name, parameter in known.items()}


def _value(kind: FaultKind, parameter: FaultParameter, value: object) -> str | int | float | None:
    if value is None:
        if parameter.required:
            raise InvalidInput(f"The fault {kind.name} needs {parameter.name}: {parameter.help}.")
        return parameter.default
    try:
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        converted = parameter.type(value) if plain else None
    except (TypeError, ValueError, OverflowError):
        converted = None
    if converted is None or (parameter.type is not str and not 0 < converted < math.inf):
        expected = {int: "a whole number above 0", float: "a number above 0", str: "text"}[parameter.type]
        raise InvalidInput(f"{parameter.name}={value!r} of the fault {kind.name} is not {expected}.")
    if parameter.choices and converted not in parameter.choices:
        raise InvalidInput(
            f"{parameter.name}={value!r} of the fault {kind.name} is unknown.",
            hint=f"Choose one of {', '.join(parameter.choices)}.",
        )
    return converted
