"""The streams as one request may see them: what its token does not allow is not there.

Whoever asks for such a stream is told, on every way and in every detail, what they would be told if there were none:
"not found" at once, or, if they wait for it, nothing for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamhub.channel import Place
from streamhub.folder import no_stream
from streamhub.stream_id import check_stream_id
from streamhub.web.credentials import grant_of
from streamhub.web.keys import HUB

if TYPE_CHECKING:
    from aiohttp import web

    from streamhub.hub import Hub
    from streamhub.seek import Start
    from streamhub.stream import Look
    from streamhub.tokens import Grant


class View:
    """A hub, within what a token grants."""

    def __init__(self, hub: Hub, grant: Grant) -> None:
        self._hub = hub
        self.allows = grant.allows

    def check(self, stream: str) -> None:
        """See to it that a stream may be looked for.

        Raises:
            InvalidStreamIdError: no stream can have that id.
            StreamNotFoundError: for this view there is none.
        """
        if not self.allows(check_stream_id(stream)):
            raise no_stream(stream)

    async def locate(self, stream: str, start: Start) -> tuple[Look, int]:
        """Like :meth:`Hub.locate`."""
        self.check(stream)
        return await self._hub.locate(stream, start)

    async def start(self, stream: str, start: Start, *, wait: bool) -> Place:
        """Like :meth:`Hub.start`."""
        if wait and not self.allows(check_stream_id(stream)):
            return Place(self._hub.nowhere(stream), offset=None if start.at_beginning else start.offset)
        self.check(stream)
        return await self._hub.start(stream, start, wait=wait)


def view_of(request: web.Request) -> View:
    """The streams as this request may see them."""
    return View(request.app[HUB], grant_of(request))
