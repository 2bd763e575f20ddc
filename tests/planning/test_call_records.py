"""Call records as other systems export them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import traffic_files
from kit.traffic_files import BEGIN, CALLS, FILES, conversations, csv, genesys, plain, stamp, twilio_api

from dgsm_helpers.errors import InvalidInput
from dgsm_helpers.planning.cells import Cell
from dgsm_helpers.planning.moments import moments
from dgsm_helpers.planning.sources import load_traffic, traffic_from

EXPECTED = sorted(CALLS)


def notes_of(content: bytes, **given_) -> str:
    return " ".join(traffic_from(content, name="calls.csv", **given_).notes)


@pytest.mark.parametrize("kind", FILES)
def test_a_foreign_export_of_three_calls_is_these_three_calls(kind):
    traffic = traffic_from(FILES[kind], name="calls")
    assert list(zip(traffic.starts_s, traffic.durations_s, strict=True)) == EXPECTED
    assert traffic.begin_s == BEGIN.timestamp()
    assert traffic.horizon_s == 960
    # Two of them overlap from the second minute to the seventh.
    assert traffic.concurrency(60.0).tolist() == [1, 1, *[2] * 5, *[1] * 2, 1, 0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Master.csv", "1 of 4 records are calls that nobody answered (disposition), so it is left out."),
        ("Connect's contact records", "1 of 6 records are no voice calls (Channel), so it is left out."),
        ("Connect's contact records", "1 of 5 records came again (ContactId); the last of each counts."),
        ("Connect's contact records", "1 of 4 calls have no end: they were not answered, or are still going on."),
        ("Genesys' interactions", "1 of 4 records are no voice calls (Media Type), so it is left out."),
        ("Genesys' interactions", "Dates are read month first: 11/24/2026 9:15 AM (Line 2 of calls.csv)"),
        ("Twilio's call log", "2 of 5 records are calls that nobody answered (Status), so they are left out."),
        ("zero durations", "1 of 4 calls lasted no time: nobody answered, so it is left out."),
        ("cp1252", "calls.csv is not UTF-8; its letters were read as Windows-1252."),
        ("plain, British", "Dates are read day first: 24/11/2026 09:15:00 (Line 2 of calls.csv)"),
        ("plain with semicolons", "Times that name no zone are taken as UTC"),
    ],
)
def test_what_is_left_out_or_assumed_of_a_foreign_export_is_told(kind, says):
    assert says in notes_of(FILES[kind])


@pytest.mark.parametrize(
    "kind",
    [
        "Connect's contact records",
        "Connect's contact search",
        "Genesys' interactions",
        "Genesys' interactions in milliseconds",
        "Genesys' conversations",
    ],
)
@pytest.mark.parametrize("nothing", ["", "  ", "null"])
def test_calls_that_no_identity_tells_apart_are_kept_each(kind, nothing):
    content = FILES[kind].decode()
    if content.startswith("{"):
        said = nothing if nothing == "null" else f'"{nothing}"'
        content = re.sub(r'"(ContactId|conversationId)": "[^"]*"', rf'"\1": {said}', content)
    else:
        rows = [row.split(",") for row in content.splitlines()]
        column = next(
            n for n, name in enumerate(rows[0]) if name.strip('"').lower() in ("contact id", "conversation id")
        )
        for row in rows[1:]:
            row[column] = nothing.replace("null", "")
        content = "\n".join(map(",".join, rows))
    traffic = traffic_from(content.encode(), name="calls")
    # The contact records hold one of the calls twice, which nothing shows now.
    assert sorted({*zip(traffic.starts_s, traffic.durations_s, strict=True)}) == EXPECTED
    assert traffic.sessions == 3 + (kind == "Connect's contact records")
    assert "came again" not in " ".join(traffic.notes)


def test_of_some_calls_without_an_identity_those_with_one_still_count_once():
    header = ("Contact ID", "Channel", "Initiation timestamp", "Disconnect timestamp")
    rows = [(name, "Voice", stamp(at), stamp(at + 60)) for name, at in (("a", 0), ("", 10), ("a", 0), ("", 20))]
    traffic = traffic_from(csv(header, *rows), name="calls.csv")
    assert traffic.starts_s.tolist() == [0, 10, 20]
    assert "1 of 4 records came again (Contact ID)" in " ".join(traffic.notes)


def test_what_leaves_nothing_open_is_told_nothing_about():
    assert traffic_from(plain(), name="calls.csv").notes == ()


def test_columns_of_any_name_are_read_when_they_are_named():
    rows = [(stamp(start, "%d/%m/%Y"), stamp(start, "%H:%M:%S"), length * 1000) for start, length in CALLS]
    content = csv(("Tag", "Uhrzeit", "Dauer (ms)"), *rows, separator=";")
    traffic = traffic_from(content, name="c", columns="start=Tag+Uhrzeit, duration_ms=Dauer (ms), zone=Europe/Berlin")
    assert list(zip(traffic.starts_s, traffic.durations_s, strict=True)) == EXPECTED
    assert traffic.begin_s == BEGIN.timestamp() - 3600
    assert "UTC" not in " ".join(traffic.notes)


def test_named_columns_win_over_those_of_a_known_system():
    ringing = traffic_from(FILES["Asterisk's table"], name="c", columns="start=calldate,duration_s=duration")
    assert ringing.sessions == 4 and ringing.durations_s.tolist() == [608.0, 20.0, 308.0, 68.0]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("begin=Start", "known are start, duration_s"),
        ("start", "says nothing known"),
        ("start=", "says nothing known"),
        ("start=a,start=b,duration_s=c", "says nothing known"),
        ("start=when", "both their start and their length"),
        ("duration_s=length", "both their start and their length"),
        ("zone=Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("zone=../../etc/passwd", "no time zone"),
        ("start=start,duration_s=duration_s,dates=sideways", "no order of dates"),
        ("start=began,duration_s=duration_s", "no column began; it has start, duration_s"),
        ("start=start+began,duration_s=duration_s", "no column began; it has start, duration_s"),
        ("start=start,duration_s=talk", "neither a column talk"),
    ],
)
def test_impossible_columns_are_refused_in_words(columns, says):
    with pytest.raises(InvalidInput, match=says):
        traffic_from(plain(), name="calls.csv", columns=columns)


def lines(*rows: str, header: str = "start,duration_s") -> bytes:
    return "\n".join((header, *rows, "")).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no column start; it has nothing"),
        (lines(), "no rows"),
        (lines("1", header="start"), "neither a column duration_s nor duration_ms nor end"),
        (lines("1,5", ",5"), r"Line 3 of c.csv has no start"),
        (lines("1,"), "Line 2 of c.csv has no duration_s"),
        (lines("1,5", "-3,5"), "Line 3 of c.csv: start must not be -3"),
        (lines("9,0"), "no call that lasted any time"),
        (lines("9,8", header="start,end"), "Line 2 of c.csv: end '8' is 1 s before the call's start"),
        (lines("soon,5"), "start 'soon' is neither seconds nor a date and time"),
        (lines("1,2026-11-24"), "Line 2 of c.csv: duration_s '2026-11-24' is no length"),
        (lines("0,5,60"), "Line 2 of c.csv has more cells .* point"),
        (lines("", "1,5", "", "-3,5"), "Line 5 of c.csv: start must not be -3"),
        (lines("0,60000000"), "694.4 days.*milliseconds"),
        (lines("1795514400000,60000"), "duration_s '60000' would be more than half a day.*duration_ms="),
        (lines(f"0,{'5' * 200_000}"), "Line 2 of c.csv cannot be read"),
        (lines("0,1e400"), "must not be 1e400"),
        (lines("0,nan"), "no length of time"),
        (lines("0,1_000"), "no length of time"),
        (lines('0,"1,234"'), "a thousand or a fraction"),
        (
            lines("0,1.800", "9,95"),
            "Line 2 of c.csv: duration_s '1.800' may be a thousand or a fraction.*without a point",
        ),
        (
            lines("0,2", "9,2.700", "9,900", "9,0:01:00", "9,2.700"),
            "Line 3 of c.csv: duration_s '2.700' may be a thousand",
        ),
        (lines("0,95000", "9,1.800", header="start,duration_ms"), "duration_ms '1.800' may be a thousand"),
        (lines("0,5:30"), "minutes and seconds, or hours and minutes"),
        (lines("0,90", header="start,duration"), "duration '90' has no unit.*duration_s=duration"),
        (lines("9e14,5"), "no time in seconds or milliseconds"),
        (lines("2.0261124090000E+13,5"), "no time in seconds or milliseconds"),
        (lines("2.02611E+11,5"), "no time in seconds or milliseconds"),
        (lines("20260230090000,5"), "start '20260230090000' is no date and time"),
        (lines("202611242460,5"), "start '202611242460' is no date and time"),
        (lines("24112026090000,5"), "no time in seconds or milliseconds"),
        (lines("01112026090000,5"), "no time in seconds or milliseconds"),
        (lines("241120260900,5"), "no time in seconds or milliseconds"),
        (lines("261124090000,5", "261124093000,5"), "no time in seconds or milliseconds"),
        (lines("2611240900,5", "2611240930,5"), "start '2611240900' may be a date or a time, or seconds"),
        (lines("2411260900,5", "0112260930,5"), "start '2411260900' may be a date or a time, or seconds"),
        (lines("2026112409,5", "2026112410,5"), "start '2026112409' may be a date or a time, or seconds"),
        (lines("20261124,5", "20261125,5"), "start '20261124' may be a date or a time, or seconds"),
        (lines("24112026,5"), "start '24112026' may be a date or a time, or seconds"),
        (lines("103000,5", "093000,5"), "start '093000' may be a date or a time, or seconds"),
        (lines("0,2611240900", "0,2611240930", header="start,end"), "end '2611240900' may be a date or a time"),
        (lines("2026-11-24,5"), r"has no time of day.*start=start\+Time"),
        (lines("03/04/2026 09:00,5", "05/04/2026 09:00,5"), "day first or its month.*dates=day-first"),
        (lines("13/04/2026 09:00,5", "05/14/2026 09:00,5"), "Line 3 .* has its month first, but '13/04/2026 09:00'"),
        (lines("31.02.2026 09:00,5"), "is no date, read day first"),
        (lines("2026-11-24 25:00,5"), "no time of day"),
        (lines("2026-11-24 13:00 PM,5"), "no time of day"),
        (lines("2026-11-24 09:00 PST,5"), "the zone PST.*zone=America"),
        (lines("26/11/24 09:00,5"), "begin with its day or its year.*dates=day-first"),
        (lines("11/24/26,5"), "has no time of day"),
        (lines("46350.375,60", "46350.376,60"), "'46350.375' may be a day's number in a spreadsheet"),
        (lines('"46350,5",60'), "a day's number"),
        (
            lines("0,0.001389", "5,0.000694"),
            "Line 2 .*'0.001389' is the longest call, and less than a second.*h.:mm:ss",
        ),
        (lines("0,PT2M0S", header="start,duration"), "'PT2M0S' is no length of time.*H:MM:SS"),
        (lines("1,2,5", header="start,Start,duration_s"), "2 columns 'start'.*Rename"),
        (lines("1,2,5", header="start,duration_s,Duration S"), "2 columns 'duration_s'"),
        (b"PK\x03\x04 xlsx", "spreadsheet's own file.*Save it as CSV"),
        (b"\x1f\x8b gzip", "gunzip"),
        (b"start,duration_s\n\0\0\0\0,5", "cannot be read as text"),
        (csv(*genesys(clocks=True, whole="NO")), "Full Export Completed 'NO' says that the export is not complete"),
        (json.dumps(twilio_api(next_page_uri="/2010?Page=1")).encode(), "not complete: after 4 records"),
        (json.dumps(conversations(totalHits=9)).encode(), "not complete: after 3 records"),
        (json.dumps({"Contacts": [{"Id": "1"}], "NextToken": "x"}).encode(), "not complete: after 1 records"),
        (json.dumps([1, 2]).encode(), "telephone system prints: 1"),
        (json.dumps({"Contacts": []}).encode(), "holds no calls"),
        (b'{"Contacts": [{"Id": "1"}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_foreign_export_that_is_wrong_or_says_two_things_is_refused_by_file_line_column_and_value(content, says):
    with pytest.raises(InvalidInput, match=f"(?s){says}"):
        traffic_from(content, name="c.csv")


@pytest.mark.parametrize(
    "lengths",
    [
        ["12.345"],
        ["12.345", "1.800"],
        ["12.345", "7.5", "60"],
        ["12.345", "0.250", "60"],
        ["12.345", "60.0"],
        ["12.345", "0"],
        ["12.345", "7,5", "60"],
    ],
)
def test_fractions_are_fractions_where_their_column_says_so(lengths):
    rows = (f'{second},"{length}"' for second, length in enumerate(lengths))
    traffic = traffic_from(lines(*rows), name="c.csv")
    assert traffic.durations_s.tolist() == [float(length.replace(",", ".")) for length in lengths if length != "0"]


def test_numbers_of_json_are_fractions_without_a_column_that_says_so():
    records = [{"start": 0, "duration_s": 12.345}, {"start": 9, "duration_s": 60}]
    traffic = traffic_from(json.dumps(records).encode(), name="c.json")
    assert traffic.durations_s.tolist() == [12.345, 60]


def test_what_is_ambiguous_is_read_as_it_is_declared():
    content = lines("03/04/2026 09:00,5", "05/04/2026 09:00,5")
    starts = {
        order: traffic_from(content, name="c", columns=f"dates={order}").starts_s.tolist()
        for order in ("day-first", "month-first")
    }
    assert starts == {"day-first": [0.0, 2 * 86_400.0], "month-first": [0.0, 61 * 86_400.0]}
    zoned = traffic_from(lines("2026-11-24 09:00 CET,5"), name="c", columns="zone=Europe/Berlin")
    assert zoned.midnight_utc_s == 8 * 3600


@pytest.mark.parametrize(
    ("first", "second", "columns"),
    [
        ("24.11.26 09:00", "24.11.26 09:01", ""),
        ("11/24/26 9:00 AM", "11/24/26 9:01 AM", ""),
        ("24-11-26 09:00:00", "24-11-26 09:01:00", "dates=day-first"),
        ("36000.5", "36060.5", ""),
    ],
)
def test_a_year_of_two_figures_and_seconds_of_a_day_are_read_where_they_say_one_thing(first, second, columns):
    traffic = traffic_from(lines(f"{first},60", f"{second},60"), name="c.csv", columns=columns)
    assert traffic.starts_s.tolist() == [0, 60]
    assert traffic.begin_s in (None, datetime(2026, 11, 24, 9, tzinfo=UTC).timestamp())


@given(
    instants=st.lists(st.integers(946_684_800, 4_102_444_799), min_size=1, max_size=5),
    part=st.sampled_from(["", ".5", ",25"]),
    milliseconds=st.booleans(),
)
def test_unix_times_of_this_century_are_those_instants_whatever_date_their_digits_make(instants, part, milliseconds):
    # Beside one of today: after 2033 all of a column's seconds might be dates, too.
    texts = [f"{instant}{'123' * milliseconds}{part}" for instant in (*instants, 1_795_510_800)]
    read, _ = moments(Cell("Line", "start", text) for text in texts)
    assert read == [float(text.replace(",", ".")) / (1000 if milliseconds else 1) for text in texts]


@pytest.mark.parametrize("begin", [0, 80_000, 20_261_124, 2_611_240_900, 4_012_310_000])
def test_seconds_that_are_no_date_everywhere_are_seconds(begin):
    starts = range(begin, begin + 3600, 45)
    traffic = traffic_from(lines(*(f"{start},60" for start in starts)), name="c.csv")
    assert traffic.starts_s.tolist() == [start - begin for start in starts]


@pytest.mark.parametrize("title", ["Weekly report", "Weekly report,Berlin,,2026-11-25", '"Weekly; report"'])
@pytest.mark.parametrize("kind", ["Connect's contact search", "Genesys' interactions", "Twilio's call log", "plain"])
def test_what_stands_above_the_header_of_a_foreign_report_is_left_out_and_told(kind, title):
    content = FILES[kind].decode() if kind in FILES else plain().decode()
    above = f"{title}\n\nQueue: all, without breaks\n"
    traffic = traffic_from((above + content).encode(), name="c.csv")
    assert list(zip(traffic.starts_s, traffic.durations_s, strict=True)) == EXPECTED
    assert "What stands above the header of c.csv, 2 lines, was left out." in traffic.notes


def test_columns_that_were_named_are_looked_for_below_a_title_too():
    content = b"Anrufe im November\nTag;Uhr;Dauer\n24.11.26;09:00:00;60\n24.11.26;09:01:00;60\n"
    traffic = traffic_from(content, name="c.csv", columns="start=Tag+Uhr,duration_s=Dauer,zone=UTC")
    assert traffic.starts_s.tolist() == [0, 60]


def test_a_declared_zone_has_its_summer_time():
    summer = traffic_from(lines("2026-07-01 09:00,5"), name="c", columns="zone=Europe/Berlin")
    winter = traffic_from(lines("2026-12-01 09:00,5"), name="c", columns="zone=Europe/Berlin")
    assert (summer.midnight_utc_s, winter.midnight_utc_s) == (7 * 3600, 8 * 3600)
    named = traffic_from(lines("2026-07-01T09:00:00+05:30,5"), name="c", columns="zone=Europe/Berlin")
    assert named.midnight_utc_s == 3.5 * 3600


PATTERNS = ("%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S", "%d %b %Y %H:%M:%S", "%Y/%m/%d %I:%M:%S %p")


@given(
    calls=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 4000)), min_size=1, max_size=30),
    pattern=st.sampled_from(PATTERNS),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoted=st.booleans(),
    clocks=st.booleans(),
)
def test_calls_in_any_order_and_spelling_keep_their_concurrency(calls, **spelling):
    pattern, encoding, clocks = (spelling.pop(name) for name in ("pattern", "encoding", "clocks"))
    rows = [(stamp(s, pattern), f"{n // 3600}:{n // 60 % 60:02d}:{n % 60:02d}" if clocks else n) for s, n in calls]
    content = csv(("Agent", "Start", "Duration_S"), *(("é", *row) for row in rows), **spelling)
    content = content.decode().encode(encoding)
    answered = sorted((s, n) for s, n in calls if n)
    if not answered:
        with pytest.raises(InvalidInput, match="lasted any time"):
            traffic_from(content, name="c")
        return
    traffic = traffic_from(content, name="c")
    assert traffic.starts_s.tolist() == [s - answered[0][0] for s, _ in answered]
    assert sorted(traffic.durations_s.tolist()) == sorted(n for _, n in answered)
    assert ("left out" in " ".join(traffic.notes)) == (len(answered) < len(calls))
    moment = np.random.default_rng(0).uniform(0, traffic.horizon_s)
    alive = ((traffic.starts_s <= moment) & (traffic.starts_s + traffic.durations_s > moment)).sum()
    assert alive == sum(s - answered[0][0] <= moment < s - answered[0][0] + n for s, n in answered)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"start,duration_s\n", b'{"MetricDataResults":', b"Label: x\n", b"["]),
)
def test_no_bytes_end_in_anything_but_traffic_or_a_refusal(content, begin):
    try:
        assert traffic_from(begin + content, name="noise").sessions
    except InvalidInput:
        pass


@pytest.mark.parametrize("name", ["calls [2026].csv", "what?.csv", "~.csv", "diurnal.csv"])
def test_a_file_of_the_users_environment_is_found_by_its_name(tmp_path, name, monkeypatch):
    (tmp_path / name).write_bytes(traffic_files.plain())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for written in (name, str(tmp_path / name), f"~/{name}"):
        assert load_traffic(written).sessions == 3
