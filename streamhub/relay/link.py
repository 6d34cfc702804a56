"""The connection to NATS: made, lost, made again, and the requests that outlive that."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client

from streamhub.errors import ConfigError, StreamhubError, UnauthorizedError
from streamhub.relay.backoff import MOST, Backoff, wait_after
from streamhub.relay.settings import without_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Server, Srv
    from nats.js.client import JetStreamContext

    from streamhub.relay.meter import Meter
    from streamhub.relay.settings import Settings

_T = TypeVar("_T")
_log: Final = logging.getLogger("streamhub.relay")

#: Seconds for which an answer is waited for.
TIMEOUT: Final = 5.0
#: With ``once`` nobody watches: it fails when nothing has worked for so many seconds.
_PATIENCE: Final = 20.0
#: A peer that is silent for two of these (in seconds) is taken for lost: a partition closes no connection.
_PING: Final = 5
#: How long a socket may take to be closed, in seconds.
_FAREWELL: Final = 1.0
_UNHAPPY: Final = (nats.errors.Error, OSError, TimeoutError)
#: Answers that will not change however often one asks.
_FINAL: Final = (nats.js.errors.NotFoundError, nats.js.errors.BadRequestError)


class Link:
    """A connection to NATS that is kept up. Use it in an ``async with``.

    Attributes:
        client, js: what nats-py has of it.
        failed: done when it cannot be kept up: it raises why.
    """

    def __init__(self, settings: Settings, meter: Meter) -> None:
        self.settings = settings
        self.client: Client = _Client()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._meter = meter
        self._up = asyncio.Event()
        self._closing = False
        self._tells: set[Callable[[], None]] = set()
        self._said: str = ""

    @property
    def js(self) -> JetStreamContext:
        """JetStream on this connection."""
        return self.client.jetstream(timeout=TIMEOUT)

    @property
    def where(self) -> str:
        """The servers, without secrets."""
        return ", ".join(map(without_secret, self.settings.servers))

    async def __aenter__(self) -> Self:
        """Connect, however long it takes.

        Raises:
            UnauthorizedError: the server does not take our credentials.
            StreamhubError: with ``once``: it cannot be reached.
        """
        options = self._options()
        connect = asyncio.ensure_future(self.client.connect(**options))
        patience = _PATIENCE if self.settings.once else None
        try:
            await asyncio.wait({connect, self.failed}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not connect.done() or connect.exception() is not None:
                await self._give_up(connect)
        if self.failed.done():
            await self.failed
        if not connect.done() or connect.cancelled() or connect.exception() is not None:
            raise StreamhubError(f"cannot reach NATS at {self.where}: {self._said or 'no answer'}")
        self._meter.connected = True
        self._said = ""
        self._up.set()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._closing = True
        self._meter.connected = False
        self.failed.cancel()
        with suppress(*_UNHAPPY):
            await self.client.close()

    async def ready(self) -> None:
        """Wait until there is a connection."""
        await self._up.wait()

    def on_reconnect(self, tell: Callable[[], None]) -> None:
        """Have it told when a connection was made anew: what the server kept for the old one is gone."""
        self._tells.add(tell)

    def off_reconnect(self, tell: Callable[[], None]) -> None:
        """Take :meth:`on_reconnect` back."""
        self._tells.discard(tell)

    async def call(self, what: str, ask: Callable[[], Awaitable[_T]], *, final: tuple[type[Exception], ...] = ()) -> _T:
        """Ask until there is an answer; asking twice must do no harm.

        Args:
            what: what it is that is asked, for messages.
            ask: asks.
            final: errors that are answers, beside those that always are.

        Raises:
            nats.js.errors.NotFoundError: that is the answer.
            nats.js.errors.BadRequestError: likewise.
            StreamhubError: with ``once``: there is none.
        """
        backoff, began = Backoff(), time.monotonic()
        while True:
            await self.ready()
            try:
                return await ask()
            except _UNHAPPY as error:
                if isinstance(error, (*_FINAL, *final)):
                    raise
                reason = reason_of(error)
            self._meter.retries[what] += 1
            if self.settings.once and time.monotonic() - began > _PATIENCE:
                raise StreamhubError(f"cannot {what} at {self.where}: {reason}")
            if backoff.is_fresh:
                _log.warning("cannot %s, will try again: %s", what, reason)
            await asyncio.sleep(backoff.next())

    async def _give_up(self, connect: asyncio.Future[None]) -> None:
        self._closing = True
        connect.cancel()
        with suppress(asyncio.CancelledError, *_UNHAPPY):
            await connect
        with suppress(*_UNHAPPY):
            await self.client.close()

    def _options(self) -> dict[str, Any]:
        settings = self.settings
        options: dict[str, Any] = {
            "servers": list(settings.servers),
            "name": "streamhub relay",
            "connect_timeout": TIMEOUT,
            "max_reconnect_attempts": -1,
            # The first connection has no handler; a little chance keeps those apart that start together.
            "reconnect_time_wait": wait_after(4),
            "reconnect_to_server_handler": _choose_server,
            "ping_interval": _PING,
            "max_outstanding_pings": 2,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_close,
            "tls": _tls_context(settings),
        }
        for name, path in (("user_credentials", settings.creds), ("nkeys_seed", settings.nkey)):
            if path:
                _check_readable(path)
                options[name] = path
        return options

    async def _on_error(self, error: Exception) -> None:
        self._meter.retries["nats"] += 1
        reason = reason_of(error)
        if _is_refusal(error) and not self._up.is_set() and not self._meter.reconnects and not self.failed.done():
            message = f"NATS at {self.where} does not let us in ({reason}): see to the user, --creds or --nkey"
            self.failed.set_exception(UnauthorizedError(message, given=True))
        elif reason != self._said:  # a server that is away fails each try: once is enough
            self._said = reason
            _log.warning("NATS at %s: %s", self.where, reason)

    async def _on_disconnect(self) -> None:
        self._up.clear()
        self._meter.connected = False
        if not self._closing:
            _log.warning("the connection to NATS is lost, will try again")

    async def _on_reconnect(self) -> None:
        self._said = ""
        self._meter.reconnects += 1
        self._meter.connected = True
        _log.info("connected to NATS again")
        self._up.set()
        for tell in list(self._tells):
            tell()

    async def _on_close(self) -> None:
        self._up.clear()
        if not (self._closing or self.failed.done()):
            reason = reason_of(self.client.last_error or nats.errors.ConnectionClosedError())
            self.failed.set_exception(StreamhubError(f"NATS at {self.where} closed the connection: {reason}"))


class _Client(Client):
    """Nats-py leaves the socket of a try that failed to the garbage collector; here it is closed before the next.

    And it does not wait for a socket to be closed, which takes some exchange with TLS.
    """

    async def close(self) -> None:
        transport = self._transport
        await super().close()
        if transport:
            closing = asyncio.ensure_future(transport.wait_closed())  # type: ignore[no-untyped-call]
            await asyncio.wait({closing}, timeout=_FAREWELL)
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)

    async def _connect_to_server(self, s: Srv) -> None:
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)


def reason_of(error: BaseException) -> str:
    """What is said of an error, on one line."""
    if isinstance(error, nats.js.errors.APIError) and error.description:
        return error.description
    return " ".join(str(error).split()).removeprefix("nats: ") or type(error).__name__


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, nats.errors.AuthorizationError) or "authorization" in str(error).lower()


def _choose_server(servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
    """The server that failed the least, after a wait that grows with that and is left to chance."""
    fewest = min(server.reconnects for server in servers)
    server = random.choice([server for server in servers if server.reconnects == fewest])  # noqa: S311
    return server, wait_after(fewest + 1, most=MOST)


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What is needed for TLS; None: nothing but what every client has."""
    if not (settings.tls_ca or settings.tls_cert or any(url.startswith("tls:") for url in settings.servers)):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key or None, password="")
    except (OSError, ValueError) as error:
        files = " and ".join(repr(name) for name in (settings.tls_ca, settings.tls_cert, settings.tls_key) if name)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"TLS cannot be had with {files}: {reason}; give files in PEM, without a password") from None
    return context


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ConfigError(f"{path!r} cannot be read: {error.strerror}") from None
