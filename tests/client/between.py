"""What may stand between a client and a server: a proxy that answers some requests itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Middleware

from tests.servers import Server

Answers = Callable[[web.Request], "web.Response | None"]


@dataclass
class Between:
    """A proxy.

    Attributes:
        url: where it listens.
        answers: what it answers itself; None: what the server does.
        asked: what it was asked for, as paths with their queries.
    """

    url: str
    answers: Answers
    asked: list[str] = field(default_factory=list)

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(asked.partition("?")[0] == path for asked in self.asked)


@contextlib.asynccontextmanager
async def between(
    server: Server, answers: Answers, *, middlewares: Iterable[Middleware] = ()
) -> AsyncIterator[Between]:
    """Stand before a server."""
    proxy = Between("", answers)

    async def handle(request: web.Request) -> web.Response:
        proxy.asked.append(request.path_qs)
        own = proxy.answers(request)
        if own is not None:
            return own
        url, headers = server.url + request.path_qs, _passed(request)
        async with server.session.request(request.method, url, headers=headers) as answer:
            return web.Response(status=answer.status, body=await answer.read(), headers=_kept(answer))

    app = web.Application(middlewares=middlewares)
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield proxy
    finally:
        await runner.cleanup()


def no_sockets(status: int, text: str = "no") -> Answers:
    """Lets no WebSocket through."""
    return lambda request: web.Response(status=status, text=text) if request.path == "/v1/ws" else None


def _passed(request: web.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in ("Accept", "Authorization") if name in request.headers}


def _kept(answer: aiohttp.ClientResponse) -> dict[str, str]:
    kept = {"Content-Type", "Retry-After"}
    return {name: value for name, value in answer.headers.items() if name in kept or name.startswith("Stream-")}
