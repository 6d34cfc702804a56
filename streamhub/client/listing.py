"""The list of streams that a server has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streamhub.client.link import Link
    from streamhub.client.query import Query


class StreamEntry(msgspec.Struct, frozen=True):
    """One stream of the list.

    Attributes:
        id: the stream's id.
        mission_id: the mission of its first event; None when that names none.
        tail: the offset after its last event.
        bytes: its size.
        first: the time of its first event, as it stands there; None when there is none.
        last: the time of its last event, likewise.
        closed: whether it is over.
    """

    id: str
    mission_id: str | None
    tail: str
    bytes: int
    first: str | None
    last: str | None
    closed: bool


class _ListPage(msgspec.Struct):
    streams: list[StreamEntry]
    next: str | None = None


async def entries(link: Link, query: Sequence[tuple[str, str]] = ()) -> AsyncIterator[StreamEntry]:
    """The streams there are, newest activity first."""
    after: Query = []
    while True:
        answer = await link.get("/v1/streams", [*query, ("limit", "1000"), *after])
        try:
            page = msgspec.json.decode(answer.body, type=_ListPage)
        except msgspec.DecodeError as error:
            raise StreamhubError(f"{link.url} is no streamhub server: {error}") from None
        for entry in page.streams:
            yield entry
        if page.next is None:
            return
        after = [("after", page.next)]
