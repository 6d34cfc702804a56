"""Files that are cut, replaced or deleted under their readers: what the model found, each as small as it gets."""

from __future__ import annotations

import os
from pathlib import Path

from tests.servers import Stream, served
from tests.transports import PlainWebSocket
from tests.wires import elements


async def test_a_stream_that_was_cut_and_grew_anew_is_read_anew(tmp_path: Path) -> None:
    """Lines that were cut off are never given to who comes later, though the file begins as it did."""
    async with served(tmp_path) as server:
        with Stream(tmp_path) as stream:
            kept = stream.line(1)
            stream.line(2)
            async with PlainWebSocket(server.url, ("s",)) as first:
                await first.until(lambda: len(first.log.lines) == 2)
                os.truncate(stream.path, len(kept) + 1)
                await first.until(lambda: first.log.told == "reset")
            other = stream.line(3)
            start = (await server.get("/v1/stream/s?limit=1"))[1]["Stream-Next-Offset"]
            async with PlainWebSocket(server.url, ("s",)) as second:
                await second.until(lambda: len(second.log.lines) == 2)
                assert second.log.lines == [kept, other]
            assert elements((await server.get(f"/v1/stream/s?offset={start}"))[2]) == [other]


async def test_who_starts_past_what_the_others_were_told_of_gets_each_line_once(tmp_path: Path) -> None:
    """More was written at once than the server takes in at one look: who joins at the tail is not given any of it."""
    async with served(tmp_path, poll_floor=0.2, poll_ceiling=0.2) as server:
        with Stream(tmp_path) as stream:
            stream.line(1)
            async with PlainWebSocket(server.url, ("s",)) as early:
                await early.until(lambda: len(early.log.lines) == 1)
                stream.write(b'{"n":"%s"}\n' % (b"x" * 1000) * 3000)
                async with PlainWebSocket(server.url, ("s",), "offset=now") as late:
                    last = stream.line(2)
                    await late.until(lambda: bool(late.log.lines))
                    assert late.log.lines == [last]
                    await early.until(lambda: early.log.lines[-1] == last)
                    assert len(early.log.lines) == 3002


async def test_a_stream_that_is_not_there_is_not_found_though_others_wait_for_it(tmp_path: Path) -> None:
    """Somebody waits for a stream; who comes in the next moment and does not want to wait gets 404 all the same."""
    async with served(tmp_path) as server:
        waiting, other = (
            PlainWebSocket(server.url, ("s",), "tail=1", options="wait=1"),
            PlainWebSocket(server.url, ("s",)),
        )
        async with waiting, other:
            assert (waiting.status, other.status) == (101, 404)


async def test_who_waits_for_a_stream_that_was_just_deleted_gets_the_next_one(tmp_path: Path) -> None:
    """The server may not have noticed yet that the file is gone: its lines are given to nobody any more."""
    async with served(tmp_path, poll_floor=0.2, poll_ceiling=0.2) as server:
        with Stream(tmp_path) as stream:
            stream.line(1)
        early, late = PlainWebSocket(server.url, ("s",)), PlainWebSocket(server.url, ("s",), "tail=5", options="wait=1")
        async with early:
            await early.until(lambda: len(early.log.lines) == 1)
            stream.path.unlink()
            async with late:
                with Stream(tmp_path) as stream:
                    line = stream.line(2)
                    await late.until(lambda: bool(late.log.lines))
            assert (late.log.lines, late.log.told) == ([line], None)
            await early.until(lambda: early.log.told is not None)


async def test_the_beginning_is_that_of_the_file_that_is_there(tmp_path: Path) -> None:
    """The server may not have noticed yet that the file was rewritten: to start at the beginning is right always."""
    async with served(tmp_path, poll_floor=0.2, poll_ceiling=0.2) as server:
        with Stream(tmp_path) as stream:
            stream.line(1)
            async with PlainWebSocket(server.url, ("s",)) as early:
                os.truncate(stream.path, 0)
                line = stream.line(20)
                status, _, body = await server.get("/v1/stream/s?live=long-poll&offset=-1")
                assert (status, elements(body)) == (200, [line])
                await early.until(lambda: early.log.told is not None)
