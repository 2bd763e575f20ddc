"""The same three calls as different systems export them, beside calls that nobody answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

BEGIN = datetime(2026, 11, 24, 9, 0, 0, tzinfo=UTC)
CALLS = ((900, 60), (0, 600), (120, 300))
"""Start and length in seconds, in the order of an export: not by start."""


def at(second: float) -> datetime:
    """A moment of the export."""
    return BEGIN + timedelta(seconds=second)


def stamp(second: float, pattern: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment, written."""
    return at(second).strftime(pattern)


def clock(seconds: float) -> str:
    """A length as H:MM:SS."""
    return str(timedelta(seconds=seconds))


def csv(*rows: Sequence[object], separator: str = ",", quoted: bool = False) -> bytes:
    """A CSV of rows."""
    mark = '"' if quoted else ""
    return "".join(separator.join(f"{mark}{cell}{mark}" for cell in row) + "\n" for row in rows).encode()


def asterisk(start: float, length: float, disposition: str = "ANSWERED") -> list[str]:
    """A row of ``Master.csv``; it rang for eight seconds."""
    answered = disposition == "ANSWERED"
    rang = stamp(start - 8)
    who = [
        "",
        "+4930",
        "100",
        "from-trunk",
        '""Müller, Jürgen"" <+4930>',
        "PJSIP/a-1",
        "PJSIP/b-2",
        "Dial",
        "PJSIP/b,30",
    ]
    took = [
        rang,
        stamp(start) if answered else "",
        stamp(start + length),
        str(length + 8),
        str(length if answered else 0),
    ]
    return [*who, *took, disposition, "DOCUMENTATION", "1764.1", ""]


ASTERISK_TABLE = (
    "calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,answer"
)


def asterisk_table() -> Iterable[Sequence[object]]:
    yield ASTERISK_TABLE.split(",")
    for start, length in CALLS:
        yield (stamp(start - 8), "", "", "", "", "", "", "Dial", "", length + 8, length, "ANSWERED", stamp(start))
    yield (stamp(30), "", "", "", "", "", "", "Dial", "", 20, 0, "NO ANSWER", "")


def contact(start: float, length: float | None, channel: str = "VOICE", **more: object) -> dict[str, object]:
    """A contact record of Amazon Connect."""
    end = {} if length is None else {"DisconnectTimestamp": stamp(start + length, "%Y-%m-%dT%H:%M:%SZ")}
    return {
        "ContactId": f"id-{start}-{channel}",
        "Channel": channel,
        "InitiationTimestamp": stamp(start - 5, "%Y-%m-%dT%H:%M:%SZ"),
        "ConnectedToSystemTimestamp": stamp(start, "%Y-%m-%dT%H:%M:%SZ"),
        "Agent": {"AgentInteractionDuration": 5},
        **end,
        **more,
    }


def contacts() -> list[dict[str, object]]:
    return [
        *(contact(*call) for call in CALLS),
        contact(*CALLS[1], LastUpdateTimestamp="later"),
        contact(50, 70, "CHAT"),
        contact(1000, None),
    ]


def contact_search() -> Iterable[Sequence[object]]:
    yield "Contact ID", "Channel", "Initiation timestamp", "Contact duration", "Disconnect timestamp", "Agent"
    for start, length in CALLS:
        yield f"id-{start}", "Voice", stamp(start), clock(length), stamp(start + length), "Jürgen"
    yield "id-chat", "Chat", stamp(50), clock(70), stamp(120), ""


def genesys(*, clocks: bool, whole: str = "YES") -> Iterable[Sequence[object]]:
    """The export of the interactions view, with durations as H:MM:SS or in milliseconds."""
    yield "Full Export Completed", "Filters", "Media Type", "Users", "Date", "Duration", "Direction", "Conversation ID"
    for start, length in CALLS:
        lasted = clock(length) if clocks else length * 1000
        yield (
            whole,
            "",
            "voice",
            "A",
            stamp(start, "%-m/%-d/%y".replace("%y", "%Y") + " %-I:%M %p"),
            lasted,
            "Inbound",
            start,
        )
    yield whole, "", "message", "A", stamp(60, "%-m/%-d/%Y %-I:%M %p"), 70, "Inbound", "chat"


def conversations(**more: object) -> dict[str, object]:
    """The answer of Genesys Cloud's analytics query."""
    made = [
        {
            "conversationId": f"c{start}",
            "conversationStart": at(start).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "conversationEnd": at(start + length).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "participants": [{"purpose": "customer"}],
        }
        for start, length in CALLS
    ]
    return {"conversations": made, "totalHits": len(made), **more}


def twilio() -> Iterable[Sequence[object]]:
    yield "Call Sid", "Type", "From", "To", "Status", "Start Time", "End Time", "Duration", "Price"
    for start, length in CALLS:
        yield f"CA{start}", "Phone", "+1", "+2", "Completed", at(start).isoformat(), "", length, "-0.01"
    yield "CA9", "Phone", "+1", "+2", "No Answer", at(20).isoformat(), "", 0, ""
    yield "CA8", "Phone", "+1", "+2", "Busy", at(25).isoformat(), "", "", ""


def twilio_api(**more: object) -> dict[str, object]:
    """The answer of Twilio's Calls API."""
    made = [
        {
            "sid": f"CA{start}",
            "status": "completed",
            "start_time": format_datetime(at(start)),
            "end_time": format_datetime(at(start + length)),
            "duration": str(length),
            "subresource_uris": {},
        }
        for start, length in CALLS
    ]
    made.append(
        {"sid": "CA9", "status": "busy", "start_time": format_datetime(at(9)), "end_time": None, "duration": "0"}
    )
    return {"calls": made, "next_page_uri": None, **more}


def plain(pattern: str = "%Y-%m-%dT%H:%M:%SZ", *, separator: str = ",", **more: object) -> bytes:
    """The table that needs no word about its columns."""
    rows = [(stamp(start, pattern), length) for start, length in CALLS]
    return csv(("start", "duration_s"), *rows, separator=separator, **more)


def epoch(factor: int) -> bytes:
    return csv(
        ("start", "end"), *((int(at(s).timestamp() * factor), int(at(s + n).timestamp() * factor)) for s, n in CALLS)
    )


JSON_LINES = "\n".join(map(json.dumps, contacts()))

FILES: dict[str, bytes] = {
    "Master.csv": csv(*(asterisk(*call) for call in CALLS), asterisk(30, 0, "NO ANSWER"), quoted=True),
    "Master.csv without unique ids": csv(*(asterisk(*call)[:16] for call in CALLS), quoted=True),
    "Asterisk's table": csv(*asterisk_table()),
    "Connect's contact records": JSON_LINES.encode(),
    "Connect's contact records in one line": "".join(map(json.dumps, contacts())).encode(),
    "Connect's contact records as an array": json.dumps(contacts()).encode(),
    "Connect's contact search": csv(*contact_search()),
    "Connect's contact search with a byte-order mark": "\ufeff".encode() + csv(*contact_search(), quoted=True),
    "Genesys' interactions": csv(*genesys(clocks=True)),
    "Genesys' interactions in milliseconds": csv(*genesys(clocks=False), quoted=True),
    "Genesys' conversations": json.dumps(conversations()).encode(),
    "Genesys' conversations in pages": (json.dumps(conversations(totalHits=99)) + json.dumps(conversations())).encode(),
    "Twilio's call log": csv(*twilio(), quoted=True),
    "Twilio's API": json.dumps(twilio_api()).encode(),
    "plain": plain(),
    "plain with semicolons": plain("%d.%m.%Y %H:%M:%S", separator=";"),
    "plain with tabs, UTF-16": plain("%Y/%m/%d %H:%M:%S", separator="\t").decode().encode("utf-16"),
    "plain, UTF-16 without a mark": plain().decode().encode("utf-16-le"),
    "plain with bars": plain("%d-%b-%Y %H:%M:%S", separator="|"),
    "plain with Excel's separator line": b"sep=;\n" + plain(separator=";"),
    "plain, American": plain("%m/%d/%Y %I:%M:%S %p"),
    "plain, British": plain("%d/%m/%Y %H:%M:%S"),
    "plain, named months": plain("%a %d %b %Y %H:%M:%S +0000"),
    "plain, American months": plain("%B %d %Y %H:%M:%S"),
    "plain, without separators": plain("%Y%m%d%H%M%S"),
    "plain, without separators or seconds": plain("%Y%m%d%H%M"),
    "plain, without separators, with fractions": plain("%Y%m%d%H%M%S.000"),
    "plain, without separators, with a zone": plain("%Y%m%d%H%M%SZ"),
    "plain, without separators, with an offset": plain("%Y%m%d%H%M%S+0000"),
    "plain, without separators, with ends": csv(
        ("start", "end"), *((stamp(s, "%Y%m%d%H%M%S"), stamp(s + n, "%Y%m%d%H%M%S")) for s, n in CALLS)
    ),
    "Unix seconds": epoch(1),
    "Unix milliseconds": epoch(1000),
    "cp1252": csv(("start", "duration_s", "agent"), *((stamp(s), n, "Jürgen") for s, n in CALLS))
    .decode()
    .encode("cp1252"),
    "zero durations": plain() + b"2026-11-24T09:00:05Z,0\n",
    "clocks": csv(("start", "duration"), *((stamp(s), clock(n)) for s, n in CALLS)),
    "decimal commas": csv(("Start", "Duration_S"), *((stamp(s), f"{n},0") for s, n in CALLS), separator=";"),
}
"""Whatever wrote them: the same three calls."""
