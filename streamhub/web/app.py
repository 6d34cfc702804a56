"""The application: routes, and what starts and stops with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.hub import Hub
from streamhub.tokens import tokens_of
from streamhub.web.access import add_common_headers, guard, preflight
from streamhub.web.admission import Admission
from streamhub.web.api.description import DESCRIPTION, Description, show_asyncapi, show_openapi
from streamhub.web.connections import Connections
from streamhub.web.dashboard import add_dashboard
from streamhub.web.keys import ADMISSION, CONFIG, CONNECTIONS, HUB, LOBBY, REPEATS, TIMING, TOKENS
from streamhub.web.lobby import Lobby
from streamhub.web.logs import identify
from streamhub.web.metrics import export, show_metrics
from streamhub.web.multiplex import multiplexed_websocket
from streamhub.web.polling import poll
from streamhub.web.repeats import Repeats
from streamhub.web.sse import plain_sse
from streamhub.web.streams import SURVEYS, Surveys, list_streams, show_schema, summarise
from streamhub.web.timing import Timing
from streamhub.web.websocket import plain_websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from streamhub.config import Config

_TIMING: Final = Timing()
_ROUTES: Final[dict[str, Handler]] = {
    "/v1/streams": list_streams,
    "/v1/stream/{id}": poll,
    "/v1/stream/{id}/ws": plain_websocket,
    "/v1/stream/{id}/sse": plain_sse,
    "/v1/stream/{id}/summary": summarise,
    "/v1/ws": multiplexed_websocket,
    "/v1/schema": show_schema,
    "/openapi.json": show_openapi,
    "/asyncapi.json": show_asyncapi,
}


def make_app(config: Config, timing: Timing = _TIMING) -> web.Application:
    """The application that serves a folder of streams, read-only.

    Raises:
        ConfigError: the tokens that it is to take cannot be had.
    """
    app = web.Application(middlewares=[identify, guard])
    app[CONFIG] = config
    app[TIMING] = timing
    app[TOKENS] = tokens_of(config)
    app[ADMISSION] = Admission(config)
    app[REPEATS] = Repeats()
    app.on_response_prepare.append(add_common_headers)
    app.cleanup_ctx.append(_run)
    app.cleanup_ctx.append(export)
    add_dashboard(app)
    for path, handler in {**_ROUTES, "/healthz": _health, "/readyz": _ready, "/metrics": show_metrics}.items():
        resource = app.router.add_resource(path)
        for method in ("GET", "HEAD"):
            resource.add_route(method, handler)
        resource.add_route("OPTIONS", preflight)
    app[DESCRIPTION] = Description(app.router)
    return app


async def _run(app: web.Application) -> AsyncIterator[None]:
    config = app[CONFIG]
    app[HUB] = Hub(config)
    app[SURVEYS] = Surveys(app[HUB].folder, config)
    app[CONNECTIONS] = Connections(app[HUB].full, app[HUB].meter, app[TIMING], stall_timeout=config.stall_timeout)
    app[LOBBY] = Lobby(config, app[TIMING], app[HUB].meter, app[CONNECTIONS])
    yield
    app[LOBBY].close()
    app[CONNECTIONS].close()
    app[SURVEYS].close()
    await app[HUB].close()


async def drain(app: web.Application) -> None:
    """Answer no more, tell every live client to go, and wait until they have, or have had their time."""
    app[HUB].drain()
    await app[CONNECTIONS].drain(app[TIMING].drain)


async def _health(_request: web.Request) -> web.Response:
    """Whether the process answers."""
    return web.Response(text="ok\n", headers={"Cache-Control": "no-store"})


async def _ready(request: web.Request) -> web.Response:
    """Whether the server takes readers: not when it shuts down."""
    draining = request.app[HUB].draining
    return web.Response(
        status=503 if draining else 200,
        text="draining\n" if draining else "ok\n",
        headers={"Cache-Control": "no-store"},
    )
