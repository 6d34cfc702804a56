"""What an answer can be: its headers, its bodies, and the refusals that all routes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from streamhub.web.api import examples as example
from streamhub.web.api.schemas import ref

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT: Final = {"type": "string"}
_TRUE: Final = {"const": "true"}


def _header(description: str, shown: str, schema: Mapping[str, Any] = _TEXT) -> dict[str, Any]:
    return {"description": description, "schema": schema, "example": shown}


#: The headers of answers, by name.
HEADERS: Final[dict[str, Any]] = {
    "Stream-Next-Offset": _header("Where to read on.", example.TAIL),
    "Stream-Up-To-Date": _header("The answer reaches the tail; absent elsewhere.", "true", _TRUE),
    "Stream-Closed": _header("Nothing will ever follow; absent elsewhere.", "true", _TRUE),
    "Stream-Cursor": _header("To be sent as `cursor` with the next request.", "1943712"),
    "Stream-Earliest-Offset": _header("Where to start again.", example.BEGINNING),
    "ETag": _header("Names what the body holds.", f'"{"0" * 32}"'),
    "Cache-Control": _header("How long caches may keep the answer.", "no-cache"),
    "Retry-After": _header("Seconds to wait before asking again.", "1", {**_TEXT, "pattern": "^[0-9]+$"}),
    "X-Accel-Buffering": _header("Tells proxies to pass events on at once.", "no"),
    "Content-Security-Policy": _header("What the page may load.", "default-src 'none'"),
    "Location": _header("Where to go on.", "/"),
    "Set-Cookie": _header("The token, for this browser.", "streamhub=czNjcmV0; HttpOnly; Path=/; SameSite=Strict"),
    "WWW-Authenticate": _header("How to show a token.", "Bearer"),
    "Upgrade": _header("The protocol to speak.", "websocket"),
    "Sec-WebSocket-Accept": _header("The answer to `Sec-WebSocket-Key`.", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    "Sec-WebSocket-Protocol": _header("The subprotocol, when the client offers it.", "streamhub.v1"),
    "Sec-WebSocket-Version": _header("The version to speak.", "13"),
    "Allow": _header("What may be done here.", "GET,HEAD,OPTIONS"),
    "Access-Control-Allow-Methods": _header("To a preflight: what may be done here.", "GET, HEAD, OPTIONS"),
    "Access-Control-Allow-Headers": _header("To a preflight: what may be sent along.", "if-none-match"),
    "Access-Control-Max-Age": _header("To a preflight: seconds for which this holds.", "600"),
}


@dataclass(frozen=True)
class Content:
    """A body of one content type: its schema, and an example."""

    schema: Mapping[str, Any]
    example: object = None

    def openapi(self) -> dict[str, Any]:
        """As OpenAPI writes it."""
        return {"schema": self.schema} | ({} if self.example is None else {"example": self.example})


@dataclass(frozen=True)
class Answer:
    """One way to answer.

    Attributes:
        description: what it means.
        headers: names of ``HEADERS`` that it may carry, beside those that every answer does.
        content: the body by content type.
    """

    description: str
    headers: tuple[str, ...] = ()
    content: Mapping[str, Content] = field(default_factory=dict)

    def openapi(self) -> dict[str, Any]:
        """As OpenAPI writes it."""
        written: dict[str, Any] = {"description": self.description}
        if self.headers:
            written["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in self.headers}
        if self.content:
            written["content"] = {kind: content.openapi() for kind, content in self.content.items()}
        return written


def _problem(status: int, description: str, detail: str, *headers: str, **members: str) -> tuple[int, Answer]:
    shown = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    content = {"application/problem+json": Content(ref("Problem"), shown)}
    return status, Answer(description, ("Cache-Control", *headers), content)


#: Refusals, by status.
PROBLEMS: Final[dict[int, Answer]] = dict(
    (
        _problem(
            400, "A value that is wrong whatever the streams hold.", "tail 'x' is no count: give a whole number from 0"
        ),
        _problem(
            401,
            "No token, or one that is not good.",
            "this server asks for a token: send Authorization: Bearer, or open /?token=… once",
            "WWW-Authenticate",
        ),
        _problem(
            403,
            "`Host` or `Origin` is not one that may read.",
            "origin 'https://other.example' may not read: start the server with --allow-origin if it should",
        ),
        _problem(
            404,
            "There is no such stream, or none that the token is good for.",
            f"there is no stream {example.STREAM!r}: see /v1/streams for those there are",
        ),
        _problem(
            405,
            "To another method than GET, HEAD or OPTIONS: streams are read-only.",
            "method 'POST' is not allowed: streams are read-only, use GET, HEAD or OPTIONS",
            "Allow",
        ),
        _problem(
            410,
            "The file was cut or replaced: the offset names lines that are no more.",
            f"offset 0badcafe{example.TAIL[8:]} belongs to another generation of this stream: "
            f"start again from {example.BEGINNING}",
            "Stream-Earliest-Offset",
            earliest=example.BEGINNING,
        ),
        _problem(
            426,
            "The request asks for no WebSocket, or for a version that is not spoken here.",
            "only WebSocket version 13 is spoken here",
            *("Upgrade", "Sec-WebSocket-Version"),
        ),
        _problem(
            429,
            "The client keeps asking at the end of a closed stream, or has as many live connections as it may.",
            "this stream is closed and nothing will follow this offset: stop asking",
            "Retry-After",
        ),
        _problem(500, "The server failed.", "the server failed to answer this request: its log says why"),
        _problem(
            503,
            "This copy of the stream lags behind the offset, or the server is at capacity.",
            f"offset {example.TAIL} is past the tail {example.SECOND}: this copy lags, try again in a second",
            "Retry-After",
        ),
    )
)


def problem_name(status: int) -> str:
    """What a refusal is called among the components."""
    return HTTPStatus(status).phrase.title().replace(" ", "")
