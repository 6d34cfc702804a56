"""The routes that tell what the API is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aiohttp import web

from streamhub.web.answers import answer_json
from streamhub.web.api.asyncapi import asyncapi
from streamhub.web.api.openapi import openapi
from streamhub.wire import compact

if TYPE_CHECKING:
    from aiohttp.web_urldispatcher import UrlDispatcher


class Description:
    """Both descriptions of what a router serves, as they are sent; each is made when it is first asked for."""

    def __init__(self, router: UrlDispatcher) -> None:
        self._router = router

    @cached_property
    def openapi(self) -> bytes:
        """The HTTP, in the words of the handlers and of the table of routes."""
        said: dict[str, dict[str, str]] = {}
        for route in self._router.routes():
            if route.resource is not None:
                methods = said.setdefault(route.resource.canonical, {})
                methods[route.method] = (route.handler.__doc__ or "").partition("\n")[0]
        return compact(openapi(said))

    @cached_property
    def asyncapi(self) -> bytes:
        """What is pushed."""
        return compact(asyncapi())


DESCRIPTION: web.AppKey[Description] = web.AppKey("description", Description)


async def show_openapi(request: web.Request) -> web.Response:
    """The HTTP of this server, in OpenAPI."""
    return answer_json(request, request.app[DESCRIPTION].openapi)


async def show_asyncapi(request: web.Request) -> web.Response:
    """What this server pushes, in AsyncAPI."""
    return answer_json(request, request.app[DESCRIPTION].asyncapi)
