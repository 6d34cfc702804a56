"""What a WebSocket client sends, taken apart and thrown away (RFC 6455, client to server).

Takes bytes, gives events; knows no socket. Nothing of a data frame is kept, so that a client that sends costs no
memory: only its pings, its close and its breaches of the rules are told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The longest message a client may send, in bytes.
MAX_MESSAGE: Final = 1024

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_KNOWN: Final = {_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG}
_MAX_CONTROL: Final = 125

NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
NO_STATUS: Final = 1005
TOO_BIG: Final = 1009


@dataclass(frozen=True, slots=True)
class Data:
    """A frame of a message began."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping, to be answered with its payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """The client closes; the code it gave, or 1005."""

    code: int


@dataclass(frozen=True, slots=True)
class Breach:
    """The client broke a rule: the socket is to be closed with this code."""

    code: int
    reason: str


Event = Data | Ping | Closed | Breach


class Inbound:
    """Takes one client's bytes apart. After a close, or a breach with 1002, it takes no notice of more.

    Args:
        deflate: whether permessage-deflate was negotiated, so that messages may come deflated.
    """

    __slots__ = ("_done", "_in_message", "_reserved", "_rest", "_size", "_skip")

    def __init__(self, *, deflate: bool = False) -> None:
        self._reserved = 0x30 if deflate else 0x70  # what a message's first byte must not have set
        self._rest = b""
        self._skip = 0  # bytes of a data frame's payload still to come
        self._size = 0  # of the message so far
        self._in_message = False
        self._done = False

    def feed(self, data: bytes) -> list[Event]:
        """The events in what came."""
        events: list[Event] = []
        data = self._rest + data
        place = 0
        while not self._done:
            skipped = min(self._skip, len(data) - place)
            self._skip -= skipped
            place += skipped
            taken = 0 if self._skip else self._frame(data, place, events)
            if not taken:
                break
            place += taken
        self._rest = b"" if self._done else data[place:]
        return events

    def _frame(self, data: bytes, place: int, events: list[Event]) -> int:
        """Take a frame's header, and a control frame's payload; how many bytes that was, 0 when more must come."""
        head = data[place : place + 14]
        if len(head) < 2:
            return 0
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        breach = self._breach(head, opcode, size)
        if breach:
            return self._end(events, Breach(PROTOCOL_ERROR, breach))
        extended = {126: 2, 127: 8}.get(size, 0)
        header = 2 + extended + 4
        if len(head) < header:
            return 0
        if extended:
            size = int.from_bytes(head[2 : 2 + extended])
        if opcode >= _CLOSE:
            return (
                self._control(opcode, data[place + header - 4 : place + header + size], size, events) and header + size
            )
        return self._data(opcode, size, fin=bool(head[0] & 0x80), events=events) and header

    def _breach(self, head: bytes, opcode: int, size: int) -> str:
        """The rule that a frame's first two bytes break; empty when none."""
        fin = head[0] & 0x80
        if head[0] & (self._reserved if opcode in {_TEXT, _BINARY} else 0x70):
            return "a reserved bit is set"
        if opcode not in _KNOWN:
            return f"opcode {opcode} is unknown"
        if not head[1] & 0x80:
            return "the frame is not masked"
        if opcode >= _CLOSE:
            return "" if fin and size <= _MAX_CONTROL else "a control frame is fragmented or longer than 125 bytes"
        if (opcode == _CONTINUATION) != self._in_message:
            return "a message is continued that did not begin, or begun within another"
        return ""

    def _data(self, opcode: int, size: int, *, fin: bool, events: list[Event]) -> int:
        self._size = size if opcode != _CONTINUATION else self._size + size
        self._in_message = not fin
        self._skip = size
        events.append(Data())
        if self._size > MAX_MESSAGE:  # it is known where it ends: what follows, the client's close, is still heard
            events.append(Breach(TOO_BIG, f"a message is longer than {MAX_MESSAGE} bytes"))
        return 1

    def _control(self, opcode: int, masked: bytes, size: int, events: list[Event]) -> int:
        if len(masked) < 4 + size:
            return 0
        mask, payload = masked[:4], masked[4:]
        payload = _unmasked(mask, payload)
        if opcode == _PING:
            events.append(Ping(payload))
        elif opcode == _CLOSE:
            return self._end(events, _closing(payload))
        return 1

    def _end(self, events: list[Event], event: Closed | Breach) -> int:
        self._done = True
        events.append(event)
        return 0


def _unmasked(mask: bytes, payload: bytes) -> bytes:
    """At once and not byte by byte: whoever floods with pings has each of them unmasked."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def _closing(payload: bytes) -> Closed | Breach:
    if not payload:
        return Closed(NO_STATUS)
    code = int.from_bytes(payload[:2])
    valid = len(payload) >= 2 and (1000 <= code <= 1014 or 3000 <= code <= 4999) and code not in {1004, 1005, 1006}
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        valid = False
    return Closed(code) if valid else Breach(PROTOCOL_ERROR, "the close frame is malformed")
