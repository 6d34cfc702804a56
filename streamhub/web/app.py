"""The application: routes, and what starts and stops with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.hub import Hub
from streamhub.web.access import add_common_headers, guard, preflight
from streamhub.web.connection import Connections
from streamhub.web.dashboard import add_dashboard
from streamhub.web.keys import CONFIG, CONNECTIONS, HUB, REPEATS
from streamhub.web.multiplex import multiplexed_websocket
from streamhub.web.polling import poll
from streamhub.web.repeats import Repeats
from streamhub.web.sse import plain_sse
from streamhub.web.websocket import plain_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from streamhub.config import Config

#: How long clients may take to go when the server shuts down, in seconds.
DRAIN: Final = 5.0

_ROUTES: Final[dict[str, Handler]] = {
    "/v1/stream/{id}": poll,
    "/v1/stream/{id}/ws": plain_websocket,
    "/v1/stream/{id}/sse": plain_sse,
    "/v1/ws": multiplexed_websocket,
}


def make_app(config: Config) -> web.Application:
    """The application that serves a folder of streams, read-only."""
    app = web.Application(middlewares=[guard])
    app[CONFIG] = config
    app[REPEATS] = Repeats()
    app.on_response_prepare.append(add_common_headers)
    app.cleanup_ctx.append(_run)
    app.on_shutdown.append(_drain)
    add_dashboard(app)
    for path, handler in {**_ROUTES, "/healthz": _health, "/readyz": _ready}.items():
        resource = app.router.add_resource(path)
        for method in ("GET", "HEAD"):
            resource.add_route(method, handler)
        resource.add_route("OPTIONS", preflight)
    return app


async def _run(app: web.Application) -> AsyncIterator[None]:
    config = app[CONFIG]
    app[HUB] = Hub(config)
    app[CONNECTIONS] = Connections(stall_timeout=config.stall_timeout)
    yield
    app[CONNECTIONS].close()
    await app[HUB].close()


async def _drain(app: web.Application) -> None:
    app[HUB].drain()
    await app[CONNECTIONS].drain(DRAIN)


async def _health(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})


async def _ready(request: web.Request) -> web.Response:
    draining = request.app[HUB].draining
    return web.Response(
        status=503 if draining else 200,
        text="draining\n" if draining else "ok\n",
        headers={"Cache-Control": "no-store"},
    )
