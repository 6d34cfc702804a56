from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.errors import InvalidEventError
from streamhub.events import (
    EVENT_TYPES,
    ExecutionStreamEvent,
    Extraction,
    ExtractionEvent,
    Navigation,
    NavigationEvent,
    Signal,
    SignalEvent,
    State,
    Status,
    StatusEvent,
    decode,
    encode,
    json_schema,
    utc_timestamp,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HEAD = b'{"timestamp":"2026-01-01T12:00:00.000000Z","mission_id":"m-42","event_type":'

GOLDEN: list[tuple[ExecutionStreamEvent, bytes]] = [
    (
        NavigationEvent(NOON, "m-42", Navigation("https://example.com", "click", "next page")),
        b'"navigation","payload":{"url":"https://example.com","action":"click","detail":"next page"}}',
    ),
    (
        NavigationEvent(NOON, "m-42", Navigation("https://example.com", "open")),
        b'"navigation","payload":{"url":"https://example.com","action":"open"}}',
    ),
    (ExtractionEvent(NOON, "m-42", Extraction("prices", 0)), b'"extraction","payload":{"target":"prices","count":0}}'),
    (
        ExtractionEvent(NOON, "m-42", Extraction("prices", 12, "https://example.com", "all")),
        b'"extraction","payload":{"target":"prices","count":12,"url":"https://example.com","detail":"all"}}',
    ),
    (SignalEvent(NOON, "m-42", Signal("idle")), b'"signal","payload":{"name":"idle"}}'),
    (SignalEvent(NOON, "m-42", Signal("captcha", False)), b'"signal","payload":{"name":"captcha","value":false}}'),
    (SignalEvent(NOON, "m-42", Signal("depth", 0)), b'"signal","payload":{"name":"depth","value":0}}'),
    (SignalEvent(NOON, "m-42", Signal("ratio", 0.5)), b'"signal","payload":{"name":"ratio","value":0.5}}'),
    (SignalEvent(NOON, "m-42", Signal("note", "")), b'"signal","payload":{"name":"note","value":""}}'),
    (StatusEvent(NOON, "m-42", Status("running")), b'"status","payload":{"state":"running"}}'),
    (
        StatusEvent(NOON, "m-42", Status("failed", True, "ValueError")),
        b'"status","payload":{"state":"failed","final":true,"detail":"ValueError"}}',
    ),
]


@pytest.mark.parametrize(("event", "rest"), GOLDEN)
def test_golden_line(event: ExecutionStreamEvent, rest: bytes) -> None:
    """Each form of event is this line, byte for byte, and this line is that event."""
    assert encode(event) == HEAD + rest
    assert decode(HEAD + rest) == event
    assert decode(HEAD + rest + b"\n") == event


def test_event_type_is_an_attribute() -> None:
    """An event says its type."""
    assert tuple(kind.event_type for kind in get_args(ExecutionStreamEvent)) == EVENT_TYPES
    assert decode(encode(StatusEvent(NOON, "m", Status("started")))).event_type == "status"


@pytest.mark.parametrize(
    "payload",
    [Navigation("u", "a", ""), Extraction("t", 1, "", ""), Signal("n", None, ""), Status("started", False, "")],
)
def test_empty_text_is_left_out(payload: Any) -> None:
    """An optional text that is empty is as good as none."""
    assert payload.detail is None
    assert getattr(payload, "url", None) in {None, "u"}


@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, b'"NaN"'), (math.inf, b'"Infinity"'), (-math.inf, b'"-Infinity"')]
)
def test_value_that_is_not_finite(value: float, word: bytes) -> None:
    """JSON has no such number: the value is told as a word, and the line stays one that everybody can read."""
    assert encode(SignalEvent(NOON, "m-42", Signal("x", value))) == (
        HEAD + b'"signal","payload":{"name":"x","value":' + word + b"}}"
    )


@pytest.mark.parametrize("text", ["\n", "\r", "\r\n", "\x00", "\u2028", "\x85", '"', "\\", "\x1b[31m", "é", "😀"])
def test_one_line_whatever_the_text(text: str) -> None:
    """No text breaks a line: control characters are escaped, and the text comes back as it was."""
    event = SignalEvent(NOON, text, Signal(text, text, text))
    line = encode(event)
    assert min(line) >= 0x20
    assert decode(line) == event


texts = st.text(st.characters(exclude_categories=["Cs"]))
details = st.none() | texts.filter(bool)
payloads = st.one_of(
    st.tuples(st.just(NavigationEvent), st.builds(Navigation, texts, texts, details)),
    st.tuples(st.just(ExtractionEvent), st.builds(Extraction, texts, st.integers(0, 2**62), details, details)),
    st.tuples(
        st.just(SignalEvent),
        st.builds(
            Signal,
            texts,
            st.none() | texts | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False),
            details,
        ),
    ),
    st.tuples(st.just(StatusEvent), st.builds(Status, st.sampled_from(get_args(State)), st.booleans(), details)),
)
moments = st.datetimes(timezones=st.just(UTC))


@given(moments, texts.filter(bool), payloads)
def test_there_and_back(moment: datetime, mission_id: str, kind_and_payload: tuple[Any, Any]) -> None:
    """Any event comes back from its line; the line is JSON with its four fields in order."""
    kind, payload = kind_and_payload
    event = kind(moment, mission_id, payload)
    line = encode(event)
    assert decode(line) == event
    assert list(json.loads(line)) == ["timestamp", "mission_id", "event_type", "payload"]
    assert b"\n" not in line


GOOD = {"timestamp": "2026-01-01T12:00:00Z", "mission_id": "m", "event_type": "status", "payload": {"state": "running"}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-13-01T12:00:00Z"}, "timestamp"),
        ({"timestamp": "2026-01-01T12:00:00"}, "timestamp"),
        ({"timestamp": 1767225600}, "timestamp"),
        ({"mission_id": None}, "mission_id"),
        ({"mission_id": ""}, "mission_id"),
        ({"mission_id": 42}, "mission_id"),
        ({"event_type": None}, "event_type"),
        ({"event_type": "malformed"}, "event_type"),
        ({"event_type": ["status"]}, "event_type"),
        ({"payload": None}, "payload"),
        ({"payload": []}, "payload"),
        ({"payload": {}}, "state"),
        ({"payload": {"state": "done"}}, "payload.state"),
        ({"payload": {"state": "running", "final": "yes"}}, "payload.final"),
        ({"payload": {"state": "running", "detail": 1}}, "payload.detail"),
        ({"event_type": "extraction", "payload": {"target": "a", "count": -1}}, "payload.count"),
        ({"event_type": "extraction", "payload": {"target": "a", "count": 1.5}}, "payload.count"),
        ({"event_type": "navigation", "payload": {"url": "a"}}, "action"),
        ({"event_type": "signal", "payload": {"name": "a", "value": {}}}, "payload.value"),
    ],
)
def test_error_names_the_field(change: dict[str, Any], field: str) -> None:
    """A field that is missing or wrong is named, in one line."""
    decode(json.dumps(GOOD).encode())
    event = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(InvalidEventError) as caught:
        decode(json.dumps(event).encode())
    assert field in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"[]",
        b"null",
        b"{",
        b"\xef\xbb\xbf{}",
        b"\x00" * 10,
        b'{"a":' + b"[" * 100_000,
        json.dumps(GOOD).encode()[:-1] + b',"extra":NaN}',
        json.dumps(GOOD).encode()[:-1] + b',"extra":"\xff"}',
        json.dumps(GOOD).encode() * 2,
    ],
)
def test_no_event(line: bytes) -> None:
    """What is no JSON object in UTF-8 is refused in one line, however it is broken."""
    with pytest.raises(InvalidEventError) as caught:
        decode(line)
    assert str(caught.value).isprintable()


@given(st.binary())
def test_any_bytes(line: bytes) -> None:
    """Whatever the bytes, nothing but InvalidEventError comes of them."""
    with pytest.raises(InvalidEventError):
        decode(line)


def test_unknown_fields_are_passed_over() -> None:
    """A line of a later version decodes; what it says more is not looked at."""
    payload = {"state": "running", "mood": [1]}
    line = json.dumps({**GOOD, "payload": payload, "trace": {"id": 1}}).encode()
    assert decode(line) == decode(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (NavigationEvent(NOON, "m", Navigation(5, "a")), "url"),  # type: ignore[arg-type]
        (ExtractionEvent(NOON, "m", Extraction("a", -1)), "count"),
        (ExtractionEvent(NOON, "m", Extraction("a", True)), "count"),
        (SignalEvent(NOON, "m", Signal("a", [1])), "value"),  # type: ignore[arg-type]
        (SignalEvent(NOON, "m", Signal("a", object())), "signal"),  # type: ignore[arg-type]
        (SignalEvent(NOON, "m", Signal("\ud800")), "signal"),
        (StatusEvent(NOON, "m", Status("done")), "state"),  # type: ignore[arg-type]
        (StatusEvent(NOON, "", Status("running")), "mission_id"),
        (StatusEvent(NOON, "\ud800", Status("running")), "mission_id"),
        (StatusEvent(NOON, ["m"], Status("running")), "mission_id"),  # type: ignore[arg-type]
        (StatusEvent("now", "m", Status("running")), "timestamp"),  # type: ignore[arg-type]
        (StatusEvent(NOON, "m", Signal("a")), "payload"),  # type: ignore[arg-type]
        (StatusEvent(NOON, "m", {"state": "running"}), "payload"),  # type: ignore[arg-type]
    ],
)
def test_no_bad_line_is_made(event: ExecutionStreamEvent, field: str) -> None:
    """What could not be read back is not written: the error names the field, in one line."""
    with pytest.raises(InvalidEventError) as caught:
        encode(event)
    assert field in str(caught.value)
    assert str(caught.value).isprintable()


def test_schema() -> None:
    """The schema is 2020-12, the same at every call, and has each event with its payload among its components."""
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.dumps(schema) == json.dumps(json_schema())
    definitions = schema["$defs"]
    assert set(schema["discriminator"]["mapping"]) == set(EVENT_TYPES)
    for event_type in EVENT_TYPES:
        event = definitions[f"{event_type.title()}Event"]
        assert event["properties"]["event_type"] == {"enum": [event_type]}
        assert set(event["required"]) == {"timestamp", "mission_id", "event_type", "payload"}
        assert event["properties"]["payload"] == {"$ref": f"#/$defs/{event_type.title()}"}
        assert "additionalProperties" not in event
    assert definitions["Extraction"]["required"] == ["target", "count"]
    assert set(definitions["Status"]["properties"]["state"]["enum"]) == set(get_args(State))
    for reference in (kind["$ref"] for kind in schema["anyOf"]):
        assert reference.removeprefix("#/$defs/") in definitions


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (999, "1970-01-01T00:00:00.000000Z"),
        (1_767_225_600_123_456_789, "2026-01-01T00:00:00.123456Z"),
        (-1000, "1969-12-31T23:59:59.999999Z"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
        (datetime(2026, 1, 1), "2026-01-01T00:00:00.000000Z"),  # noqa: DTZ001
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T00:00:00.000000Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_timestamp(moment: int | datetime, text: str) -> None:
    """A time is written in UTC with microseconds and Z; no zone means UTC."""
    assert utc_timestamp(moment) == text


@given(moments, moments)
def test_timestamps_sort_as_text(one: datetime, other: datetime) -> None:
    """Timestamps compare as texts the way their times do, and come back from the line exactly."""
    assert (one < other) == (utc_timestamp(one) < utc_timestamp(other))
    assert datetime.fromisoformat(utc_timestamp(one)) == one
