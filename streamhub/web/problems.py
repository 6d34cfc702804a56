"""Errors over HTTP: RFC 9457 problem details."""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from streamhub.errors import (
    AddressLimitError,
    InvalidRequestError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
    StreamReplacedError,
    UnauthorizedError,
)
from streamhub.wire import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("streamhub.web")
#: Any other: this copy of the stream lags, or the server stops or is full; soon, or elsewhere, it can be had.
_STATUSES: Final[Mapping[type[StreamhubError], int]] = {
    InvalidRequestError: 400,
    StreamNotFoundError: 404,
    AddressLimitError: 429,
}
_SOON: Final = {429, 503}
_BUSY: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> web.Response:  # noqa: ANN401
    """A response that says what went wrong, and further members for programs."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return web.Response(
        status=status,
        body=compact(body),
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def problem_of(error: Exception) -> web.Response:
    """The response for an error; what nobody foresaw is logged, and says nothing of itself."""
    match error:
        case OffsetGoneError(earliest=earliest) | StreamReplacedError(earliest=earliest):
            return problem(410, str(error), {"Stream-Earliest-Offset": earliest}, earliest=earliest)
        case UnauthorizedError(given=given):
            return problem(401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"' if given else "Bearer"})
        case StreamhubError():
            status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 503)
            return problem(status, str(error), {"Retry-After": "1"} if status in _SOON else None)
        case web.HTTPException():
            kept = {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}
            return problem(error.status, _detail(error), kept)
        case OSError(errno=number) if number in _BUSY:
            _log.warning("out of descriptors or memory: %s", error)
            return problem(503, "the server is at capacity: try again in a moment", {"Retry-After": "1"})
    _log.error("a request failed", exc_info=error)
    return problem(500, "the server failed to answer this request: its log says why")


def _detail(error: web.HTTPException) -> str:
    match error:
        case web.HTTPMethodNotAllowed():
            return f"method {error.method[:32]!r} is not allowed: streams are read-only, use GET, HEAD or OPTIONS"
        case web.HTTPNotFound():
            return "there is nothing here: see /openapi.json for what there is"
        case _:
            return error.text or error.reason
