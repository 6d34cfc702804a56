"""What answers and messages hold, as JSON Schema; shared by both descriptions of the API.

The structs say what the wire carries and build nothing: the tests hold real answers against them.
"""

from __future__ import annotations

import inspect
import re
from datetime import datetime  # noqa: TC003 - msgspec reads what fields are
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from streamhub.catalog import Entry  # noqa: TC001
from streamhub.events import ExecutionStreamEvent

_NOTE: Final = re.compile(r"^ {4}(\w+?)_?: (.+(?:\n {8}.+)*)", re.MULTILINE)

Token: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}_[0-9]{16}$")]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Counts: TypeAlias = dict[str, Count]
StreamId: TypeAlias = Annotated[str, msgspec.Meta(description="A stream's id.")]


class Line:
    """A line as readers get it: stands for the schema of that name."""


class MalformedPayload(msgspec.Struct):
    """Where the line is, and what is wrong with it.

    Attributes:
        offset: the token of the line's start.
        bytes: its length, without the newline.
        reason: the rule that it breaks.
    """

    offset: Token
    bytes: Count
    reason: Literal["nul", "utf-8", "json", "object", "too-long"]


class Malformed(msgspec.Struct, tag_field="event_type", tag="malformed"):
    """What readers get in the place of a line that is no event."""

    payload: MalformedPayload


class StreamList(msgspec.Struct):
    """A page of the list, newest activity first.

    Attributes:
        next: what ``after`` is to be for the next page; null on the last.
    """

    streams: list[Entry]
    next: str | None


class Bucket(msgspec.Struct):
    """A piece of time; it lasts until the next begins.

    Attributes:
        from_: when it begins.
        offset: the token of the first of its lines.
        by_type: how many lines of which type are in it; malformed ones as ``malformed``.
    """

    from_: datetime = msgspec.field(name="from")
    offset: Token
    by_type: Counts


class Summary(msgspec.Struct):
    """The shape of a stream over time.

    Attributes:
        mission_id: the mission of the first event that names one.
        events: how many events there are.
        malformed: how many lines are no events.
        bytes: how many bytes of complete lines there are.
        tail: the token of the tail.
        closed: whether the stream has its final status.
        first: the earliest line's time, as it is written there.
        last: the latest line's time, as it is written there.
        by_type: how many events of which type there are.
        buckets: the lines from ``since`` to ``until``; empty buckets are left out.
    """

    id: StreamId
    mission_id: str | None
    events: Count
    malformed: Count
    bytes: Count
    tail: Token
    closed: bool
    first: str | None
    last: str | None
    by_type: Counts
    buckets: list[Bucket]


class Problem(msgspec.Struct):
    """Why there is no answer (RFC 9457).

    Attributes:
        detail: the value, the rule that it breaks, and what to do.
        earliest: with 410, the token to start again from.
    """

    type: str
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    earliest: Token | msgspec.UnsetType = msgspec.UNSET


class Control(msgspec.Struct):
    """Where a reader of Durable Streams stands.

    Attributes:
        streamNextOffset: where to resume.
        streamCursor: what to send as ``cursor`` then.
        upToDate: true at the tail; absent elsewhere.
        streamClosed: true at the end of a closed stream, after which nothing comes; absent elsewhere.
    """

    streamNextOffset: Token  # noqa: N815 - the wire's name, like those below
    streamCursor: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    upToDate: Literal[True] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    streamClosed: Literal[True] | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


class Closed(msgspec.Struct):
    """The end of a closed stream.

    Attributes:
        next: the token of the end.
    """

    next: Token


class Reset(msgspec.Struct):
    """The file was cut or replaced, or deleted.

    Attributes:
        earliest: where to start again; null when the stream was deleted.
    """

    earliest: Token | None


class Opened(msgspec.Struct):
    """A stream that a socket carries.

    Attributes:
        offset: where reading begins.
        tail: the token of the tail.
        closed: whether the stream has its final status.
    """

    stream: StreamId
    offset: Token
    tail: Token
    closed: bool


class OpenMessage(msgspec.Struct, tag="open"):
    """The streams that there are: the first message, and again when a stream joins."""

    streams: list[Opened]


class EventsMessage(msgspec.Struct, tag="events"):
    """Lines of one stream, in file order.

    Attributes:
        next: where to resume.
        upToDate: whether this reaches the tail.
        events: the lines; none when all were filtered out.
    """

    stream: StreamId
    next: Token
    upToDate: bool  # noqa: N815 - the wire's name
    events: list[Line]


class HeartbeatMessage(msgspec.Struct, tag="heartbeat"):
    """The connection lives, though nothing else came for a while.

    Attributes:
        next: for each stream, where to resume.
        time: the server's clock.
    """

    next: dict[str, Token]
    time: datetime


class EndMessage(msgspec.Struct, tag="end"):
    """A closed stream was read to its end.

    Attributes:
        next: the token of the end.
    """

    stream: StreamId
    next: Token


class ResetMessage(msgspec.Struct, tag="reset"):
    """A stream's file was cut or replaced, or deleted: no more of it comes on this socket.

    Attributes:
        earliest: where to start again; null when the stream was deleted.
    """

    stream: StreamId
    earliest: Token | None


class ErrorMessage(msgspec.Struct, tag="error"):
    """What the client did wrong, before the socket closes.

    Attributes:
        code: the close code that follows.
    """

    code: int
    message: str


_STRUCTS: Final = (
    *(Malformed, StreamList, Summary, Problem, Control, Closed, Reset),
    *(OpenMessage, EventsMessage, HeartbeatMessage, EndMessage, ResetMessage, ErrorMessage),
)


def ref(name: str) -> dict[str, str]:
    """A reference to a schema, by the name of its struct."""
    return {"$ref": f"#/components/schemas/{name}"}


def schemas() -> dict[str, Any]:
    """Every schema by its name, as ``components/schemas`` of a description holds them."""
    (event, *_), components = msgspec.json.schema_components(
        (ExecutionStreamEvent, *_STRUCTS), schema_hook=_line_schema, ref_template="#/components/schemas/{name}"
    )
    for schema in components.values():
        _move_notes(schema)
    components["ExecutionStreamEvent"] = {"description": "What a mission tells, one JSON object a line.", **event}
    components["Line"] = {
        "description": "A line as readers get it: its own bytes, or a stand-in where it is no event.",
        "anyOf": [
            ref("ExecutionStreamEvent"),
            ref("Malformed"),
            {"type": "object", "description": "Any other JSON object passes untouched, known type or not."},
        ],
    }
    return dict(sorted(components.items()))


def _line_schema(kind: type) -> dict[str, Any]:
    if kind is not Line:
        raise NotImplementedError(kind)
    return dict(ref("Line"))


def _move_notes(schema: dict[str, Any]) -> None:
    """Take what a docstring says of its attributes to the properties themselves."""
    text, _, notes = inspect.cleandoc(schema.get("description", "")).partition("\n\nAttributes:\n")
    schema["description"] = text
    for name, note in _NOTE.findall(notes):
        schema["properties"][name]["description"] = note[0].upper() + re.sub(r"\s+", " ", note[1:])
