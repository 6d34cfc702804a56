"""Lines to bytes on the wire, once for all clients. Pure: no socket, no file, no clock.

An *encoder* takes a batch and whether it reaches the stream's tail; what it gives is shared by everyone who
reads that batch in that form, so that nothing here depends on who reads.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamhub.batch import Batch

#: The first byte of a whole text message: FIN and opcode 1 (RFC 6455 section 5.2).
TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A


def compact(value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can say
    """JSON without white space. Half a surrogate pair, which UTF-8 cannot carry, is escaped as JSON does it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


# --- WebSocket (RFC 6455), server to client: never masked -----------------------------------------------------


def frame_header(first: int, size: int) -> bytes:
    """The header of an unmasked frame."""
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2)
    return bytes((first, 127)) + size.to_bytes(8)


def text_frame(payload: bytes) -> bytes:
    """One whole text message."""
    return frame_header(TEXT, len(payload)) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; the reason has at most 123 bytes."""
    payload = code.to_bytes(2) + reason.encode()
    return frame_header(_CLOSE, len(payload)) + payload


#: Asks a quiet client whether it is there; proxies see that the connection lives.
PING_FRAME: Final = bytes((_PING, 0))


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return frame_header(_PONG, len(payload)) + payload


def text_frames(batch: Batch, _at_tail: bool) -> bytes:  # noqa: FBT001
    """The plain WebSocket: one text message per line."""
    parts: list[bytes] = []
    for line in batch.lines:
        parts.append(frame_header(TEXT, len(line)))
        parts.append(line)
    return b"".join(parts)


def line_messages(batch: Batch, _at_tail: bool) -> Sequence[bytes]:  # noqa: FBT001
    """The plain WebSocket's messages: the lines."""
    return batch.lines


# --- The multiplexed WebSocket ---------------------------------------------------------------------------------


def events_message(batch: Batch, at_tail: bool) -> bytes:  # noqa: FBT001
    """The multiplexed WebSocket: one ``events`` message per batch."""
    return text_frame(*events_messages(batch, at_tail))


def events_messages(batch: Batch, at_tail: bool) -> Sequence[bytes]:  # noqa: FBT001
    """The multiplexed WebSocket's messages: one."""
    head = b'{"type":"events","stream":"%s","next":"%s","upToDate":%s,"events":[' % (
        batch.stream.encode(),
        str(batch.next).encode(),
        b"true" if at_tail else b"false",
    )
    return (head + b",".join(batch.lines) + b"]}",)


def json_message(**fields: Any) -> bytes:  # noqa: ANN401 - whatever JSON can say
    """Any other message of the multiplexed WebSocket."""
    return text_frame(compact(fields))


# --- HTTP bodies -----------------------------------------------------------------------------------------------


def json_array(lines: Sequence[bytes]) -> bytes:
    """A JSON array of the events."""
    return b"[" + b",".join(lines) + b"]"


def json_lines(lines: Iterable[bytes]) -> bytes:
    """The lines as they stand in the file."""
    return b"".join([line + b"\n" for line in lines])


# --- Server-sent events (WHATWG HTML section 9.2) ------------------------------------


def sse_event(*, data: bytes, event: str = "", id: str = "") -> bytes:  # noqa: A002 - the field's name
    """One server-sent event. A CR would end a line; in valid JSON it can only be white space."""
    head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
    return b"%sdata: %s\n\n" % (head.encode(), data.replace(b"\r", b" "))


def sse_comment(text: str) -> bytes:
    """A comment, which clients pass over: it keeps proxies from closing a quiet connection."""
    return f": {text}\n\n".encode()


def sse_lines(batch: Batch, _at_tail: bool) -> bytes:  # noqa: FBT001
    """The plain SSE channel: one event per line, its id the offset after it.

    When a filter leaves nothing at the batch's end, an ``id`` alone moves the client's last event id on.
    """
    prefix = b"id: %s_" % batch.generation.encode()
    parts = [
        b"%s%016d\ndata: %s\n\n" % (prefix, end, line.replace(b"\r", b" ") if b"\r" in line else line)
        for line, end in zip(batch.lines, batch.ends, strict=True)
    ]
    if not parts or batch.ends[-1] != batch.end:
        parts.append(b"%s%016d\n\n" % (prefix, batch.end))
    return b"".join(parts)


def durable_events(lines: Sequence[bytes], control: dict[str, Any]) -> bytes:
    """Durable Streams over SSE: a ``data`` event (none without lines), then its ``control`` event."""
    data = b"event: data\ndata:%s\n\n" % json_array(lines).replace(b"\r", b" ") if lines else b""
    return data + b"event: control\ndata:%s\n\n" % compact(control)
