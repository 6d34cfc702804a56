"""The server's log: as text for people, or a JSON object a line for programs, each with the request it belongs to.

Neither ever holds a token: of a request the path is told, not its query or its fields.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from streamhub.web.keys import CONFIG
from streamhub.wire import compact

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from streamhub.config import Config
    from streamhub.web.connection import Connection

#: The header that a request's id comes in, and is given back in.
REQUEST_ID: Final = "X-Request-Id"
_access: Final = logging.getLogger("streamhub.access")
#: What a proxy may have given: short, and of letters that mean nothing to whoever reads a log.
_SANE: Final = re.compile(r"[A-Za-z0-9._:=/+@-]{1,128}", re.ASCII)
_LONGEST_PATH: Final = 256
_ID: Final = web.RequestKey("id", str)
_current: Final[ContextVar[str]] = ContextVar("request_id", default="")


def set_up(config: Config) -> None:
    """Have everything that is logged written to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if config.log_format == "json" else TextFormatter())
    handler.addFilter(_add_request_id)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request its id, for its answer and for what is logged meanwhile; log the answer if that is wanted."""
    given = request.headers.get(REQUEST_ID, "")
    request[_ID] = name = given if _SANE.fullmatch(given) else secrets.token_hex(8)
    token = _current.set(name)
    began = time.monotonic()
    status = 499  # unless there is an answer: the client has gone
    try:
        response = await handler(request)
        status = response.status
    finally:
        if request.app[CONFIG].access_log:
            _log_access({**_fields(request), "status": status, "seconds": _since(began)}, name)
        _current.reset(token)
    return response


def request_id(request: web.Request) -> str:
    """The id of a request."""
    return request[_ID]


def log_end(request: web.Request, connection: Connection) -> None:
    """Have it logged how a live connection ends, and how long it lived."""
    if not request.app[CONFIG].access_log:
        return
    fields, name, began = _fields(request), request_id(request), time.monotonic()  # not the request: that weighs more

    def ended() -> None:
        _log_access({**fields, "ended": connection.cause, "seconds": _since(began)}, name)

    connection.when_lost(ended)


class TextFormatter(logging.Formatter):
    """A line for people; an exception's traceback follows it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(suffix)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, with its request's id at the end."""
        name = getattr(record, "request_id", "")
        record.suffix = f" [{name}]" if name else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, whatever the message holds."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        written: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if name := getattr(record, "request_id", ""):
            written["request_id"] = name
        if record.exc_info:
            written["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            written["stack"] = self.formatStack(record.stack_info)
        return compact({**written, **getattr(record, "fields", {})}).decode()


def _add_request_id(record: logging.LogRecord) -> bool:
    record.request_id = getattr(record, "request_id", "") or _current.get()
    return True


def _fields(request: web.Request) -> dict[str, Any]:
    path = request.rel_url.raw_path[:_LONGEST_PATH]
    return {"remote": request.remote or "", "method": request.method, "path": path}


def _since(began: float) -> float:
    return round(time.monotonic() - began, 6)


def _log_access(fields: dict[str, Any], name: str) -> None:
    said = fields["status"] if "status" in fields else f"ended: {fields['ended']}"
    _access.info(
        '%s "%s %s" %s %.3fs',
        *(fields["remote"], fields["method"], fields["path"], said, fields["seconds"]),
        extra={"fields": fields, "request_id": name},
    )
