"""A server that is asked over HTTP, one question after the other. The standard library's client is enough for that."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlencode, urlsplit

from streamhub.cli.pause import pause
from streamhub.errors import (
    ConfigError,
    InvalidRequestError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
    UnauthorizedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds without a byte after which a server is given up; it answers a long-poll sooner.
TIMEOUT: Final = 60.0
#: Seconds to stay away, at most: whoever says more is asked once too often rather than never.
_LONGEST_STAY: Final = 3600.0

_NETWORK_ERRORS: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


_REFUSALS: Final = {400: InvalidRequestError, 404: StreamNotFoundError}


class Server:
    """A server, and a connection to it that is kept between questions.

    Args:
        url: its address; a path in it is put before all others.
        token: what opens it; empty: none is sent.
        ca: a file of certificates to trust in the place of the system's; empty or None: the system's.
        timeout: seconds without a byte after which it is given up.
        verify: whether its certificate must be good; without that, send it nothing, and believe it nothing.

    Raises:
        ConfigError: the URL is none, or the file holds no certificates.
    """

    def __init__(
        self, url: str, token: str = "", ca: str | None = None, timeout: float = TIMEOUT, *, verify: bool = True
    ) -> None:
        parts = _split(url)
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._answered = False
        self._again = partial(Server, url, token, ca, timeout, verify=verify)
        host, port = parts.hostname or "", parts.port
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=timeout, context=_trust(ca, verify=verify)
            )

    def again(self) -> Server:
        """The same server, for another thread."""
        return self._again()

    def close(self) -> None:
        """Let go of the connection. The next question makes a new one."""
        self._connection.close()

    def get(self, path: str, query: Mapping[str, str | list[str]], headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for something.

        Raises:
            StreamhubError: the server cannot be reached, or refuses; the error says why.
        """
        return self._checked("GET", path, query, headers or {})

    def head(self, path: str, query: Mapping[str, str | list[str]]) -> Answer:
        """Ask for the state of something, without its body; see :meth:`get`."""
        return self._checked("HEAD", path, query, {})

    def _checked(
        self, method: str, path: str, query: Mapping[str, str | list[str]], headers: Mapping[str, str]
    ) -> Answer:
        words = urlencode(query, doseq=True)
        target = f"{self._path}{path}" + (f"?{words}" if words else "")
        try:
            answer = self._ask(method, target, {**self._headers, **headers})
        except _NETWORK_ERRORS as error:
            self._connection.close()
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"cannot reach {self.url}: {reason}{self._hint(error)}") from error
        if answer.status >= 300:
            raise self._refusal(answer)
        return answer

    def _hint(self, error: Exception) -> str:
        """What a server does that is spoken to without its TLS: it hangs up before its first answer."""
        hung_up = isinstance(error, http.client.RemoteDisconnected | ConnectionResetError)
        plain = not isinstance(self._connection, http.client.HTTPSConnection)
        return " (if it speaks TLS, write https://)" if plain and hung_up and not self._answered else ""

    def _ask(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        reused = self._connection.sock is not None
        try:
            response = self._response(method, target, headers)
        except (ConnectionError, http.client.BadStatusLine):
            self._connection.close()
            if not reused:
                raise
            response = self._response(method, target, headers)  # the server had let go of the idle connection
        self._answered = True
        return Answer(response.status, response.headers, response.read())

    def _response(self, method: str, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        self._connection.request(method, target, headers=headers)
        began = time.monotonic()
        pause(self._timeout, until=self._connection.sock)
        if time.monotonic() - began >= self._timeout:
            raise TimeoutError("timed out")
        return self._connection.getresponse()

    def _refusal(self, answer: Answer) -> StreamhubError:
        """The error that an answer stands for."""
        detail = _detail(answer.body) or f"{self.url} answered {answer.status}"
        match answer.status:
            case 401:
                return self._unauthorized()
            case 410:
                return OffsetGoneError(detail, earliest=answer.headers.get("Stream-Earliest-Offset", ""))
            case status if status == 429 or status >= 500:
                return UnavailableError(detail, retry_after=_retry_after(answer.headers))
        return _REFUSALS.get(answer.status, StreamhubError)(detail)

    def _unauthorized(self) -> UnauthorizedError:
        how = "put one into STREAMHUB_TOKEN, or into a file for --token-file"
        if self._headers:
            return UnauthorizedError(f"{self.url} does not know this token: {how}", given=True)
        return UnauthorizedError(f"{self.url} asks for a token: {how}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises when it is none
    except ValueError as error:
        raise ConfigError(f"URL {url[:200]!r} names no server: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"URL {url[:200]!r} names no server: write it like http://127.0.0.1:8765")
    if parts.username is not None:
        # Not quoted: what stands there is likely to be a secret.
        raise ConfigError("the URL holds a user: put a token into STREAMHUB_TOKEN, or into a file for --token-file")
    return parts


def _trust(ca: str | None, *, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls-ca {ca!r} cannot be used: {error.strerror or error}") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _retry_after(headers: http.client.HTTPMessage) -> float | None:
    """For how many seconds to stay away; None when that is not said, or as a date, which no streamhub server gives."""
    text = headers.get("Retry-After", "").strip()
    return min(float(text), _LONGEST_STAY) if text.isascii() and text.isdigit() else None


def _detail(body: bytes) -> str:
    """What a problem's body says; nothing when it is none."""
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else ""
