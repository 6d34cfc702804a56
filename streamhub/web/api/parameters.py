"""The parameters of a request: one table for the query strings, headers and paths of both descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from streamhub.catalog import DEFAULT_LIMIT, MAX_LIMIT
from streamhub.config import Config
from streamhub.stream_id import STREAM_ID_PATTERN
from streamhub.summary import DEFAULT_BUCKETS, MAX_BUCKETS
from streamhub.web.api import examples as example

if TYPE_CHECKING:
    from collections.abc import Iterable

#: An offset as a request may name it.
OFFSET_PATTERN: Final = "(?:[0-9a-f]{8}_[0-9]{16}|-1|now)"

_TEXT: Final = {"type": "string"}
_TIME: Final = "ISO 8601; without a zone it is UTC."
_ONE_START: Final = "At most one of `offset`, `tail` and `since`; the beginning when none is given."


@dataclass(frozen=True)
class Parameter:
    """One parameter, as both descriptions show it.

    Attributes:
        name: its name on the wire.
        description: what it means.
        schema: JSON Schema of its value; an array is a parameter that may stand several times.
        example: a value.
        where: where it stands. What stands in the path is always required, nothing else is.
    """

    name: str
    description: str
    schema: dict[str, Any]
    example: Any
    where: Literal["query", "header", "path"] = "query"

    def openapi(self) -> dict[str, Any]:
        """As OpenAPI writes it."""
        return {
            "name": self.name,
            "in": self.where,
            "description": self.description,
            "required": self.where == "path",
            "schema": self.schema,
            "example": self.example,
        }

    def property(self) -> dict[str, Any]:
        """As a property of a JSON Schema."""
        return {"description": self.description, **self.schema, "examples": [self.example]}


def _whole(least: int, most: int = 10**15 - 1, **more: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def _several(item: dict[str, Any], **more: int) -> dict[str, Any]:
    return {"type": "array", "items": item, **more}


PARAMETERS: Final[dict[str, Parameter]] = {
    "id": Parameter(
        "id", "The stream's id.", {"type": "string", "pattern": f"^{STREAM_ID_PATTERN}$"}, example.STREAM, "path"
    ),
    # --- where to start, and which lines: on every transport -------------------------------------------------
    "offset": Parameter(
        "offset",
        f"Where to start: a token that the server gave, `-1` (the beginning) or `now` (the tail). {_ONE_START}",
        {"type": "string", "pattern": f"^{OFFSET_PATTERN}$"},
        example.SECOND,
    ),
    "tail": Parameter(
        "tail", f"Start with the last so many lines, counted before filters. {_ONE_START}", _whole(0), 100
    ),
    "since": Parameter(
        "since", f"Start with the first line at or after this time. {_TIME} {_ONE_START}", _TEXT, "2026-01-01T12:00:00Z"
    ),
    "eventType": Parameter(
        "event_type",
        "Only events of these types; `malformed` is one. Offsets advance past what is left out.",
        _several(_TEXT),
        ["extraction", "status"],
    ),
    "contains": Parameter("contains", "Only lines whose text contains this; ASCII case is ignored.", _TEXT, "prices"),
    "wait": Parameter(
        "wait",
        "`1` or `true`: the stream may not be there yet. Live ways wait for it, catch-up answers `[]` at the zero "
        "offset, HEAD stays 404. Anything else: a stream that is not there is 404.",
        _TEXT,
        "1",
    ),
    # --- polling -----------------------------------------------------------------------------------------
    "live": Parameter(
        "live",
        "Wait for news: `long-poll` answers as soon as there is something (204 when there is nothing for a while), "
        "`sse` goes on for about a minute. A place to start must be named with it.",
        {"type": "string", "enum": ["long-poll", "sse"]},
        "long-poll",
    ),
    "until": Parameter(
        "until",
        f"Only lines up to this time, and lines without one; not with `live=sse`. {_TIME}",
        _TEXT,
        "2026-01-01T13:00Z",
    ),
    "limit": Parameter("limit", "The most events to deliver; not with `live=sse`.", _whole(1), 500),
    "cursor": Parameter(
        "cursor", "The last `Stream-Cursor`: it keeps caches from answering for ever.", _TEXT, "1943712"
    ),
    # --- the list ------------------------------------------------------------------------------------------
    "pageLimit": Parameter(
        "limit", "The most streams in a page.", _whole(1, MAX_LIMIT, default=DEFAULT_LIMIT), DEFAULT_LIMIT
    ),
    "after": Parameter("after", "The `next` of the page before.", _TEXT, "LTE3NjcyNjg4MDMwMDAwMDAgcw"),
    "prefix": Parameter("prefix", "Only ids that begin with it.", _TEXT, "2026"),
    "missionId": Parameter("mission_id", "Only streams of this mission.", _TEXT, example.MISSION),
    # --- the summary ---------------------------------------------------------------------------------------
    "buckets": Parameter(
        "buckets", "The most buckets.", _whole(1, MAX_BUCKETS, default=DEFAULT_BUCKETS), DEFAULT_BUCKETS
    ),
    "bucketsSince": Parameter("since", f"Buckets from this time on. {_TIME}", _TEXT, "2026-01-01T12:00:00Z"),
    "bucketsUntil": Parameter("until", f"Buckets up to this time. {_TIME}", _TEXT, "2026-01-01T13:00:00Z"),
    # --- the multiplexed WebSocket -----------------------------------------------------------------------------
    "stream": Parameter(
        "stream",
        "A stream by its id, and where it starts if that is not where the others do: `<id>@<offset>`.",
        _several(
            {"type": "string", "pattern": f"^{STREAM_ID_PATTERN}(?:@{OFFSET_PATTERN})?$"}, maxItems=Config.max_streams
        ),
        [f"{example.STREAM}@{example.SECOND}"],
    ),
    "match": Parameter(
        "match",
        "Streams whose ids match this glob, those that appear later too; 16 at most, 1,024 characters in all.",
        _several(_TEXT),
        ["2026*"],
    ),
    # --- the dashboard -------------------------------------------------------------------------------------------
    "token": Parameter(
        "token", "A token to keep in a cookie: the answer leads to the address without it.", _TEXT, "s3cret"
    ),
    # --- headers -------------------------------------------------------------------------------------------
    "ifNoneMatch": Parameter(
        "If-None-Match", "Answer 304 if the entity tag is still this one.", _TEXT, f'"{"0" * 32}"', "header"
    ),
    "lastEventId": Parameter(
        "Last-Event-ID",
        "Where to resume: the id of the last event. It overrides `offset`, `tail` and `since`.",
        {"type": "string", "pattern": f"^{OFFSET_PATTERN}$"},
        example.SECOND,
        "header",
    ),
    "upgrade": Parameter(
        "Upgrade", "`websocket` (RFC 6455), beside `Connection: Upgrade`.", _TEXT, "websocket", "header"
    ),
    "socketVersion": Parameter("Sec-WebSocket-Version", "The only version there is.", {"const": "13"}, "13", "header"),
    "socketKey": Parameter("Sec-WebSocket-Key", "16 bytes in base64.", _TEXT, "dGhlIHNhbXBsZSBub25jZQ==", "header"),
    "subprotocol": Parameter(
        "Sec-WebSocket-Protocol",
        "`streamhub.v1` is spoken, named or not; beside it `bearer.<token in base64url without padding>` may stand.",
        _TEXT,
        "streamhub.v1",
        "header",
    ),
}

START: Final = ("offset", "tail", "since")
FILTERS: Final = ("eventType", "contains")
HANDSHAKE: Final = ("upgrade", "socketVersion", "socketKey", "subprotocol")


def query_schema(keys: Iterable[str]) -> dict[str, Any]:
    """The query parameters among some, as one JSON Schema."""
    chosen = [PARAMETERS[key] for key in keys]
    return {
        "type": "object",
        "properties": {parameter.name: parameter.property() for parameter in chosen if parameter.where == "query"},
    }
