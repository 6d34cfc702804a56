from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import InvalidRequestError
from streamhub.filters import EVERYTHING, Filter, parse_time, time_of
from streamhub.line import stand_in

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
EARLIER: Final = NOON - timedelta(microseconds=1)
STAND_IN: Final = stand_in("0123abcd", 0, 9, "json")

# --- Times ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.000000Z",
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00",
        "2026-01-31T12",
        "2026-01-31 12:00:00",
        "2026-01-31 12:00",
        "20260131T120000Z",
        "20260131 120000",
        "2026-01-31T12:00:00+00:00",
        "2026-01-31T12:00:00-00:00",
        "2026-01-31T14:00:00+02:00",
        "2026-01-31T07:00:00-05:00",
        "2026-01-31T14:00:00 02:00",  # a '+' that was not escaped in an address
        "2026-01-31T14:00 02:00",
        "2026-01-31T14:00:00.000 0200",
        "2026-01-31 14:00:00 02:00",
        "2026-01-31T14 02:00",
        "20260131T140000 0200",
        "2026-W05-6T12:00:00Z",
        " 2026-01-31T12:00:00Z\n",  # white space around it does no harm
    ],
)
def test_time(text: str) -> None:
    """ISO 8601 in its usual forms; no zone means UTC, a space before the zone is read as a plus."""
    assert parse_time(text) == NOON
    assert parse_time(text).tzinfo is not None


def test_date() -> None:
    """A date alone is its midnight, UTC."""
    assert parse_time("2026-01-31") == NOON.replace(hour=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "now",
        "yesterday",
        "12:00:00",
        "1769860800",
        "2026-01-31T25:00:00Z",
        "2026-02-30",
        "2026-01-31T12:00:00+25:00",
        "2026-01-31T12:00:00ZZ",
        "2026-01-31T12:00:00 +02:00 02:00",
        "\n",
        "\x00",
        "2026-01-31T12:00:0\u0660Z",
        "\ud800",
        "x" * 1000,
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_no_time(text: str) -> None:
    """What is no time is refused in one line that says how to write one."""
    with pytest.raises(InvalidRequestError, match="ISO 8601") as caught:
        parse_time(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@given(st.text(max_size=40) | st.from_regex(r"[0-9TWZ:+. -]{0,30}", fullmatch=True))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Any text is a time with a zone, or refused in one printable line."""
    try:
        time = parse_time(text)
    except InvalidRequestError as error:
        refusal = str(error)
    else:
        refusal = ""
        assert time.tzinfo is not None
    assert refusal.isprintable()


zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=zones | st.just(UTC)))
def test_times_there_and_back(time: datetime) -> None:
    """A time that was written down reads as that time; also in an address, where its plus became a space."""
    text = time.isoformat()
    assert parse_time(text) == time
    assert parse_time(text.replace("+", " ")) == time
    assert time_of(json.dumps({"timestamp": text}).encode()) == time


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (b'{"timestamp":"2026-01-31T12:00:00Z"}', NOON),
        (b' { "a" : {"timestamp":1} , "timestamp" : "2026-01-31T12:00:00" }\r', NOON),
        (b'{"timestamp":"2026-01-31T12\\u003a00:00Z"}', NOON),
        (b'{"timestamp":"1999-01-01","timestamp":"2026-01-31T12:00:00Z"}', NOON),
        (b'{"timestamp":"2026-01-31T12:00:00Z","detail":"\\ud83d"}', NOON),
        (b'{"timestamp":"2026-01-31T12:00:00Z","n":1e999,"m":' + b"9" * 5000 + b"}", NOON),
        (b'{"timestamp":"tomorrow"}', None),
        (b'{"timestamp":1769860800}', None),
        (b'{"timestamp":1e999}', None),
        (b'{"timestamp":null}', None),
        (b'{"timestamp":["2026-01-31T12:00:00Z"]}', None),
        (b'{"payload":{"timestamp":"2026-01-31T12:00:00Z"}}', None),
        (b"{}", None),
        (STAND_IN, None),
    ],
    ids=range(14),
)
def test_time_of(line: bytes, time: datetime | None) -> None:
    """A line's time is its own ``timestamp``, however it is written; None when there is none to be read."""
    assert time_of(line) == time


@given(st.binary(max_size=80))
def test_time_of_noise(noise: bytes) -> None:
    """No bytes at all make it fail."""
    time_of(noise)


# --- Filters ----------------------------------------------------------------------------------------------------


def line_of(event_type: object = "signal", timestamp: object = None, **payload: object) -> bytes:
    """An event's line, as Python's json writes it."""
    event = {"timestamp": timestamp, "event_type": event_type, "payload": payload}
    return json.dumps(event, ensure_ascii=False).encode()


def test_everything() -> None:
    """Without a condition all lines pass, and the filter says that it has none."""
    assert not EVERYTHING
    assert EVERYTHING.keep([b"{}", line_of(), STAND_IN, b'{"a":"\\ud800"}']) == [True] * 4
    assert Filter(frozenset({"signal"}))
    assert Filter(contains="a")
    assert Filter(until=NOON)


def test_event_types() -> None:
    """Lines of any of the types pass; ``malformed`` is one of them; a type that is no text is none."""
    lines = [line_of("signal"), line_of("status"), line_of("x"), STAND_IN, line_of(["signal"]), line_of(None), b"{}"]
    assert Filter(frozenset({"signal"})).keep(lines) == [True] + [False] * 6
    assert Filter(frozenset({"x", "status"})).keep(lines) == [False, True, True] + [False] * 4
    assert Filter(frozenset({"malformed"})).keep(lines) == [False] * 3 + [True] + [False] * 3
    assert Filter(frozenset({"SIGNAL"})).keep(lines) == [False] * 7


def test_event_type_with_a_lone_surrogate() -> None:
    """An event whose text was cut inside a surrogate pair, as JavaScript does it, is still of its type."""
    line = b'{"event_type":"navigation","payload":{"url":"x","action":"read","detail":"\\ud83d"}}'
    assert Filter(frozenset({"navigation"})).wants(line)
    assert not Filter(frozenset({"signal"})).wants(line)


def test_contains() -> None:
    """The line's text contains it: anywhere, ASCII case ignored, the bytes as they stand in the file."""
    line = line_of("navigation", url="https://Example.com/Grün")
    for text in ("example.COM", "EXAMPLE", "navigation", '"url"', "Grün", "GRün", "/g", "n"):
        assert Filter(contains=text).wants(line)
    for text in ("example.org", "GRÜN", "gru", "  "):
        assert not Filter(contains=text).wants(line)
    assert Filter(contains="MALFORMED").wants(STAND_IN)


@given(st.text(max_size=30), st.text(min_size=1, max_size=3))
def test_contains_any_text(text: str, part: str) -> None:
    """Search agrees with Python's ``in`` once ASCII letters are folded; text that UTF-8 cannot carry finds nothing."""

    def fold(letters: str) -> str:
        return "".join(letter.lower() if letter.isascii() else letter for letter in letters)

    line = text.encode("utf-8", "replace")
    assert Filter(contains=part).wants(line) is (fold(part) in fold(line.decode()))


def test_until() -> None:
    """Lines up to that time pass, that time included; so do those that have none."""
    wanted = Filter(until=NOON)
    assert wanted.wants(line_of(timestamp=NOON.isoformat()))
    assert wanted.wants(line_of(timestamp="2026-01-31T13:00:00+01:00"))
    assert wanted.wants(line_of(timestamp=None))
    assert wanted.wants(STAND_IN)
    assert not wanted.wants(line_of(timestamp="2026-01-31T12:00:00.000001Z"))
    assert not Filter(until=EARLIER).wants(line_of(timestamp=NOON.isoformat()))


extreme = st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "0001-01-01", "9999-12-31"])


@given(extreme, extreme)
def test_until_at_the_ends_of_time(stamp: str, until: str) -> None:
    """Times that leave the calendar once their zone is taken off still compare."""
    line = line_of(timestamp=stamp)
    assert Filter(until=parse_time(until)).wants(line) is (parse_time(stamp) <= parse_time(until))


@settings(max_examples=200)
@given(
    types=st.frozensets(st.sampled_from(["a", "b", "malformed"])),
    text=st.sampled_from(["", "x", "Y"]),
    until=st.none() | st.just(NOON),
    lines=st.lists(
        st.builds(
            line_of,
            st.sampled_from(["a", "b", "c", None, 3]),
            st.sampled_from([None, "no time", "2026-01-31T11:00:00Z", "2026-01-31T13:00:00Z"]),
            detail=st.sampled_from(["x", "y", "xY", "z"]),
        )
        | st.just(STAND_IN),
        max_size=8,
    ),
)
def test_all_conditions(types: frozenset[str], text: str, until: datetime | None, lines: list[bytes]) -> None:
    """A line passes when it passes every condition that is set."""
    singles = [Filter(event_types=types), Filter(contains=text), Filter(until=until)]
    expected = [all(single.wants(line) for single in singles) for line in lines]
    assert Filter(types, text, until).keep(lines) == expected


def test_same_filter() -> None:
    """Filters that ask for the same are one key: what was worked out for one serves the other."""
    one = Filter(frozenset({"b", "a"}), "x", NOON)
    two = Filter(frozenset({"a", "b"}), "x", NOON.astimezone(timezone(timedelta(hours=2))))
    assert {one: 1}[two] == 1
    assert one != Filter(frozenset({"a"}), "x", NOON)
