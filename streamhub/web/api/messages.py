"""One table of the messages that are pushed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamhub.inbound import MAX_MESSAGE, TOO_BIG
from streamhub.web.api import examples as example
from streamhub.web.api.schemas import ref
from streamhub.web.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Message:
    """A message.

    Attributes:
        summary: what it tells.
        payload: its schema.
        example: one of it.
        fields: for a server-sent event, its other fields: a schema each.
    """

    summary: str
    payload: Mapping[str, Any]
    example: object
    fields: Mapping[str, Any] = field(default_factory=dict)

    def asyncapi(self, name: str) -> dict[str, Any]:
        """As AsyncAPI writes it."""
        written = {
            "name": name,
            "summary": self.summary,
            "contentType": "application/json",
            "payload": self.payload,
            "examples": [{"payload": self.example}],
        }
        if self.fields:
            written["headers"] = {"type": "object", "properties": self.fields}
        return written


_LINE: Final = "A line as it stands in the file, or its `malformed` stand-in."
_TOKEN: Final = {"type": "string", "pattern": "^[0-9a-f]{8}_[0-9]{16}$"}
_ID: Final = {"id": {**_TOKEN, "description": "The offset after it: what `Last-Event-ID` is to resume from."}}

MESSAGES: Final[dict[str, Message]] = {
    "line": Message(_LINE, ref("Line"), example.EVENTS[0]),
    "open": Message(
        "The streams that there are: the first message, and again when a stream joins.",
        ref("OpenMessage"),
        {
            "type": "open",
            "streams": [
                {"stream": example.STREAM, "offset": example.BEGINNING, "tail": example.TAIL, "closed": True},
            ],
        },
    ),
    "events": Message(
        "Lines of one stream, in file order.",
        ref("EventsMessage"),
        {
            "type": "events",
            "stream": example.STREAM,
            "next": example.TAIL,
            "upToDate": True,
            "events": example.EVENTS,
        },
    ),
    "heartbeat": Message(
        f"Nothing else came for {Timing.heartbeat:.0f} s: where each stream is to be resumed.",
        ref("HeartbeatMessage"),
        {"type": "heartbeat", "next": {example.STREAM: example.SECOND}, "time": "2026-01-01T12:00:17.000000Z"},
    ),
    "end": Message(
        "A closed stream was read to its end.",
        ref("EndMessage"),
        {"type": "end", "stream": example.STREAM, "next": example.TAIL},
    ),
    "reset": Message(
        "A stream's file was cut or replaced (null: deleted): no more of it comes on this socket.",
        ref("ResetMessage"),
        {"type": "reset", "stream": example.STREAM, "earliest": None},
    ),
    "error": Message(
        "What the client did wrong, before the socket closes.",
        ref("ErrorMessage"),
        {"type": "error", "code": TOO_BIG, "message": f"a message is longer than {MAX_MESSAGE} bytes"},
    ),
    "sseLine": Message(_LINE, ref("Line"), example.EVENTS[0], _ID),
    "sseClosed": Message(
        "The end of a closed stream; then the response ends.",
        ref("Closed"),
        {"next": example.TAIL},
        {**_ID, "event": {"const": "closed"}},
    ),
    "sseReset": Message(
        "The file was cut or replaced (null: deleted); then the response ends.",
        ref("Reset"),
        {"earliest": example.BEGINNING},
        {"event": {"const": "reset"}},
    ),
    "data": Message(
        "Events, in file order.",
        {"type": "array", "items": ref("Line")},
        example.EVENTS,
        {"event": {"const": "data"}},
    ),
    "control": Message(
        "Where the reader stands: after each `data`, and first at the tail.",
        ref("Control"),
        {"streamNextOffset": example.TAIL, "upToDate": True, "streamClosed": True},
        {"event": {"const": "control"}},
    ),
}
