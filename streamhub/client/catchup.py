"""A stream up to where it stands, an answer at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streamhub.client.item import Item
from streamhub.client.places import ends
from streamhub.errors import UnavailableError
from streamhub.offset import NOW, ZERO

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamhub.client.backoff import Backoff
    from streamhub.client.link import Answer, Link
    from streamhub.client.query import Query, Selection


async def pages(link: Link, stream: str, selection: Selection, backoff: Backoff) -> AsyncIterator[list[Item]]:
    """The events of a stream up to its tail, over a server that goes away in the middle."""
    # Of the first events after a time, or of the last ones, nobody knows where they begin until one was read.
    query: Query = [*selection.query(start=True), *([("limit", "1")] if selection.searches else [])]
    place = None if selection.searches or selection.offset == NOW else selection.offset or str(ZERO)
    while True:
        answer = await _patiently(link, stream, query, backoff)
        lines = answer.body.split(b"\n")[:-1]
        yield [Item(stream, *each) for each in zip(lines, ends(lines, place, answer.next), strict=True)]
        if "Stream-Up-To-Date" in answer.headers:
            return
        place = answer.next
        query = [*selection.query(start=False), ("offset", place)]


async def _patiently(link: Link, stream: str, query: Query, backoff: Backoff) -> Answer:
    while True:
        try:
            answer = await link.lines(stream, query)
        except UnavailableError as error:
            await asyncio.sleep(backoff.failed(error, error.retry_after))
        else:
            backoff.succeeded()
            return answer
