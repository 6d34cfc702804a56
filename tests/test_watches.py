from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamhub import watches
from streamhub.channel import Channel
from streamhub.errors import InvalidStreamIdError
from streamhub.seek import FROM_BEGINNING
from tests.servers import until
from tests.test_hub import hub_of, write


async def test_many_that_come_or_are_left_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams begin to be watched, and are given up, in portions, each with one call of the thread that polls."""
    monkeypatch.setattr(watches, "_PORTION", 4)
    calls = Counter[str]()
    async with hub_of(tmp_path, ceiling=0.02, linger=0.05) as hub:
        run = hub._poller.run

        def counted(function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
            calls[function.__name__] += 1
            return run(function, *args)

        monkeypatch.setattr(hub._poller, "run", counted)
        await asyncio.gather(*(hub.start(f"s{number}", FROM_BEGINNING, wait=True) for number in range(10)))
        assert len(hub.tailer.tails) == 10
        assert calls["_watch"] == 3
        assert calls["poll"] == 0  # each was looked at a moment ago, when it came to be watched
        await until(lambda: not hub.channels and not hub.tailer.tails)
        assert calls["_unwatch"] == 3


async def test_one_that_cannot_be_watched_leaves_the_others(tmp_path: Path) -> None:
    """Of streams that come to be watched at once, each is, or fails, for itself."""
    write(tmp_path)
    async with hub_of(tmp_path) as hub:
        found = await asyncio.gather(*map(hub.channel, ("s", ".no", "t")), return_exceptions=True)
        assert [type(one) for one in found] == [Channel, InvalidStreamIdError, Channel]
        assert set(hub.channels) == {"s", "t"}
