"""Each form of the wire once, in a table, and readers that were written from the specifications alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub import wire
from streamhub.batch import Batch, make_batch
from streamhub.filters import Filter
from streamhub.line import stand_in
from tests import naive
from tests.naive import files

MIB: Final = 1024 * 1024
GENERATION: Final = "0123abcd"

# --- Readers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """One WebSocket frame."""

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0
    masked: bool = False


def read_frames(data: bytes) -> list[Frame]:
    """RFC 6455 section 5.2, to the letter: lengths in the shortest form, control frames short and whole."""
    frames: list[Frame] = []
    while data:
        size, place = data[1] & 0x7F, 2
        if size == 126:
            size, place = int.from_bytes(data[2:4], "big"), 4
            assert size >= 126
        elif size == 127:
            size, place = int.from_bytes(data[2:10], "big"), 10
            assert 65536 <= size < 2**63
        masked = bool(data[1] & 0x80)
        assert not masked, "a server never masks"
        assert len(data) >= place + size, "the frame goes on"
        frame = Frame(data[0] & 15, data[place : place + size], bool(data[0] & 0x80), data[0] >> 4 & 7, masked)
        assert frame.opcode < 8 or (size < 126 and frame.fin)
        if frame.opcode == 1:
            frame.payload.decode()
        frames.append(frame)
        data = data[place + size :]
    return frames


@dataclass(frozen=True)
class Event:
    """One server-sent event, as a browser dispatches it."""

    data: str
    type: str = "message"
    last_id: str = ""


@dataclass
class EventSource:
    """WHATWG HTML section 9.2.6: how an event stream is interpreted."""

    events: list[Event] = field(default_factory=list)
    last_id: str = ""
    unknown: list[str] = field(default_factory=list)

    def feed(self, body: bytes) -> EventSource:
        """Take a whole body; what no empty line ends is thrown away."""
        text = body.decode("utf-8", "replace").removeprefix("\ufeff")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        kind, data, new_id = "", "", self.last_id
        for line in lines[:-1]:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                self.last_id = new_id
                if data:
                    self.events.append(Event(data.removesuffix("\n"), kind or "message", self.last_id))
                kind, data = "", ""
            elif name == "event":
                kind = value
            elif name == "data":
                data += value + "\n"
            elif name == "id" and "\0" not in value:
                new_id = value
            elif name:
                self.unknown.append(line)
        return self


def read_events(body: bytes) -> list[Event]:
    """The events of a body that holds nothing else."""
    source = EventSource().feed(body)
    assert source.unknown == []
    return source.events


def read_json(body: bytes) -> Any:
    """One JSON text."""
    return naive.strict_json(body.decode())


# --- The table ----------------------------------------------------------------------------------------------------

LINES: Final = (b'{"a":1}', b'{"b":\r2}', '{"c":"é\u2028"}'.encode())
DATA: Final = b"".join(line + b"\n" for line in LINES)
BATCH: Final = make_batch("m-42", GENERATION, 100, DATA, MIB)
NOTHING: Final = make_batch("m-42", GENERATION, 100, DATA, MIB).filtered(Filter(contains="nothing has this"))
FIRST: Final = make_batch("m-42", GENERATION, 100, DATA, MIB).filtered(Filter(contains='"a"'))
EMPTY_END: Final = make_batch("m-42", GENERATION, 100, b"{}\n\n\n", MIB)
AT: Final = [f"0123abcd_{byte:016d}" for byte in (100, 108, 117, 131)]


@dataclass(frozen=True)
class Form:
    """One form of the wire: what the writer makes, its very bytes, and what a reader makes of them."""

    name: str
    made: bytes
    expected: bytes
    read: Callable[[bytes], Any]
    meaning: Any


def text(size: int) -> bytes:
    """A text of so many bytes."""
    return b"x" * size


FORMS: Final = [
    Form("text frame of 0 bytes", wire.text_frame(b""), b"\x81\x00", read_frames, [Frame(1, b"")]),
    Form(
        "text frame of 125 bytes",
        wire.text_frame(text(125)),
        b"\x81\x7d" + text(125),
        read_frames,
        [Frame(1, text(125))],
    ),
    Form(
        "text frame of 126 bytes",
        wire.text_frame(text(126)),
        b"\x81\x7e\x00\x7e" + text(126),
        read_frames,
        [Frame(1, text(126))],
    ),
    Form(
        "text frame of 65,535 bytes",
        wire.text_frame(text(65535)),
        b"\x81\x7e\xff\xff" + text(65535),
        read_frames,
        [Frame(1, text(65535))],
    ),
    Form(
        "text frame of 65,536 bytes",
        wire.text_frame(text(65536)),
        b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + text(65536),
        read_frames,
        [Frame(1, text(65536))],
    ),
    Form(
        "close", wire.close_frame(1000, "closed"), b"\x88\x08\x03\xe8closed", read_frames, [Frame(8, b"\x03\xe8closed")]
    ),
    Form(
        "close, cut or replaced", wire.close_frame(4410, ""), b"\x88\x02\x11\x3a", read_frames, [Frame(8, b"\x11\x3a")]
    ),
    Form("pong", wire.pong_frame(b"hi"), b"\x8a\x02hi", read_frames, [Frame(10, b"hi")]),
    Form("pong to an empty ping", wire.pong_frame(b""), b"\x8a\x00", read_frames, [Frame(10, b"")]),
    Form("ping", wire.PING_FRAME, b"\x89\x00", read_frames, [Frame(9, b"")]),
    Form(
        "lines as text frames",
        wire.text_frames(BATCH, True),
        b'\x81\x07{"a":1}\x81\x08{"b":\r2}\x81\x0d{"c":"\xc3\xa9\xe2\x80\xa8"}',
        read_frames,
        [Frame(1, line) for line in LINES],
    ),
    Form("no lines as text frames", wire.text_frames(NOTHING, False), b"", read_frames, []),
    Form(
        "message of events",
        wire.events_message(BATCH, False),
        b'\x81\x7e\x00\x7f{"type":"events","stream":"m-42","next":"0123abcd_0000000000000131","upToDate":false,'
        b'"events":[' + b",".join(LINES) + b"]}",
        lambda data: [read_json(frame.payload) for frame in read_frames(data)],
        [
            {
                "type": "events",
                "stream": "m-42",
                "next": AT[3],
                "upToDate": False,
                "events": [{"a": "1"}, {"b": "2"}, {"c": "é\u2028"}],
            }
        ],
    ),
    Form(
        "message of no events",
        wire.events_message(NOTHING, True),
        b'\x81\x60{"type":"events","stream":"m-42","next":"0123abcd_0000000000000131","upToDate":true,"events":[]}',
        lambda data: [read_json(frame.payload) for frame in read_frames(data)],
        [{"type": "events", "stream": "m-42", "next": AT[3], "upToDate": True, "events": []}],
    ),
    Form(
        "another message",
        wire.json_message(type="reset", stream="m-42", earliest=None),
        b'\x81\x30{"type":"reset","stream":"m-42","earliest":null}',
        lambda data: [read_json(frame.payload) for frame in read_frames(data)],
        [{"type": "reset", "stream": "m-42", "earliest": None}],
    ),
    Form(
        "JSON array",
        wire.json_array(LINES),
        b'[{"a":1},{"b":\r2},{"c":"\xc3\xa9\xe2\x80\xa8"}]',
        read_json,
        [{"a": "1"}, {"b": "2"}, {"c": "é\u2028"}],
    ),
    Form("empty JSON array", wire.json_array([]), b"[]", read_json, []),
    Form("JSON lines", wire.json_lines(LINES), DATA, lambda body: tuple(body.split(b"\n")), (*LINES, b"")),
    Form("no JSON lines", wire.json_lines([]), b"", bytes, b""),
    Form(
        "event with everything",
        wire.sse_event(data=b'{"next":"x"}', event="closed", id=AT[3]),
        b'id: 0123abcd_0000000000000131\nevent: closed\ndata: {"next":"x"}\n\n',
        read_events,
        [Event('{"next":"x"}', "closed", AT[3])],
    ),
    Form(
        "event without an id",
        wire.sse_event(data=b'{"earliest":null}', event="reset"),
        b'event: reset\ndata: {"earliest":null}\n\n',
        read_events,
        [Event('{"earliest":null}', "reset")],
    ),
    Form("event of data alone", wire.sse_event(data=b"{\r}"), b"data: { }\n\n", read_events, [Event("{ }")]),
    Form("comment", wire.sse_comment("keep-alive"), b": keep-alive\n\n", read_events, []),
    Form(
        "lines as events",
        wire.sse_lines(BATCH, True),
        b'id: 0123abcd_0000000000000108\ndata: {"a":1}\n\n'
        b'id: 0123abcd_0000000000000117\ndata: {"b": 2}\n\n'
        b'id: 0123abcd_0000000000000131\ndata: {"c":"\xc3\xa9\xe2\x80\xa8"}\n\n',
        read_events,
        [
            Event('{"a":1}', last_id=AT[1]),
            Event('{"b": 2}', last_id=AT[2]),
            Event('{"c":"é\u2028"}', last_id=AT[3]),
        ],
    ),
    Form(
        "filtered lines as events",
        wire.sse_lines(FIRST, True),
        b'id: 0123abcd_0000000000000108\ndata: {"a":1}\n\nid: 0123abcd_0000000000000131\n\n',
        lambda body: ((source := EventSource().feed(body)).events, source.last_id),
        ([Event('{"a":1}', last_id=AT[1])], AT[3]),
    ),
    Form(
        "lines that were all filtered out as events",
        wire.sse_lines(NOTHING, True),
        b"id: 0123abcd_0000000000000131\n\n",
        lambda body: ((source := EventSource().feed(body)).events, source.last_id),
        ([], AT[3]),
    ),
    Form(
        "lines and then empty ones as events",
        wire.sse_lines(EMPTY_END, True),
        b"id: 0123abcd_0000000000000103\ndata: {}\n\nid: 0123abcd_0000000000000105\n\n",
        lambda body: ((source := EventSource().feed(body)).events, source.last_id),
        ([Event("{}", last_id="0123abcd_0000000000000103")], "0123abcd_0000000000000105"),
    ),
    Form(
        "Durable Streams over server-sent events",
        wire.durable_events(LINES, {"streamNextOffset": AT[3], "upToDate": True}),
        b'event: data\ndata:[{"a":1},{"b": 2},{"c":"\xc3\xa9\xe2\x80\xa8"}]\n\n'
        b'event: control\ndata:{"streamNextOffset":"0123abcd_0000000000000131","upToDate":true}\n\n',
        lambda body: [(event.type, read_json(event.data.encode())) for event in read_events(body)],
        [
            ("data", [{"a": "1"}, {"b": "2"}, {"c": "é\u2028"}]),
            ("control", {"streamNextOffset": AT[3], "upToDate": True}),
        ],
    ),
    Form(
        "Durable Streams without lines",
        wire.durable_events((), {"streamClosed": True}),
        b'event: control\ndata:{"streamClosed":true}\n\n',
        lambda body: [(event.type, read_json(event.data.encode())) for event in read_events(body)],
        [("control", {"streamClosed": True})],
    ),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_form(form: Form) -> None:
    """The writer makes just these bytes, and a reader that knows the specification alone understands them."""
    assert form.made == form.expected
    assert form.read(form.expected) == form.meaning


# --- Whatever the lines ----------------------------------------------------------------------------------------------


def batch_of(data: bytes, max_line: int = MIB) -> Batch:
    """The batch of a file's whole lines."""
    return make_batch("m-42", GENERATION, 0, data[: naive.tail(data)], max_line)


filters = st.sampled_from([Filter(), Filter(contains="a"), Filter(frozenset({"malformed"})), Filter(contains="\ud800")])


@settings(max_examples=100)
@given(files(12), filters, st.booleans())
def test_lines_on_the_plain_websocket(data: bytes, wanted: Filter, at_tail: bool) -> None:
    """One text message per line, byte for byte, in order."""
    batch = batch_of(data).filtered(wanted)
    assert read_frames(wire.text_frames(batch, at_tail)) == [Frame(1, line) for line in batch.lines]
    assert list(wire.line_messages(batch, at_tail)) == list(batch.lines)


@settings(max_examples=100)
@given(files(12), filters, st.booleans())
def test_lines_on_the_multiplexed_websocket(data: bytes, wanted: Filter, at_tail: bool) -> None:
    """One message for all lines; they stand in it untouched, and it says where to resume."""
    batch = batch_of(data).filtered(wanted)
    (frame,) = read_frames(wire.events_message(batch, at_tail))
    assert list(wire.events_messages(batch, at_tail)) == [frame.payload]
    message = read_json(frame.payload)
    assert message.pop("events") == [naive.strict_json(line.decode()) for line in batch.lines]
    assert message == {"type": "events", "stream": "m-42", "next": str(batch.next), "upToDate": at_tail}
    assert frame.payload.endswith(b",".join(batch.lines) + b"]}")


@settings(max_examples=100)
@given(files(12), filters)
def test_lines_as_server_sent_events(data: bytes, wanted: Filter) -> None:
    """One event per line, its id the place after it; a CR became a space, and nothing else changed."""
    batch = batch_of(data).filtered(wanted)
    source = EventSource().feed(wire.sse_lines(batch, True))
    assert source.unknown == []
    assert source.events == [
        Event(line.replace(b"\r", b" ").decode(), last_id=f"{GENERATION}_{end:016d}")
        for line, end in zip(batch.lines, batch.ends, strict=True)
    ]
    assert source.last_id == str(batch.next)


@settings(max_examples=100)
@given(files(12), filters)
def test_lines_in_bodies(data: bytes, wanted: Filter) -> None:
    """A JSON array, JSON lines and Durable Streams' data hold the lines; in the first two byte for byte."""
    batch = batch_of(data).filtered(wanted)
    expected = [naive.strict_json(line.decode()) for line in batch.lines]
    assert read_json(wire.json_array(batch.lines)) == expected
    assert wire.json_array(batch.lines) == b"[" + b",".join(batch.lines) + b"]"
    assert wire.json_lines(batch.lines).split(b"\n") == [*batch.lines, b""]
    *events, control = read_events(wire.durable_events(batch.lines, {"n": 1}))
    assert [(event.type, read_json(event.data.encode())) for event in events] == (
        [("data", expected)] if expected else []
    )
    assert control == Event('{"n":1}', "control")


def test_stand_in_on_every_wire() -> None:
    """The stand-in of a malformed line is on every wire what any other line is."""
    line = stand_in(GENERATION, 0, 1, "nul")
    batch = batch_of(b"\x00\n")
    assert read_frames(wire.text_frames(batch, True)) == [Frame(1, line)]
    assert read_events(wire.sse_lines(batch, True)) == [Event(line.decode(), last_id="0123abcd_0000000000000002")]


@settings(max_examples=100)
@given(st.integers(0, 70_000), st.sampled_from([125, 126, 65535, 65536]))
def test_frames_of_any_size(size: int, near: int) -> None:
    """A frame of any size says its size; the next one begins right after it."""
    sizes = [size, near, near - 1, near + 1]
    frames = read_frames(b"".join(wire.text_frame(text(one)) for one in sizes))
    assert [len(frame.payload) for frame in frames] == sizes


def test_huge_frame_header() -> None:
    """The longest line that may be configured, and more, has a header that says so."""
    for size in (2**24, 2**32, 2**40):
        assert wire.frame_header(0x81, size) == b"\x81\x7f" + size.to_bytes(8, "big")


@given(st.sampled_from([1000, 1001, 1008, 1009, 1011, 1013, 4401, 4404, 4410]), st.text(max_size=30))
def test_close_frames(code: int, reason: str) -> None:
    """A close says its code and its reason."""
    reason = reason.encode("utf-8", "replace").decode()
    (frame,) = read_frames(wire.close_frame(code, reason))
    assert (int.from_bytes(frame.payload[:2], "big"), frame.payload[2:].decode()) == (code, reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["a\ud83d", "\ude00\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(json_values)
def test_compact(value: Any) -> None:
    """Any value comes back from its JSON, which is one line of UTF-8 without white space between its parts."""
    made = wire.compact(value)
    assert json.loads(made.decode()) == value
    assert b"\n" not in made
    assert b"\r" not in made
    assert len(made) == len(
        json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
    )


def test_compact_of_half_a_surrogate_pair() -> None:
    """A foreign line's mission_id may be half a pair, escaped: it goes out escaped, as it came in."""
    assert wire.compact({"mission_id": "\ud83d", "é": "\u2028"}) == '{"mission_id":"\\ud83d","é":"\u2028"}'.encode()
    assert read_frames(wire.json_message(x="\udc00")) == [Frame(1, b'{"x":"\\udc00"}')]
