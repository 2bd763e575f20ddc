"""The journal: what a command takes away from an endpoint is on disk before it is taken, and until it is back.

AWS cannot be asked for what was there before, and a killed process puts nothing back: the next command on the endpoint
does, or ``dgsm restore``. One file for each change in progress, in the state folder.
"""

import getpass
import os
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from dgsm_helpers.aws.core.calls import account_id
from dgsm_helpers.aws.core.interrupts import put_off, termination_raises, unfailing
from dgsm_helpers.aws.core.money import fleet_usd_per_hour, prices_of
from dgsm_helpers.aws.endpoint import endpoint_state
from dgsm_helpers.aws.endpoint.endpoint_state import EndpointState
from dgsm_helpers.aws.scaling.held_variant import HeldVariant
from dgsm_helpers.aws.scaling.putting_back import PutBack, put_back, require_former
from dgsm_helpers.aws.scaling.setup_calls import Setup, scaling_of
from dgsm_helpers.errors import DgsmError, InvalidInput, NotReady
from dgsm_helpers.rules.names import account_of, require_name
from dgsm_helpers.session import Workbook
from dgsm_helpers.state import Record, journal_files, set_aside

_open: set[Path] = set()
"""Records of the changes that this process is in the middle of: what is within them is not put back by `finish`."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""The user's clock may be this far from AWS's, which refuses requests of clocks that are farther."""

type Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A change that has begun and is not over.

    ``what`` is a noun such as ``update``; ``by`` who began it, at ``since``. ``endpoint_created`` tells the endpoint
    from a later one of its name; it is empty where the command did not read the endpoint, and ``since`` has to tell.
    ``variant_name`` is the variant that the command was about. ``former`` is what was there before, as `putting_back`
    wants it for this kind, with what else the command wants to know. ``account`` is the endpoint's, where it is known.
    """

    what: str
    by: str
    since: str
    endpoint_name: str
    endpoint_created: str
    variant_name: str
    former: Mapping[str, Any] = field(repr=False)
    account: str = ""

    @property
    def began(self) -> datetime:
        """``since`` as a time."""
        return datetime.fromisoformat(self.since)

    def is_of(self, state: EndpointState) -> bool:
        """Whether it is of this endpoint and not of an earlier one of its name, or of one in another account."""
        same = state.created is None or state.created <= self.began + CLOCKS_DIFFER
        if self.endpoint_created:
            same = self.endpoint_created == str(state.created)
        return same and self.is_in(state.account)

    def is_in(self, account: str) -> bool:
        """Whether it is of an account, where both are known."""
        return account == self.account or not (account and self.account)

    def __str__(self) -> str:
        return f"the {self.what} of {self.endpoint_name} that {self.by} began on {self.began:%F %R} UTC"


@dataclass
class Page:
    """An entry of the journal with its record, to the command that made it; see `written`."""

    wb: Workbook
    record: Record
    entry: Entry
    say: Say
    held: HeldVariant | None = None
    settled: bool = False

    def write(self, former: Mapping[str, Any]) -> None:
        """Record ``former`` in place of what was recorded before."""
        self.entry = replace(self.entry, former=former)
        self.record.write(asdict(self.entry))

    def clear(self) -> None:
        """The change is over, and good: nothing is to be put back."""
        self.record.clear()
        self.settled = True

    def put_back(self) -> PutBack:
        """Make the endpoint what it was, and strike the entry out. Interrupts wait meanwhile.

        Raises:
            NotReady: it could not be put back. The entry stays.
        """
        self.settled = True
        try:
            with put_off(self.say):
                # Who agreed to a change agreed to its undoing.
                agreed = replace(self.wb, confirm_spend=True)
                what, former, since = self.entry.what, self.entry.former, self.entry.began
                done = put_back(agreed, what, former, since, held=self.held, say=self.say)
                self.record.clear()
        except (DgsmError, OSError) as error:
            raise NotReady(
                f"{self.entry.endpoint_name} could not be put back as it was before {self.entry}"
                f"{self._was()}: {getattr(error, 'message', error)}",
                hint=f"What it was is written down: `dgsm restore {self.entry.endpoint_name}` puts it back, and so "
                "does the next command on it.",
            ) from error
        return done

    def _was(self) -> str:
        return f" ({self.held.former})" if self.held else ""


@contextmanager
def written(
    wb: Workbook,
    what: str,
    state: EndpointState | None,
    former: Mapping[str, Any],
    *,
    held: HeldVariant | None = None,
    say: Say = print,
    arn: str = "",
) -> Iterator[Page]:
    """Within it ``former`` is on disk. An error or a signal puts it back; else the command says how it ends.

    ``state`` is the endpoint's, None where it was not read; ``arn``, of something in the same account, is for that.

    A command ends with `Page.put_back`, with `Page.clear`, or with neither: then the entry stays.

    Raises:
        NotReady: another process is in the middle of such a change.
        SpendNotConfirmed: the user agreed to nothing.
        OSError: it cannot be written down; then nothing was changed.
    """
    entry = Entry(
        what=what,
        by=_who(),
        since=wb.now().isoformat(),
        endpoint_name=wb.endpoint_name,
        endpoint_created=str(state.created) if state else "",
        variant_name=wb.variant_name,
        former=former,
        account=account_of(state.arn if state else arn) or account_id(wb),
    )
    if not wb.confirm_delete:
        _require_spend(wb, str(entry), state)
    record = _record(wb, entry)
    page = Page(wb, record, entry, unfailing(say), held)
    with termination_raises(), record.locked(_in_progress(str(entry))):
        page.write(former)
        try:
            _open.add(record.path)
            yield page
        except BaseException as error:
            if not page.settled:
                try:
                    back = page.put_back()
                except NotReady as also:
                    error.add_note(str(also))
                else:
                    if back.restored or not back.meanwhile:
                        error.add_note(f"The endpoint is as before: {', '.join(back.restored) or 'no scaling'}.")
                    for change in back.meanwhile:
                        error.add_note(f"Meanwhile {change}.")
            raise
        finally:
            _open.discard(record.path)


def unfinished(wb: Workbook, state: EndpointState) -> tuple[Entry, ...]:
    """What is to be put back on the endpoint as it is now, newest first; changes that a process is at are not."""
    return tuple(entry for record, entry in _entries(wb) if _concerns(wb, entry, state) and _is_left(record))


def latest(wb: Workbook, what: str) -> Entry | None:
    """The newest entry of this kind, of whichever endpoint of the workbook's name in its account."""
    found = [entry for _, entry in _entries(wb) if entry.what == what]
    account = account_id(wb) if any(entry.account for entry in found) else ""
    return next((entry for entry in found if entry.is_in(account)), None)


def finish(wb: Workbook, *, say: Say = print) -> tuple[str, ...]:
    """Put back what commands that were cut off have changed of the endpoint; in words, nothing when none was.

    Every command that changes scaling or capacity begins with it.

    Raises:
        NotReady: another process is in the middle of a change, or something could not be put back.
        SpendNotConfirmed: there is something to be put back, and the workbook was opened without
            ``confirm_spend=True``.
    """
    done: list[str] = []
    found = [(record, entry) for record, entry in _entries(wb) if record.path not in _open]
    state = endpoint_state.find(wb) if found else None
    for record, entry in found:
        if state is None or not _concerns(wb, entry, state):
            continue
        with record.locked(_in_progress(str(entry))):
            _require_spend(wb, f"Putting back what {entry} changed", state)
            reason = "it was cut off" if entry.is_of(state) else "the endpoint was made again without it"
            unfailing(say)(f"Putting back what {entry} changed: {reason}.")
            of_variant = replace(wb, variant_name=entry.variant_name)
            done.append(f"{entry}: {Page(of_variant, record, entry, unfailing(say)).put_back()}")
    return tuple(done)


def strike_out(wb: Workbook, *, of: EndpointState | None, what: str = "") -> None:
    """Strike out the entries of an endpoint that is as it is on purpose, and those of a kind of its name there."""
    for record, entry in _entries(wb):
        if of and record.path not in _open and (entry.is_of(of) or (entry.what == what and entry.is_in(of.account))):
            record.clear()


def _require_spend(wb: Workbook, what: str, state: EndpointState | None) -> None:
    """Stop unless the user agreed to pay for the endpoint as it is."""
    if wb.bills and wb.confirm_spend is not True:
        counts = state.instances_by_type if state else {}
        wb.require_spend(what, fleet_usd_per_hour(dict(prices_of(wb, counts)), counts) if counts else None)


def _is_left(record: Record) -> bool:
    try:
        with record.locked(NotReady("")):
            return True
    except NotReady:
        return False


def _concerns(wb: Workbook, entry: Entry, state: EndpointState) -> bool:
    """Whether an entry is of the endpoint as it is now, and something of it may have to be put back."""
    if state.status == "Deleting" or not entry.is_in(state.account):
        return False
    if entry.what != "pause" or entry.is_of(state):
        return entry.is_of(state)
    # A resume that was cut off, or a deployment by hand, has made it again; scaling that it has by now stays.
    setup = Setup.from_json(entry.former["setup"])
    (made,) = setup.of("CreateEndpoint")
    return state.status == "InService" and made["EndpointConfigName"] == state.config_name and not scaling_of(wb, setup)


def _record(wb: Workbook, entry: Entry) -> Record:
    created = "".join(filter(str.isalnum, entry.endpoint_created))
    return _at(wb.state_path(f"journal/{wb.key}/{entry.what}.{entry.variant_name}.{created}.{entry.account}.json"))


def _at(path: Path) -> Record:
    return Record(path, kind="a page of the journal", hint="Compare the endpoint's scaling with it yourself.")


def _entries(wb: Workbook) -> list[tuple[Record, Entry]]:
    """Every entry of the endpoint's name, newest first; a file that cannot be read is set aside."""
    found = []
    for path in journal_files(wb):
        try:
            entry = _at(path).read(partial(_entry, wb))
        except InvalidInput as error:
            warnings.warn(set_aside(path, str(error)), stacklevel=2)
            continue
        if entry is not None:
            found.append((_at(path), entry))
    return sorted(found, key=lambda pair: pair[1].since, reverse=True)


def _entry(wb: Workbook, content: Mapping[str, Any]) -> Entry:
    """The entry; raises, as `Record.read` expects it, where it is none that can be used."""
    entry = Entry(**content)
    if entry.endpoint_name != wb.endpoint_name or entry.began.tzinfo is None:
        raise ValueError(f"it is of {entry.endpoint_name!r} and began at {entry.since}")
    require_name("variant", entry.variant_name)
    require_former(entry.what, entry.former)
    if not entry.account and "setup" in entry.former:
        return replace(entry, account=Setup.from_json(entry.former["setup"]).account)
    return entry


def _in_progress(what: str) -> NotReady:
    return NotReady(f"{what[:1].upper()}{what[1:]} is in progress in another process.", hint="Wait for it, or end it.")


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in a container
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"
