"""Both clients against a server in this process, and files that a test writes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamhub.client import Gap, Reset
from streamhub.errors import (
    InvalidOffsetError,
    InvalidRequestError,
    OffsetGoneError,
    StreamNotFoundError,
    StreamReplacedError,
)
from tests.client.drivers import DRIVERS, Driver, rest, take
from tests.servers import Server, Stream, served

pytestmark = pytest.mark.parametrize("driver", DRIVERS)


def replace(path: Path, *lines: bytes) -> None:
    """Put another file in the stream's place."""
    other = path.with_suffix(".new")
    other.write_bytes(b"".join(line + b"\n" for line in lines))
    os.replace(other, path)


async def test_history_then_live_then_the_end(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """Who opens late has the whole stream, each line once and byte for byte, until it is closed."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(3)]
        async with driver(server.url) as client:
            items = client.follow("s")
            got = await take(items, 3)
            lines += [stream.line(3), stream.final()]
            got += await rest(items)
    assert [item.line for item in got] == lines
    assert {item.stream for item in got} == {"s"}


async def test_each_offset_is_where_to_go_on(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """From the offset of any event on, exactly what follows it comes."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        stream.write(b"no event\n")
        stream.write('{"text":"\u2603"}\r\n'.encode())
        stream.line(1)
        stream.final()
    async with driver(server.url) as client:
        got = await rest(client.follow("s"))
        assert len(got) == 5
        for number, item in enumerate(got):
            assert await rest(client.follow("s", offset=item.offset)) == got[number + 1 :]
            assert await rest(client.follow({"s": item.offset})) == got[number + 1 :]
            assert [each async for each in client.read("s", offset=item.offset)] == got[number + 1 :]


async def test_half_a_surrogate_pair(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """An event whose text was cut in the middle of a character comes as it stands in the file, and ends nothing."""
    cut = (
        b'{"timestamp":"2026-01-01T00:00:00.000000Z","mission_id":"m","event_type":"navigation",'
        b'"payload":{"url":"cut \\ud83d","action":"go"}}'
    )
    with Stream(tmp_path) as stream:
        before = stream.line(0)
        stream.write(cut + b"\n")
        lines = [before, cut, stream.final()]
    async with driver(server.url) as client:
        got = await rest(client.follow("s"))
        assert [item.line for item in got] == lines
        assert await rest(client.follow({"s": got[0].offset})) == got[1:]
        assert await rest(client.read("s")) == got
    assert got[1].event_type == "navigation"
    assert isinstance(got[1].event, dict)
    assert got[1].event["payload"] == {"url": "cut \ud83d", "action": "go"}


async def test_offsets_are_those_of_what_was_handed_out(
    driver: Callable[..., Driver], server: Server, tmp_path: Path
) -> None:
    """Who keeps ``offsets`` after each event and comes back with them has each event once, though many came at once."""
    for name in ("a", "b"):
        with Stream(tmp_path, name) as stream:
            for number in range(20):
                stream.line(number)
            stream.final()
    kept: dict[str, str] = {}
    got = []
    async with driver(server.url) as client:
        for count in (3, 20, 7):
            items = client.follow({"a": "-1", "b": "-1", **kept})
            got += await take(items, count)
            kept = items.offsets
            await items.close()
        items = client.follow({"a": "-1", "b": "-1", **kept})
        got += await rest(items)
        assert items.offsets == {name: [item for item in got if item.stream == name][-1].offset for name in ("a", "b")}
    for name in ("a", "b"):
        lines = (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
        assert [item.line for item in got if item.stream == name] == lines


@pytest.mark.parametrize("transport", ["socket", "polls"])
async def test_a_part(driver: Callable[..., Driver], server: Server, tmp_path: Path, transport: str) -> None:
    """The last events, those since a time, those to come, those of a type: read alike, and followed alike."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(5)]
        lines.append(stream.final())
    async with driver(server.url) as client:
        ask: Any = client.follow if transport == "socket" else client.read
        assert [item.line for item in await rest(ask("s", tail=2))] == lines[-2:]
        assert [item.line for item in await rest(ask("s", since="2026-01-01T00:00:03Z"))] == lines[3:]
        assert [item.line for item in await rest(ask("s", event_types=["status"]))] == lines[-1:]
        assert [item.line for item in await rest(ask("s", contains='"VALUE":3'))] == lines[3:4]
        assert await rest(ask("s", offset="now")) == []
        for item, after in pairwise(await rest(ask("s", tail=4))):
            assert (await rest(client.read("s", offset=item.offset)))[0] == after


async def test_a_filter_loses_nothing(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """Where events are left out, going on from any event's offset gives all that follow it, and perhaps some again."""
    with Stream(tmp_path) as stream:
        for number in range(30):
            stream.line(number)
        stream.final()
    async with driver(server.url) as client:
        got = await rest(client.follow("s", contains="1"))
        assert len(got) > 10
        for number, item in enumerate(got):
            again = await rest(client.follow("s", offset=item.offset, contains="1"))
            assert [each.line for each in again][len(again) - len(got) + number + 1 :] == [
                each.line for each in got[number + 1 :]
            ]


async def test_many_streams(driver: Callable[..., Driver], tmp_path: Path) -> None:
    """Named ones and those that match, also those that appear later, come over one follower."""
    async with served(tmp_path, poll_ceiling=0.02) as server, driver(server.url) as client:
        with Stream(tmp_path, "named") as named, Stream(tmp_path, "m-1") as first:
            named.line(0)
            first.line(1)
            items = client.follow("named", match="m-*")
            assert {item.stream for item in await take(items, 2)} == {"named", "m-1"}
            with Stream(tmp_path, "m-2") as second, Stream(tmp_path, "other") as other:
                other.line(2)
                line = second.line(3)
                (item,) = await take(items, 1)
                assert (item.stream, item.line) == ("m-2", line)
        await items.close()
        assert await rest(items) == []


async def test_a_stream_that_is_not_there(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """It is not found, be it read or followed, alone or with others; with ``wait`` it is waited for."""
    with Stream(tmp_path, "there") as there:
        there.line(0)
    async with driver(server.url) as client:
        with pytest.raises(StreamNotFoundError, match="'s'"):
            await take(client.follow("s"), 1)
        with pytest.raises(StreamNotFoundError, match="'s'"):
            await take(client.follow(["there", "s"]), 1)
        with pytest.raises(StreamNotFoundError, match="'s'"):
            await take(client.read("s"), 1)
        items = client.follow(["there", "s"], wait=True)
        assert [item.stream for item in await take(items, 1)] == ["there"]
        with Stream(tmp_path) as stream:
            line = stream.line(1)
            assert [item.line for item in await take(items, 1)] == [line]


async def test_a_file_that_is_replaced(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """It is an error with the new beginning; who says so goes on from there, who says not has no more of it."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        stream.line(1)
    resets: list[Reset] = []

    def go_on(reset: Reset) -> str | None:
        resets.append(reset)
        return reset.earliest

    def leave(reset: Reset) -> None:
        resets.append(reset)

    async with driver(server.url) as client:
        strict, patient, left = (
            client.follow("s"),
            client.follow("s", on_reset=go_on),
            client.follow("s", on_reset=leave),
        )
        *_, before = [(await take(items, 2))[-1] for items in (strict, patient, left)]
        replace(stream.path, b'{"new":1}')
        with pytest.raises(StreamReplacedError) as caught:
            await take(strict, 1)
        assert [item.line for item in await take(patient, 1)] == [b'{"new":1}']
        assert await rest(left) == []
        assert resets == [Reset("s", before.offset, caught.value.earliest)] * 2
        with Stream(tmp_path) as new:
            end = new.final()
        assert [item.line for item in await rest(patient)] == [end]


async def test_a_file_that_is_deleted(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """It is a reset without a new beginning: the stream is there no more."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    resets: list[Reset] = []
    async with driver(server.url) as client:
        strict, told = client.follow("s"), client.follow("s", on_reset=resets.append)
        *_, item = [(await take(items, 1))[0] for items in (strict, told)]
        stream.path.unlink()
        with pytest.raises(StreamNotFoundError, match="was deleted"):
            await take(strict, 1)
        assert await rest(told) == []
        assert resets == [Reset("s", item.offset, None)]


async def test_a_place_that_is_gone(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """An offset of another file is a gap, no reset: what came after it nobody can have."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    gaps: list[Gap] = []

    def go_on(gap: Gap) -> str | None:
        gaps.append(gap)
        return gap.earliest

    async with driver(server.url) as client:
        (item,) = await take(client.follow("s"), 1)
        replace(stream.path, b'{"new":1}')
        with pytest.raises(OffsetGoneError) as caught:
            await take(client.follow("s", offset=item.offset), 1)
        with pytest.raises(OffsetGoneError):
            await take(client.read("s", offset=item.offset), 1)
        items = client.follow({"s": item.offset}, on_gap=go_on)
        assert [each.line for each in await take(items, 1)] == [b'{"new":1}']
        assert gaps == [Gap("s", item.offset, caught.value.earliest)]


async def test_going_on_from_what_is_gone_is_no_way(
    driver: Callable[..., Driver], server: Server, tmp_path: Path
) -> None:
    """A callback that names the very place that is gone does not have the server asked for ever."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    async with driver(server.url) as client:
        (item,) = await take(client.follow("s"), 1)
        replace(stream.path, b'{"new":1}')
        with pytest.raises(OffsetGoneError):
            await take(client.follow("s", offset=item.offset, on_gap=lambda gap: gap.offset), 1)


async def test_what_cannot_be_asked_for(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """An offset within a line, or a value that can be none, is refused."""
    with Stream(tmp_path) as stream:
        stream.line(0)
        stream.line(1)
    async with driver(server.url) as client:
        (item,) = await take(client.follow("s"), 1)
        within = f"{item.offset[:9]}{int(item.offset[9:]) + 1:016d}"
        with pytest.raises(InvalidRequestError, match="not at the start of a line"):
            await take(client.follow("s", offset=within), 1)
        with pytest.raises(InvalidOffsetError):
            client.follow("s", offset="yesterday")
        with pytest.raises(InvalidRequestError):
            client.read("../s")


async def test_long_lines_and_many(driver: Callable[..., Driver], tmp_path: Path) -> None:
    """A stream of many answers, with lines longer than one of them should be, comes whole."""
    size = 8 * 1024 * 1024  # beyond what aiohttp takes for a message when it is not told otherwise
    async with served(tmp_path, read_chunk=64 * 1024, max_line=size) as server, driver(server.url) as client:
        with Stream(tmp_path) as stream:
            for number in range(300):
                stream.write(b'{"number":%d,"text":"%s"}\n' % (number, b"x" * (size - 100 if number == 150 else 900)))
            stream.final()
        lines = stream.path.read_bytes().splitlines()
        followed, read = await rest(client.follow("s")), await rest(client.read("s"))
        assert [item.line for item in followed] == lines
        assert followed == read


async def test_an_idle_follower_can_be_closed(driver: Callable[..., Driver], server: Server, tmp_path: Path) -> None:
    """Closing it from elsewhere ends the iteration of whoever waits."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    async with driver(server.url) as client:
        items = client.follow("s")
        await take(items, 1)
        waiting = asyncio.create_task(rest(items))
        await asyncio.sleep(0)
        await items.close()
        assert await waiting == []
