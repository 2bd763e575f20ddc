"""Every error that dgsm_helpers raises on purpose.

One ``except DgsmError`` catches them all. Each message says what happened, which value, and what to do next;
``hint`` holds that last part alone, for tables and for exit messages.
"""

import linecache
import sys


class DgsmError(Exception):
    """Base of all errors of this package.

    Args:
        message: what happened, with the offending value in it.
        hint: what to do next, one sentence; part of ``str(error)``.

    In a notebook it shows as these, and the line of the notebook that met it, instead of a traceback.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of the traceback, which ``%xmode Verbose`` and ``%tb`` bring back."""
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        if shell is not None and shell.InteractiveTB.mode != "Context":
            whole: list[str] = shell.InteractiveTB.structured_traceback(type(self), self, self.__traceback__)
            return whole
        lines = [f"{type(self).__name__}: {self.message}"]
        lines += [f"Next: {self.hint}"] if self.hint else []
        lines += [f"Note: {note}" for note in getattr(self, "__notes__", ())]
        lines += [f"Line: {line}"] if (line := self._line_of_the_notebook()) else []
        return [*lines, "(The whole traceback: run %xmode Verbose, then %tb.)"]

    def _line_of_the_notebook(self) -> str:
        """The innermost line of a cell on the way to the error, "" when there is none."""
        line, trace = "", self.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__name__") == "__main__":
                line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno).strip() or line
            trace = trace.tb_next
        return line


class InvalidInput(DgsmError, ValueError):
    """A value the caller gave cannot be right; nothing was called or made."""


class InvalidRequest(InvalidInput):
    """AWS's own service model refuses the request; ``problems`` lists every reason found, not only the first."""

    def __init__(self, message: str, *, hint: str = "", problems: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class UnknownParameter(InvalidInput):
    """A notebook has no parameter of that name."""


class UnsupportedFeature(InvalidInput):
    """AWS or Deepgram does not offer what was asked for; the message quotes their reason."""


class NotFound(DgsmError, LookupError):
    """What was named does not exist."""


class NotReady(DgsmError):
    """It exists, but its state does not allow the call yet."""


class NotConfirmed(DgsmError):
    """The call needs the user's consent, which is given each time and never kept."""


class SpendNotConfirmed(NotConfirmed):
    """The call would start billing; it states the price and needs ``confirm_spend=True``."""


class DeletionNotConfirmed(NotConfirmed):
    """The call would delete from the user's account; it says what and needs ``confirm_delete=True``."""


class DeployFailed(DgsmError):
    """An endpoint ended in ``Failed``.

    ``kind`` is one of quota, capacity, driver, not-subscribed, environment-not-allowed, type-not-supported,
    container-never-started, download-timeout, container-failed, unknown.
    """

    def __init__(self, message: str, *, hint: str = "", kind: str = "unknown") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class AwsCallFailed(DgsmError):
    """AWS answered a call with an error.

    ``code``, ``operation`` and ``request_id`` are AWS's own words, for a support case.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", operation: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.operation = operation
        self.request_id = request_id


class AccessDenied(AwsCallFailed):
    """The identity may not do this; the message names the action to allow."""


class CredentialsProblem(AwsCallFailed):
    """No credentials were found, or they are expired or invalid."""


class QuotaExceeded(AwsCallFailed):
    """A service quota is zero or used up; the message names it."""


class Throttled(AwsCallFailed):
    """Still throttled after the client's own retries."""


class StreamFailed(DgsmError):
    """A stream could not be opened; what went wrong later is recorded in its trace instead."""


class MeasurementInvalid(DgsmError):
    """Load ran, but its numbers may not be used; the message says which guard tripped."""


class LocalError(DgsmError):
    """Something about the embedded AWS itself, not about the service it stands for."""


class LocalNotRunning(LocalError):
    """Nothing answers for this state folder."""


class LocalStartFailed(LocalError):
    """The embedded AWS did not come up; the message carries the end of its log."""
