from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamhub.current import NoStream, current_stream
from streamhub.emitter import Emitter
from streamhub.events import Signal, decode


def crawl(name: str) -> None:
    """What a library does that knows nothing of the mission."""
    current_stream().signal(name)


def names(path: Path) -> list[str]:
    """The signals of a stream."""
    payloads = [decode(line).payload for line in path.read_bytes().splitlines()]
    return [payload.name for payload in payloads if isinstance(payload, Signal)]


def test_the_block_says_which_stream(tmp_path: Path) -> None:
    """Within it the stream is the current one, the innermost when there are several; outside there is none."""
    with Emitter("m", "outer", tmp_path) as outer:
        crawl("a")
        with Emitter("m", "inner", tmp_path) as inner:
            assert current_stream() is inner
            crawl("b")
        assert current_stream() is outer
        crawl("c")
    assert not current_stream()
    assert (names(outer.path), names(inner.path)) == (["a", "c"], ["b"])


def test_outside_of_any_block_nothing_is_told(tmp_path: Path) -> None:
    """What emits can be called without a mission: there is a stream then that takes everything, and keeps nothing."""
    stream = current_stream()
    assert isinstance(stream, NoStream)
    assert stream.live_stream_id is None
    stream.navigation("https://example.com", "open")
    stream.extraction("prices", 1)
    stream.signal("s", object())  # type: ignore[arg-type]
    stream.status("failed", final=True)
    stream.emit(Signal("s"))
    Emitter("m", "s", tmp_path).signal("not entered")
    assert not current_stream()


def test_a_block_that_fails_is_left_too(tmp_path: Path) -> None:
    """After an exception the stream is the current one no more."""
    with pytest.raises(ZeroDivisionError), Emitter("m", "s", tmp_path):
        _ = 1 / 0
    assert not current_stream()


async def test_each_task_has_its_own(tmp_path: Path) -> None:
    """Missions that run at the same time do not mix; their tasks and their threads have theirs."""

    async def mission(name: str) -> Path:
        with Emitter("m", name, tmp_path) as stream:
            crawl(f"{name}-1")
            await asyncio.sleep(0)
            await asyncio.gather(asyncio.create_task(helper(f"{name}-2")), asyncio.to_thread(crawl, f"{name}-3"))
            return stream.path

    async def helper(name: str) -> None:
        await asyncio.sleep(0)
        crawl(name)

    for path, name in zip(await asyncio.gather(mission("a"), mission("b")), "ab", strict=True):
        assert sorted(names(path)) == [f"{name}-{number}" for number in (1, 2, 3)]


def test_a_thread_has_none_of_its_own(tmp_path: Path) -> None:
    """A thread that is started by hand has the current stream when it runs in a copy of the context."""
    with Emitter("m", "s", tmp_path) as stream:
        for target, arguments in ((crawl, ("lost",)), (contextvars.copy_context().run, (crawl, "kept"))):
            thread = threading.Thread(target=target, args=arguments)
            thread.start()
            thread.join()
    assert names(stream.path) == ["kept"]


async def test_a_block_may_be_left_elsewhere(tmp_path: Path) -> None:
    """A block within a generator, left in another context or in another order, does not disturb the mission."""

    async def opened(name: str) -> AsyncIterator[Emitter]:
        with Emitter("m", name, tmp_path) as stream:
            yield stream

    first, second = opened("a"), opened("b")
    await anext(first)
    await anext(second)
    await first.aclose()  # type: ignore[attr-defined]
    current = current_stream()
    assert current.live_stream_id == "b"
    await asyncio.create_task(second.aclose())  # type: ignore[attr-defined]
    assert (tmp_path / "b.jsonl").read_bytes().count(b'"final":true') == 1
