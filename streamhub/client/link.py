"""The way to one server: questions over HTTP, and the errors that its refusals stand for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from streamhub.errors import (
    ConfigError,
    ForbiddenError,
    InvalidRequestError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from streamhub.offset import ZERO

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from streamhub.client.query import Query

#: Seconds to reach the server, and seconds without a byte after which it is given up: it answers a long-poll sooner.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)
#: Seconds to wait for the other side's close frame.
_FAREWELL: Final = aiohttp.ClientWSTimeout(ws_close=2.0)
_NETWORK_ERRORS: Final = (OSError, aiohttp.ClientError)
#: What does not pass by itself.
_NEVER: Final = (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError)
#: Statuses by which a proxy, or we through one, say that there is no WebSocket to be had here.
_NO_SOCKETS: Final = {405, 426, 501}


_REFUSALS: Final[Mapping[int, type[StreamhubError]]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: StreamNotFoundError,
    414: InvalidRequestError,
}


@dataclass(frozen=True)
class Answer:
    """An answer that is what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def next(self) -> str:
        """Where to read on."""
        return self.headers["Stream-Next-Offset"]


class NoSocketError(Exception):
    """The handshake was refused.

    Attributes:
        status: how.
        ours: whether a streamhub server did that, rather than something between.
        passes: whether it is only for now.
        retry_after: for how many seconds to stay away, if that was said.
    """

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"the WebSocket was refused with {status}")
        self.status = status
        said_why = headers.get("Content-Type", "").startswith("application/problem+json")
        self.ours = said_why and status not in _NO_SOCKETS
        self.passes = status not in _NO_SOCKETS and (status == 429 or status >= 500)
        self.retry_after = _retry_after(headers)


class Link:
    """Asks one server. To be made, used and closed within one event loop.

    Raises:
        ConfigError: the URL is none.
    """

    def __init__(self, url: str, *, token: str | None = None, ssl: ssl.SSLContext | None = None) -> None:
        self.url = url.rstrip("/")
        self._base = _checked(self.url)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._ssl = ssl
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Query, **headers: str) -> Answer:
        """Ask.

        Raises:
            ConfigError: the server has no such address, or a certificate that is not trusted.
            UnavailableError: there is no answer just now.
            StreamhubError: the server refuses.
        """
        try:
            async with self._opened().get(self._at(path, query), headers=headers) as response:
                answer = Answer(response.status, response.headers, await response.read())
        except (*_NETWORK_ERRORS, TimeoutError) as error:
            raise self.lost(error) from error
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer

    async def lines(self, stream: str, query: Query) -> Answer:
        """Ask for a stream's lines, as they stand in the file."""
        answer = await self.get(f"/v1/stream/{stream}", query, Accept="application/x-ndjson")
        if "Stream-Next-Offset" not in answer.headers:
            raise self._stranger(answer)
        return answer

    async def socket(self, query: Query) -> aiohttp.ClientWebSocketResponse[bool]:
        """Open the multiplexed WebSocket.

        Raises:
            NoSocketError: it is refused.
            UnavailableError: there is no answer just now.
        """
        try:
            return await self._opened().ws_connect(
                self._at("/v1/ws", query),
                timeout=_FAREWELL,
                max_msg_size=0,  # the server bounds its messages; one that is refused here would come again for ever
                decode_text=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise NoSocketError(error.status, error.headers or {}) from error
        except (*_NETWORK_ERRORS, TimeoutError) as error:
            raise self.lost(error) from error

    def lost(self, error: BaseException) -> StreamhubError:
        """The server cannot be reached; where trying again is no use, a ConfigError says so."""
        if isinstance(error, _NEVER):
            return ConfigError(f"cannot reach {self.url}: {error}")
        return UnavailableError(f"cannot reach {self.url}: {_reason(error)}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Each stream that is polled holds a connection.
            connector = aiohttp.TCPConnector(limit=0, ssl=True if self._ssl is None else self._ssl)
            self._session = aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=_TIMEOUT)
        return self._session

    def _at(self, path: str, query: Query) -> URL:
        url = self._base.joinpath(path.removeprefix("/"))
        return url.with_query(query)

    def _stranger(self, answer: Answer) -> StreamhubError:
        return StreamhubError(f"{self.url} is no streamhub server: its answer ({answer.status}) names no offset")

    def _refusal(self, answer: Answer) -> StreamhubError:
        """The error that an answer stands for."""
        problem = _problem(answer.body)
        detail = str(problem.get("detail") or f"{self.url} answered {answer.status}")
        match answer.status:
            case 404 if not problem:
                return self._stranger(answer)
            case status if status in _REFUSALS:
                return _REFUSALS[status](detail)
            case 410:
                return OffsetGoneError(detail, earliest=answer.headers.get("Stream-Earliest-Offset", str(ZERO)))
            case status if status == 429 or status >= 500:
                return UnavailableError(detail, retry_after=_retry_after(answer.headers))
        return self._stranger(answer)


def _checked(url: str) -> URL:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"URL {url[:200]!r} names no server: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"URL {url[:200]!r} names no server: write it like http://127.0.0.1:8765")
    return URL(url)


def _reason(error: BaseException) -> str:
    """What went wrong, without the addresses that the libraries put around it."""
    number = getattr(error, "errno", None)  # of a name that is not found it is negative
    return os.strerror(number) if isinstance(number, int) and number > 0 else str(error) or type(error).__name__


def _problem(body: bytes) -> dict[str, Any]:
    """What a problem's body says; nothing when it is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, as ``Retry-After`` says them or the date that it names; None when it says neither."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (date - datetime.now(date.tzinfo)).total_seconds())
