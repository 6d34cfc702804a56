"""Running a relay: the connection, the numbers, and the end when a signal says so."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from streamhub.relay.edge import Edge
from streamhub.relay.link import Link
from streamhub.relay.metrics import exported
from streamhub.relay.pull import Puller
from streamhub.relay.push import Pusher
from streamhub.relay.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streamhub.relay.meter import Meter
    from streamhub.relay.settings import Settings


async def push(settings: Settings, meter: Meter, started: Callable[[int | None], None]) -> None:
    """Publish the lines of a folder until SIGTERM or SIGINT, or with ``once`` until all are; ``started`` gets the port.

    Raises:
        StreamhubError: it cannot go on.
    """

    async def work() -> None:
        async with Link(settings, meter) as link:
            await Pusher(link, Store(link), meter).run()

    with exported(settings, meter) as port:
        started(port)
        await _until_signal(work())


async def pull(settings: Settings, meter: Meter, started: Callable[[int | None], None]) -> None:
    """Write lines to a folder until SIGTERM or SIGINT, or with ``once`` until all are; ``started`` gets the port.

    Raises:
        StreamhubError: it cannot go on.
    """

    async def work() -> None:
        async with Link(settings, meter) as link:
            await Puller(link, Store(link), edge, meter).run()

    with Edge(settings.directory) as edge, exported(settings, meter) as port:
        started(port)
        await _until_signal(work())


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Work until a signal says that it is enough; then it still ends what it has begun."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
