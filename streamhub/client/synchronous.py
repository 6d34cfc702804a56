"""The client for everybody else."""

from __future__ import annotations

from concurrent.futures import wait
from typing import TYPE_CHECKING, TypeVar

from streamhub.client.asynchronous import AsyncClient
from streamhub.client.follower import Decisions, Tray
from streamhub.client.following import Batch, Following
from streamhub.client.portal import Portal
from streamhub.client.query import Selection

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator, Sequence
    from concurrent.futures import Future
    from types import TracebackType
    from typing import Self, Unpack

    from streamhub.client.follower import OnGap, OnReset
    from streamhub.client.following import Gap, Reset, Streams
    from streamhub.client.item import Item
    from streamhub.client.listing import StreamEntry
    from streamhub.client.query import Part, PastPart

T = TypeVar("T")


class Client:
    """Reads streams from one server. Use it with ``with``, or with a close() at the end.

    ::

        with Client("http://127.0.0.1:8765") as client:
            for item in client.follow("m-42"):
                print(item.offset, item.event)

    It is the asynchronous client, run in an event loop of its own in one thread of its own, for all that it follows:
    so it is usable in any thread, and where a loop runs already (a notebook), and there is one way through lost
    connections, not two. Events cross over a batch at a time; callbacks run in the thread that iterates. A forked child
    needs a client of its own.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8765",
        *,
        token: str | None = None,
        ssl: ssl.SSLContext | None = None,
        retries: int | None = None,
    ) -> None:
        """See :class:`AsyncClient`: the same arguments, the same errors."""
        self._client = AsyncClient(url, token=token, ssl=ssl, retries=retries)
        self._portal = Portal(self._client.close)

    def streams(self, *, prefix: str = "", mission_id: str = "") -> Iterator[StreamEntry]:
        """See :meth:`AsyncClient.streams`."""
        return self._each(self._client.streams(prefix=prefix, mission_id=mission_id))

    def read(self, stream: str, **part: Unpack[PastPart]) -> Iterator[Item]:
        """See :meth:`AsyncClient.read`."""
        pages = self._client.pages(stream, Selection(**part))
        return (item for page in self._each(pages) for item in page)

    def follow(
        self,
        streams: Streams = (),
        *,
        match: str | Sequence[str] = (),
        wait: bool = False,
        on_reset: OnReset | None = None,
        on_gap: OnGap | None = None,
        **part: Unpack[Part],
    ) -> Follower:
        """See :meth:`AsyncClient.follow`."""
        following = Following(streams, Selection(**part), match=match, wait=wait)
        return Follower(self._client, self._portal, following, Decisions(on_reset, on_gap))

    def close(self) -> None:
        """End all that is going on."""
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def step() -> tuple[T, ...]:
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return ()

        while got := self._portal.call(step()):
            yield from got


class Follower:
    """Events of the streams that are followed, as an iterator; it ends when all of them are closed.

    A call that is interrupted (Ctrl-C) loses nothing: the next one goes on. Leaving the iterator hangs up, ``with``
    does so at a certain time.
    """

    def __init__(self, client: AsyncClient, portal: Portal, following: Following, decisions: Decisions) -> None:
        self._client = client
        self._portal = portal
        self._pursuit = client.pursue(following)
        self._decisions = decisions
        self._tray = Tray()
        self._asked: Future[Batch | Reset | Gap | None] | None = None

    @property
    def offsets(self) -> dict[str, str]:
        """Where to resume each stream after the events that were handed out: what to keep, and to give follow()."""
        return self._tray.offsets(self._pursuit.following.offsets)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        while not self._tray:
            news = self._news()
            if news is None:
                raise StopIteration
            if isinstance(news, Batch):
                self._tray.fill(news)
            elif (offset := self._decisions.decide(news)) is not None:
                self._portal.call(self._pursuit.go_on(news.stream, offset))
        return self._tray.take()

    def _news(self) -> Batch | Reset | Gap | None:
        if self._asked is None:
            self._asked = self._portal.submit(self._pursuit.next())
        wait((self._asked,))  # when this is interrupted, what comes is for the next call
        asked, self._asked = self._asked, None
        return asked.result()

    def close(self) -> None:
        """Hang up; the iterator ends."""
        self._portal.call(self._pursuit.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self._portal.post(self._client.leave, self._pursuit)
