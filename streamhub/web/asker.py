"""One connection that asks, as aiohttp sees it; and what is said, and logged, of what is no HTTP."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from streamhub.web.access import ALWAYS
from streamhub.web.problems import problem

#: Of clients that send no HTTP one is logged in so many seconds.
_QUIET: Final = 10.0
HTTP_LOG: Final = logging.getLogger("streamhub.http")


class _Discreet(logging.Filter):
    """What a client sent that is no HTTP is not for the log: there may be a token in it; nor may many fill the log."""

    def __init__(self) -> None:
        super().__init__()
        self._kept_back = 0
        self._quiet_until = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        if record.created < self._quiet_until:
            self._kept_back += 1
            return False
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg = "a client sent what is no HTTP (%s); so did %d since this was last said"
        record.args = (type(error).__name__, self._kept_back)
        self._kept_back, self._quiet_until = 0, record.created + _QUIET
        return True


HTTP_LOG.addFilter(_Discreet())


class Asker(web.RequestHandler):
    """aiohttp's protocol, which answers what it cannot read in the form of all other errors."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is answered; nothing of what was sent is said again, since there may be a token in it."""
        super().handle_error(request, status, exc, message)  # it logs, and refuses where an answer has begun
        detail = "this is no HTTP request that can be read" if status < 500 else "the server failed: its log says why"
        response = problem(status, detail, {**ALWAYS, "Server": "streamhub"})
        response.force_close()
        return response
