from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.cli.pretty import pretty, time_text
from tests.test_cli_text import JOINERS, JSON


def event(kind: str, payload: Any, timestamp: Any = "2026-01-31T12:00:00.123456Z") -> bytes:
    """An event's line."""
    return json.dumps(
        {"timestamp": timestamp, "mission_id": "m", "event_type": kind, "payload": payload}, ensure_ascii=False
    ).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("kind", "payload", "shown"),
    [
        ("navigation", {"url": "https://e.com", "action": "click"}, "navigation  click https://e.com"),
        ("navigation", {"url": "u", "action": "a", "detail": "d"}, "navigation  a u - d"),
        ("extraction", {"target": "prices", "count": 3}, "extraction  3 prices"),
        ("extraction", {"target": "p", "count": 3, "url": "u", "detail": "d"}, "extraction  3 p from u - d"),
        ("signal", {"name": "n"}, "signal      n"),
        ("signal", {"name": "n", "value": True}, "signal      n = true"),
        ("signal", {"name": "n", "value": 1.5, "detail": "d"}, "signal      n = 1.5 - d"),
        ("signal", {"name": "n", "value": "text"}, "signal      n = text"),
        ("status", {"state": "running"}, "status      running"),
        ("status", {"state": "failed", "final": True, "detail": "E"}, "status      failed (final) - E"),
        ("malformed", {"offset": "o", "bytes": 3, "reason": "utf-8"}, "malformed   utf-8: 3 bytes at o"),
        ("foreign", {"a": [1, "ü"]}, 'foreign     {"a": [1, "ü"]}'),
        ("signal", "no object", "signal      no object"),
        ("extraction", {"target": "t", "count": "many"}, 'extraction  {"target": "t", "count": "many"}'),
        ("signal", {"name": "\x1b[31m", "value": "a\nb"}, r"signal      \x1b[31m = a\nb"),
        ("\x1b[0m", None, r"\x1b[0m     null"),
    ],
)
def test_one_line(kind: str, payload: Any, shown: str) -> None:
    """An event is one line: its time in UTC, its type, and in short what it says; foreign ones as they are."""
    assert pretty(event(kind, payload), color=False) == f"2026-01-31 12:00:00.123  {shown}"


@pytest.mark.parametrize(
    ("stamp", "shown"),
    [
        ("2026-01-31T13:00:00+01:00", "2026-01-31 12:00:00.000"),
        ("2026-01-31T12:00:00", "2026-01-31 12:00:00.000"),
        ("yesterday", ""),
        (17, ""),
        (None, ""),
        ("0001-01-01T00:00:00+10:00", ""),
    ],
)
def test_time(stamp: object, shown: str) -> None:
    """Times are shown in UTC, to the millisecond, and always as wide; what is no time is left blank."""
    assert time_text(stamp) == shown.ljust(23)


def test_color() -> None:
    """In colour, the text is the same, and every colour ends where it should."""
    line = event("status", {"state": "failed", "detail": "\x1b[0m"})
    shown = pretty(line, color=True)
    assert shown.endswith("\x1b[31mfailed - \\x1b[0m\x1b[0m")
    assert shown.count("\x1b[0m") == shown.count("\x1b[") / 2


@pytest.mark.parametrize("line", [b"17", b"nonsense", b'{"a":' + b"9" * 5000 + b"}", b"[" * 99_999])
def test_what_cannot_be_read(line: bytes) -> None:
    """What this parser cannot read, or is no event, is shown as it is."""
    assert pretty(line, color=False) == line.decode()


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["timestamp", "event_type", "payload"]), JSON), st.booleans())
def test_whatever_comes(fields: dict[str, Any], color: bool) -> None:
    """Any object is shown in one line that cannot do harm."""
    shown = pretty(json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"), color=color)
    assert not {"\n", "\r", "\x07"} & set(shown)
    if not color:
        assert shown.translate(JOINERS).isprintable()


@given(st.binary())
def test_whatever_bytes_come(line: bytes) -> None:
    """A server that is none of ours can send anything: it is shown, and does no harm."""
    assert pretty(line, color=False).translate(JOINERS).isprintable()
