"""One table of the ways to be told: what each takes, what comes on it, and how it closes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamhub.inbound import MAX_MESSAGE, NORMAL, PROTOCOL_ERROR, TOO_BIG
from streamhub.web.api.parameters import FILTERS, PARAMETERS, START, query_schema
from streamhub.web.multiplex import AT_CAPACITY
from streamhub.web.timing import Timing
from streamhub.web.websocket import DELETED, EXPIRED, GOING_AWAY, INBOUND_DATA, INTERNAL, REPLACED

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLOSE_CODES: Final = {
    GOING_AWAY: "The server shuts down: come back in a moment.",
    PROTOCOL_ERROR: "The client broke the rules of WebSocket.",
    INBOUND_DATA: "The client sent data, to a server that was told not to take it.",
    INTERNAL: "The server failed: its log says why.",
    EXPIRED: "The token has expired: get a new one.",
    TOO_BIG: f"The client sent a message over {MAX_MESSAGE} bytes.",
}


@dataclass(frozen=True)
class Channel:
    """A way to be told.

    Attributes:
        address: its path.
        protocol: ``ws`` or ``http``.
        summary: what it is.
        parameters: keys of ``PARAMETERS``.
        messages: what comes on it: keys of ``MESSAGES``.
        close_codes: of a WebSocket, what each means.
    """

    address: str
    protocol: str
    summary: str
    parameters: tuple[str, ...]
    messages: tuple[str, ...]
    close_codes: Mapping[int, str] = field(default_factory=dict)

    def asyncapi(self) -> dict[str, Any]:
        """As AsyncAPI writes it."""
        written: dict[str, Any] = {
            "address": self.address,
            "summary": self.summary,
            "servers": [{"$ref": f"#/servers/{self.protocol}"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in self.messages},
        }
        if "{id}" in self.address:
            stream = PARAMETERS["id"]
            written["parameters"] = {"id": {"description": stream.description, "examples": [stream.example]}}
        if self.protocol == "ws":
            query = query_schema(self.parameters)
            written["bindings"] = {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}}
        if self.close_codes:
            written["x-close-codes"] = {str(code): self.close_codes[code] for code in sorted(self.close_codes)}
        return written

    def operation(self, name: str) -> dict[str, Any]:
        """Its one operation: the server sends."""
        written: dict[str, Any] = {
            "action": "send",
            "summary": self.summary,
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{message}"} for message in self.messages],
        }
        if self.protocol == "http":
            query = query_schema(self.parameters)
            written["bindings"] = {"http": {"method": "GET", "query": query, "bindingVersion": "0.3.0"}}
        return written


CHANNELS: Final[dict[str, Channel]] = {
    "plainSocket": Channel(
        "/v1/stream/{id}/ws",
        "ws",
        "One text message per line of one stream.",
        (*START, *FILTERS, "wait"),
        ("line",),
        {
            NORMAL: "The stream is closed and was delivered.",
            **_CLOSE_CODES,
            DELETED: "The stream was deleted.",
            REPLACED: "The file was cut or replaced: start again from the token in the reason.",
        },
    ),
    "socket": Channel(
        "/v1/ws",
        "ws",
        "Many streams on one socket, with offsets. The address says which; nothing that a client sends changes it.",
        ("stream", "match", *START, *FILTERS, "wait"),
        ("open", "events", "heartbeat", "end", "reset", "error"),
        {
            NORMAL: "Every stream has ended, or been reset.",
            AT_CAPACITY: "More streams match than one socket may have: name fewer.",
            **_CLOSE_CODES,
            REPLACED: "Every stream was reset, and none has ended.",
        },
    ),
    "plainEvents": Channel(
        "/v1/stream/{id}/sse",
        "http",
        "Server-sent events: one per line of one stream, its id the offset after it.",
        (*START, *FILTERS, "wait"),
        ("sseLine", "sseClosed", "sseReset"),
    ),
    "durableEvents": Channel(
        "/v1/stream/{id}",
        "http",
        f"Durable Streams as server-sent events (`live=sse`): for about {Timing.rotation:.0f} s, then asked for again.",
        ("live", *START, *FILTERS, "wait", "cursor"),
        ("data", "control"),
    ),
}
