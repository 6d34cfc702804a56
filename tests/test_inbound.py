from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamhub.inbound import MAX_MESSAGE, Breach, Closed, Data, Event, Inbound, Ping

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x01\x02\x03\x04",
    wide: int = 0,
) -> bytes:
    """A client's frame; ``wide`` (2 or 8) writes the length in more bytes than it needs."""
    size = len(payload)
    wide = max(wide, 0 if size < 126 else 2 if size < 65536 else 8)
    bit = 0x80 if mask is not None else 0
    length = {0: bytes([bit | size & 0x7F]), 2: bytes([bit | 126]), 8: bytes([bit | 127])}[wide]
    head = bytes([fin << 7 | rsv | opcode]) + length + (size.to_bytes(wide) if wide else b"")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def events_of(data: bytes) -> list[Event]:
    """The events in some bytes that come at once."""
    return Inbound().feed(data)


def codes(events: list[Event]) -> list[int]:
    """The codes of the breaches among the events."""
    return [event.code for event in events if isinstance(event, Breach)]


# --- one frame at a time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, MAX_MESSAGE])
def test_a_message_is_told_and_dropped(opcode: int, size: int) -> None:
    """A data frame is one event without its payload, and the frame behind it is understood."""
    assert events_of(frame(opcode, b"x" * size) + frame(PING, b"?")) == [Data(), Ping(b"?")]


def test_a_fragmented_message() -> None:
    """Fragments are one event each; control frames may come between them."""
    data = frame(TEXT, b"a", fin=False) + frame(PING, b"1") + frame(CONTINUATION, b"b", fin=False)
    assert events_of(data + frame(CONTINUATION, b"c")) == [Data(), Ping(b"1"), Data(), Data()]


@pytest.mark.parametrize("payload", [b"", b"\x00", b"x" * 125])
def test_a_ping_is_told_unmasked(payload: bytes) -> None:
    """A ping comes with the payload that its answer is to carry."""
    assert events_of(frame(PING, payload, mask=b"\xff\x00\xaa\x55")) == [Ping(payload)]


def test_a_pong_is_dropped() -> None:
    """A pong that nobody asked for is no event (RFC 6455 section 5.5.3)."""
    assert events_of(frame(PONG, b"x")) == []


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", 1005),
        *((code.to_bytes(2), code) for code in (1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4410, 4999)),
        (b"\x03\xe8" + b"r" * 123, 1000),
        ((1000).to_bytes(2) + "tschüß".encode(), 1000),
    ],
)
def test_a_close(payload: bytes, code: int) -> None:
    """A close tells its code, 1005 when it has none; nothing behind it is looked at."""
    assert events_of(frame(CLOSE, payload) + frame(PING) + b"\xff\xff") == [Closed(code)]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x03",
        *(code.to_bytes(2) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)),
        b"\x03\xe8\xff",
        b"\x03\xe8\xed\xa0\x80",
    ],
)
def test_a_malformed_close(payload: bytes) -> None:
    """A close of one byte, with a code that nobody may send, or with a reason that is no UTF-8 breaks the rules."""
    assert codes(events_of(frame(CLOSE, payload))) == [1002]


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"hello", mask=None),
        frame(PING, mask=None),
        frame(CLOSE, b"\x03\xe8", mask=None),
        *(frame(TEXT, rsv=bit) for bit in (0x40, 0x20, 0x10)),
        *(frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *(frame(opcode, fin=False) for opcode in (CLOSE, PING, PONG)),
        *(frame(opcode, b"x" * 126) for opcode in (CLOSE, PING, PONG)),
        frame(PING, wide=2),
        frame(CONTINUATION, b"x"),
        frame(TEXT, fin=False) + frame(TEXT),
        frame(TEXT, fin=False) + frame(CONTINUATION) + frame(CONTINUATION),
    ],
)
def test_a_breach(data: bytes) -> None:
    """What RFC 6455 forbids ends the socket with 1002, and what follows is not looked at."""
    inbound = Inbound()
    events = inbound.feed(data + frame(PING))
    assert codes(events) == [1002]
    assert isinstance(events[-1], Breach)
    assert inbound.feed(frame(PING) + frame(CLOSE)) == []


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"x" * (MAX_MESSAGE + 1)),
        frame(BINARY, b"x" * 70_000),
        frame(TEXT, b"x" * MAX_MESSAGE, fin=False) + frame(CONTINUATION, b"x"),
        frame(TEXT, b"x" * 600, fin=False) + frame(PING) + frame(CONTINUATION, b"x" * 600),
    ],
)
def test_a_message_that_is_too_big(data: bytes) -> None:
    """More than 1 KiB in a message is told as 1009; the client's close behind it is still heard."""
    events = events_of(data + frame(CLOSE, b"\x03\xf1"))
    assert codes(events) == [1009]
    assert events[-1] == Closed(1009)


def test_a_message_of_exactly_the_limit() -> None:
    """1 KiB is not over 1 KiB, in one frame or several; the next message is counted anew."""
    fragments = [frame(TEXT, b"x" * 512, fin=False), frame(CONTINUATION, b"x" * 512)]
    assert codes(events_of(b"".join(fragments * 3) + frame(TEXT, b"x" * MAX_MESSAGE))) == []


def test_a_frame_of_eight_exabytes_costs_nothing() -> None:
    """A length that is announced is not believed to the point of making room for it."""
    inbound = Inbound()
    assert codes(inbound.feed(b"\x82\xff" + b"\xff" * 8 + b"mask")) == [1009]
    for _ in range(100):
        assert inbound.feed(b"x" * 65536) == []


# --- any frames, in any pieces --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """A frame as a client may send it."""

    opcode: int
    payload: bytes
    fin: bool
    mask: bytes
    wide: int

    def encoded(self) -> bytes:
        return frame(self.opcode, self.payload, fin=self.fin, mask=self.mask, wide=self.wide)


def sent(opcodes: list[int], payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[Sent]:
    """Frames of these opcodes."""
    return st.builds(
        Sent,
        st.sampled_from(opcodes),
        payloads,
        st.booleans() if opcodes[0] < CLOSE else st.just(True),
        st.binary(min_size=4, max_size=4),
        st.sampled_from([0, 2, 8]) if opcodes[0] < CLOSE else st.just(0),
    )


FRAMES = st.lists(
    sent([TEXT, BINARY, CONTINUATION], st.integers(0, 700).map(lambda size: b"x" * size))
    | sent([PING, PONG], st.binary(max_size=125)),
    max_size=12,
)


def model(frames: list[Sent]) -> list[Event]:
    """What the frames mean, by whole frames."""
    events: list[Event] = []
    size, open_message = 0, False
    for one in frames:
        if one.opcode == PING:
            events.append(Ping(one.payload))
        elif one.opcode < CLOSE:
            if (one.opcode == CONTINUATION) != open_message:
                return [*events, Breach(1002, "")]
            size = len(one.payload) + (size if open_message else 0)
            open_message = not one.fin
            events.append(Data())
            if size > MAX_MESSAGE:
                events.append(Breach(1009, ""))
    return events


def without_reasons(events: list[Event]) -> list[Event]:
    """The events, whatever words a breach was told in."""
    return [Breach(event.code, "") if isinstance(event, Breach) else event for event in events]


@pytest.mark.slow
@given(FRAMES, st.booleans(), st.randoms(use_true_random=False), st.integers(1, 400))
@settings(max_examples=300)
def test_any_frames_in_any_pieces(frames: list[Sent], close: bool, dice: random.Random, piece: int) -> None:
    """However the bytes are cut, the events are those of the whole frames, in order."""
    data = b"".join(one.encoded() for one in frames)
    expected = model(frames)
    if close:
        data += frame(CLOSE, b"\x03\xe8") + frame(PING)
        if not any(isinstance(event, Breach) and event.code == 1002 for event in expected):
            expected.append(Closed(1000))
    elif not any(isinstance(event, Breach) and event.code == 1002 for event in expected):
        data += frame(PING, b"the end")
        expected.append(Ping(b"the end"))
    cuts = sorted({0, len(data), *(dice.randrange(len(data) + 1) for _ in range(len(data) // piece))})
    inbound = Inbound()
    events = [event for start, end in pairwise(cuts) for event in inbound.feed(data[start:end])]
    assert without_reasons(events) == expected


@given(FRAMES)
def test_byte_by_byte(frames: list[Sent]) -> None:
    """A byte at a time is enough."""
    data = b"".join(one.encoded() for one in frames)
    inbound = Inbound()
    assert [event for i in range(len(data)) for event in inbound.feed(data[i : i + 1])] == events_of(data)


@given(st.lists(st.binary(max_size=200), max_size=20))
@example([b"\x81"])
@example([b"\x88\x80", b"\0\0\0\0"])
@example([b"\x88\xfe\x00\x01\0\0\0\0"])
@settings(max_examples=500)
def test_noise(pieces: list[bytes]) -> None:
    """Whatever comes, it ends in events and not in an exception; after a close or a 1002 nothing more is told."""
    inbound = Inbound()
    events = [event for piece in pieces for event in inbound.feed(piece)]
    last = [i for i, event in enumerate(events) if isinstance(event, Closed) or codes([event]) == [1002]]
    assert last in ([], [len(events) - 1])


@given(st.lists(st.binary(max_size=200), max_size=20), st.integers(0, 125))
def test_little_is_kept(pieces: list[bytes], size: int) -> None:
    """Between two pieces no more than an incomplete header or control frame is held."""
    inbound = Inbound()
    for piece in pieces:
        inbound.feed(piece)
        assert len(inbound._rest) < 14 + 125
    fresh = Inbound()
    fresh.feed(frame(PING, b"x" * size)[:-1])
    assert len(fresh._rest) <= 6 + size
