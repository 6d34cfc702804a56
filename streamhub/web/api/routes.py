"""One table of what each route takes and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamhub.web.api import examples as example
from streamhub.web.api.answers import Answer, Content
from streamhub.web.api.parameters import FILTERS, HANDSHAKE, START
from streamhub.web.api.schemas import ref
from streamhub.web.polling import JSON, NDJSON
from streamhub.web.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT: Final = {"type": "string"}
_STATE: Final = ("Stream-Next-Offset", "Stream-Up-To-Date", "Stream-Closed", "Stream-Cursor")
_UNCHANGED: Final = Answer("The client has it already.", ("ETag", "Cache-Control"))


def _json(description: str, schema: Mapping[str, Any], shown: object, content_type: str = JSON) -> dict[int, Answer]:
    """A JSON answer with its entity tag, and the 304 that goes with it."""
    answer = Answer(description, ("ETag", "Cache-Control"), {content_type: Content(schema, shown)})
    return {200: answer, 304: _UNCHANGED}


@dataclass(frozen=True)
class Method:
    """What a request takes, and how it may be answered.

    Attributes:
        parameters: keys of ``PARAMETERS``, beside those in the path.
        answers: what the route itself says, by status.
        refusals: further statuses, of ``PROBLEMS``, beside those that all routes share.
    """

    parameters: tuple[str, ...] = ()
    answers: Mapping[int, Answer] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()


@dataclass(frozen=True)
class Route:
    """A path.

    Attributes:
        name: what its operations are called.
        tag: the group that it is shown in.
        get: what GET takes and answers.
        head: the same for HEAD, where that is not as GET without a body.
        about: what there is to say beside the handler's own words.
        guarded: whether ``Host``, ``Origin`` and the token are looked at.
    """

    name: str
    tag: str
    get: Method
    head: Method | None = None
    about: str = ""
    guarded: bool = True


_EVENT_STREAM: Final = ("Cache-Control", "X-Accel-Buffering")
_POLLED: Final = {
    JSON: Content({"type": "array", "items": ref("Line")}, example.EVENTS),
    NDJSON: Content({**_TEXT, "description": "The lines as they stand in the file, one a line."}, example.NDJSON),
    "text/event-stream": Content(
        {**_TEXT, "description": "With `live=sse`: `data` and `control` events, see `/asyncapi.json`."},
        example.SSE_DURABLE,
    ),
}
_SWITCHED: Final = ("Upgrade", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol")
_HEALTH: Final = {200: Answer("It is.", ("Cache-Control",), {"text/plain": Content({"const": "ok\n"}, "ok\n")})}
_PREFLIGHT: Final = ("Allow-Methods", "Allow-Headers", "Max-Age")

#: The same on every route.
OPTIONS: Final = Method(
    answers={
        204: Answer(
            "What may be done here.",
            ("Allow", "Cache-Control", *(f"Access-Control-{what}" for what in _PREFLIGHT)),
        )
    }
)

#: What each path of the application takes and answers; a test compares the two.
ROUTES: Final[dict[str, Route]] = {
    "/": Route(
        "Dashboard",
        "server",
        Method(
            ("token",),
            {
                200: Answer("A page.", ("Cache-Control", "Content-Security-Policy"), {"text/html": Content(_TEXT)}),
                303: Answer("The token is kept in a cookie.", ("Location", "Set-Cookie", "Cache-Control")),
            },
            (400,),
        ),
    ),
    "/v1/streams": Route(
        "Streams",
        "streams",
        Method(
            ("pageLimit", "after", "prefix", "missionId", "ifNoneMatch"),
            _json("A page of the list.", ref("StreamList"), {"streams": [example.ENTRY], "next": None}),
            (400, 503),
        ),
    ),
    "/v1/stream/{id}": Route(
        "Stream",
        "streams",
        Method(
            (*START, *FILTERS, "until", "limit", "wait", "live", "cursor", "ifNoneMatch"),
            {
                200: Answer("Events, and where to read on.", (*_STATE, "ETag", *_EVENT_STREAM), _POLLED),
                204: Answer(
                    f"A long-poll is over: nothing came for {Timing.long_poll:.0f} s, or nothing ever will.",
                    (*_STATE, "Cache-Control"),
                ),
                304: Answer("The client has it already.", (*_STATE, "ETag", "Cache-Control")),
            },
            (400, 404, 410, 429, 503),
        ),
        Method(
            (*START, "live"),
            {
                200: Answer(
                    "The stream is there, and can be read from this place; the tail.",
                    ("Stream-Next-Offset", "Stream-Closed", "Cache-Control"),
                )
            },
            (400, 404, 410, 503),
        ),
        "The read side of the Durable Streams protocol, in JSON mode. One answer holds a bounded piece: read on from "
        "`Stream-Next-Offset` until `Stream-Up-To-Date`. With `Accept: application/x-ndjson` it holds the file's own "
        f"lines. Server-sent events (`live=sse`) end after about {Timing.rotation:.0f} s, to be asked for again.",
    ),
    "/v1/stream/{id}/ws": Route(
        "StreamSocket",
        "live",
        Method(
            (*START, *FILTERS, "wait", *HANDSHAKE),
            {101: Answer("One text message per line follows.", _SWITCHED)},
            (400, 404, 410, 426, 429, 503),
        ),
        Method(refusals=(426,)),
        "See `/asyncapi.json`. A browser sees no status of a handshake: ask `HEAD /v1/stream/{id}?offset=…` first.",
    ),
    "/v1/stream/{id}/sse": Route(
        "StreamEvents",
        "live",
        Method(
            (*START, *FILTERS, "wait", "lastEventId"),
            {
                200: Answer(
                    "One event per line; its id is the offset after it.",
                    _EVENT_STREAM,
                    {"text/event-stream": Content(_TEXT, example.SSE_PLAIN)},
                ),
                204: Answer("The stream is closed and was read: this stops `EventSource`.", ("Cache-Control",)),
            },
            (400, 404, 410, 429, 503),
        ),
        Method(
            (*START, "lastEventId"),
            {200: Answer("The stream is there, and can be read from this place.", _EVENT_STREAM)},
            (400, 404, 410, 503),
        ),
    ),
    "/v1/stream/{id}/summary": Route(
        "StreamSummary",
        "streams",
        Method(
            ("buckets", "bucketsSince", "bucketsUntil", "ifNoneMatch"),
            _json("The summary.", ref("Summary"), example.SUMMARY),
            (400, 404, 410, 503),
        ),
    ),
    "/v1/ws": Route(
        "Socket",
        "live",
        Method(
            ("stream", "match", *START, *FILTERS, "wait", *HANDSHAKE),
            {101: Answer("JSON messages follow.", _SWITCHED)},
            (400, 404, 410, 426, 429, 503),
        ),
        Method(refusals=(426,)),
        "See `/asyncapi.json`. Give `stream` or `match`, or both; `offset`, `tail` and `since` hold for the streams "
        "that have no `@` of their own.",
    ),
    "/v1/schema": Route(
        "Schema",
        "server",
        Method(
            ("ifNoneMatch",),
            _json("JSON Schema, 2020-12.", {"type": "object"}, None, "application/schema+json"),
        ),
    ),
    "/openapi.json": Route(
        "OpenApi", "server", Method(("ifNoneMatch",), _json("This document.", {"type": "object"}, None))
    ),
    "/asyncapi.json": Route(
        "AsyncApi",
        "server",
        Method(("ifNoneMatch",), _json("An AsyncAPI document.", {"type": "object"}, None)),
    ),
    "/metrics": Route(
        "Metrics",
        "server",
        Method(answers={200: Answer("Prometheus text.", ("Cache-Control",), {"text/plain": Content(_TEXT)})}),
    ),
    "/healthz": Route("Health", "server", Method(answers=_HEALTH), guarded=False),
    "/readyz": Route(
        "Readiness",
        "server",
        Method(
            answers={
                **_HEALTH,
                503: Answer(
                    "The server shuts down.",
                    ("Cache-Control",),
                    {"text/plain": Content({"const": "draining\n"}, "draining\n")},
                ),
            }
        ),
        guarded=False,
    ),
}
