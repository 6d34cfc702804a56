"""Both clients behind one face, so that what holds for the one is asked of the other too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeAlias

from streamhub.client import AsyncClient, Client, Item


class Asynchronous:
    """The client for asyncio."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = AsyncClient(url, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.close()

    def follow(self, *streams: Any, **options: Any) -> Any:
        """Follow, as an asynchronous iterator."""
        return self._client.follow(*streams, **options)

    def read(self, stream: str, **options: Any) -> AsyncIterator[Item]:
        """Read, likewise."""
        return self._client.read(stream, **options)


class Synchronous:
    """The other client, in threads of its own."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = Client(url, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self._client.close)

    def follow(self, *streams: Any, **options: Any) -> Any:
        """Follow, as an asynchronous iterator."""
        return _Stepping(self._client.follow(*streams, **options))

    def read(self, stream: str, **options: Any) -> AsyncIterator[Item]:
        """Read, likewise."""
        return _Stepping(self._client.read(stream, **options))


class _Stepping:
    def __init__(self, items: Any) -> None:
        self._items = items

    @property
    def offsets(self) -> dict[str, str]:
        return dict(self._items.offsets)

    def __aiter__(self) -> _Stepping:
        return self

    async def __anext__(self) -> Item:
        item = await asyncio.to_thread(next, self._items, None)
        if item is None:
            raise StopAsyncIteration
        assert isinstance(item, Item)
        return item

    async def close(self) -> None:
        await asyncio.to_thread(self._items.close)


Driver: TypeAlias = Asynchronous | Synchronous
DRIVERS: list[Callable[..., Driver]] = [Asynchronous, Synchronous]


async def take(items: Any, count: int) -> list[Item]:
    """The next so many; a test that waits in vain fails."""
    async with asyncio.timeout(30):
        return [await anext(items) for _ in range(count)]


async def rest(items: Any) -> list[Item]:
    """All up to the end."""
    async with asyncio.timeout(60):
        return [item async for item in items]
