"""Making a request live: within the limits, and for as long as its token is good."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from streamhub.web.access import common_headers
from streamhub.web.connection import Connection
from streamhub.web.credentials import grant_of
from streamhub.web.keys import ADMISSION, CONNECTIONS, HUB
from streamhub.web.logs import log_end
from streamhub.web.takeover import take_over

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

_C = TypeVar("_C", bound=Connection)


def go_live(
    request: web.Request, status: int, headers: Mapping[str, str], make: Callable[[asyncio.Transport], _C]
) -> _C | None:
    """Answer with a head and take the socket over; None when the client has gone.

    Raises:
        CapacityError: there are as many live connections as there may be.
    """
    admission = request.app[ADMISSION]
    address = admission.enter(request.remote)
    connection = None
    try:
        connection = take_over(request, status, {**headers, **common_headers(request)}, make)
    finally:
        if connection is None:
            admission.leave(address)
    if connection is not None:
        if request.app[HUB].draining:  # since it was let in: those who were live before have been told
            asyncio.get_running_loop().call_soon(connection.go_away)
        connection.when_lost(partial(admission.leave, address))
        log_end(request, connection)
        left = grant_of(request).seconds_left()
        if left is not None:
            request.app[CONNECTIONS].expire(connection, left, connection.expire)
    return connection
