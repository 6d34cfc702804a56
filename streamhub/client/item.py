"""One event as a reader gets it: the line's own bytes, what they mean, and where to read on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streamhub.errors import InvalidEventError
from streamhub.events import decode

if TYPE_CHECKING:
    from streamhub.events import ExecutionStreamEvent


class Item:
    """One event of one stream.

    Attributes:
        stream: the stream's id.
        line: the line as it stands in the file, byte for byte, without its newline.
        offset: where to read on after it: what to keep, and to give as ``offset`` to somebody who goes on from here.
            Nothing is ever lost that way. Where events are left out (``event_types``, ``contains``), or a file holds
            empty lines, the place between two events of one message is not known: then it is the place before them,
            and going on from there gives some of them again.
    """

    __slots__ = ("_event", "line", "offset", "stream")

    def __init__(self, stream: str, line: bytes, offset: str) -> None:
        self.stream = stream
        self.line = line
        self.offset = offset
        self._event: ExecutionStreamEvent | dict[str, Any] | None = None

    @property
    def event(self) -> ExecutionStreamEvent | dict[str, Any]:
        """The event: one of the schema's types, or a dict of whatever else the line says. Decoded when first asked for.

        That is how events of unknown types come, and the stand-ins of lines that are no event:
        ``{"event_type": "malformed", "payload": {"offset": …, "bytes": …, "reason": …}}``.
        """
        if self._event is None:
            self._event = _decoded(self.line)
        return self._event

    @property
    def event_type(self) -> str | None:
        """What kind of event it is; None when the line does not say."""
        event = self.event
        kind = event.get("event_type") if isinstance(event, dict) else event.event_type
        return kind if isinstance(kind, str) else None

    def __repr__(self) -> str:
        return f"Item({self.stream!r}, {self.line!r}, {self.offset!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Item):
            return NotImplemented
        return (self.stream, self.line, self.offset) == (other.stream, other.line, other.offset)

    def __hash__(self) -> int:
        return hash((self.stream, self.offset))


def _decoded(line: bytes) -> ExecutionStreamEvent | dict[str, Any]:
    try:
        return decode(line)
    except InvalidEventError:
        event: dict[str, Any] = json.loads(line)  # the server lets only JSON objects through
        return event
