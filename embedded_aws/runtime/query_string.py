"""A query string as a container reads it, and how a container refuses one.

What a container does not know it refuses with 400, as Deepgram's does.
"""

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl

_MOST_DIGITS = 20
_LONGEST_QUOTED = 100


class ContainerRefused(Exception):
    """The container answers with an HTTP error instead of a stream or a whole answer.

    ``status`` is the container's own, ``code`` and ``message`` are Deepgram's ``err_code`` and ``err_msg``.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self, request_id: str) -> str:
        """Deepgram's error document."""
        return json.dumps({"err_code": self.code, "err_msg": self.message, "request_id": request_id})


def bad_request(message: str) -> ContainerRefused:
    """400 for a value that cannot be."""
    return ContainerRefused(400, "Bad Request", message)


class QueryString:
    """The parameters of one request, as the client gave them to SageMaker; a name may come several times.

    Raises:
        ContainerRefused: a name is in it that is not ``known``.
    """

    def __init__(self, text: str, known: Iterable[str]) -> None:
        self._pairs = parse_qsl(text, keep_blank_values=True)
        for name, _ in self._pairs:
            if name not in known:
                raise ContainerRefused(400, "unsupported_parameter", f"Unsupported query parameter: '{name}'.")
        self._last = dict(self._pairs)

    def get(self, name: str) -> str | None:
        """The newest value, None when there is none."""
        return self._last.get(name)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value, in order."""
        return tuple(value for given, value in self._pairs if given == name)

    def flag(self, name: str) -> bool:
        """Whether it is on; off when it is not there. Raises ContainerRefused: it is neither ``true`` nor ``false``."""
        value = self._last.get(name, "false").lower()
        if value not in ("true", "false"):
            raise bad_request(f"{name} must be true or false, not '{self._last[name]}'.")
        return value == "true"

    def is_on(self, name: str) -> bool:
        """Whether it asks for something, whatever its values are."""
        return any(value.lower() not in ("", "false") for value in self.all(name))

    def whole(self, name: str, low: int, high: int) -> int | None:
        """The whole number, None when it is not there. Raises ContainerRefused: it is none from ``low`` to ``high``."""
        value = self._last.get(name)
        if value is None:
            return None
        # Its length first: Python refuses to read a number of thousands of digits.
        digits = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
        if not digits or not low <= int(value) <= high:
            quoted = value[:_LONGEST_QUOTED]
            raise bad_request(f"{name} must be a whole number from {low} to {high}, not '{quoted}'.")
        return int(value)

    def number(self, name: str, low: float, high: float) -> float | None:
        """The number, None when it is not there. Raises ContainerRefused: it is none from ``low`` to ``high``."""
        value = self._last.get(name)
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise bad_request(f"'{name}' must be between {low:g} and {high:g}.")
        return number
