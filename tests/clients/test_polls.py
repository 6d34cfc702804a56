"""Our own JavaScript client where no WebSocket can be had."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.client.between import Between, between, no_sockets
from tests.clients.test_javascript import STATIC, following, texts, told
from tests.servers import Server, Stream, served
from tests.web.inside import QUICK

pytestmark = pytest.mark.usefixtures("node_modules")


@pytest.fixture
async def narrow(server: Server) -> AsyncIterator[Between]:
    """A server behind a proxy that knows no WebSocket."""
    async with between(server, no_sockets(400)) as proxy:
        yield proxy


async def test_history_then_live_then_the_end(narrow: Between, tmp_path: Path) -> None:
    """After two sockets that said nothing it is done with long-polls: each line once, at its place, up to the end."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(3)]
        async with following(narrow.url, streams=["s"]) as program:
            await program.has(lambda: texts(program, "s") == lines)
            lines.append(stream.line(3))
            await program.has(lambda: texts(program, "s") == lines)
            lines.append(stream.final())
            assert await program.ended() == 0
    assert texts(program, "s") == lines
    sizes = [len(line) + 1 for line in lines]
    places = [int(line["offset"][9:]) for line in told(program, "line")]
    assert places == [sum(sizes[:number]) for number in range(len(sizes))]
    assert len(told(program, "end")) == 1
    assert told(program, "state")[-1]["name"] == "ended"
    assert narrow.count("/v1/ws") == 2
    assert any("live=long-poll" in asked for asked in narrow.asked)


async def test_without_a_websocket_class(narrow: Between, tmp_path: Path) -> None:
    """An old Node has none: then none is tried."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0), stream.final()]
    async with following(narrow.url, streams=["s"], WebSocket=None) as program:
        assert await program.ended() == 0
    assert texts(program, "s") == lines
    assert narrow.count("/v1/ws") == 0


@pytest.mark.slow
async def test_a_part(server: Server, tmp_path: Path) -> None:
    """From the last lines on, or from an offset, and only what contains a text: as over a socket."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(12)]
        stream.write(b"\n\n")
        lines.append(stream.final())
    async with (
        following(server.url, streams=["s"], WebSocket=None, tail=3) as last,
        following(server.url, streams=["s"], WebSocket=None, tail=4, contains='"value":1') as found,
        following(server.url, streams=["s"], WebSocket=None, tail=0) as none,
    ):
        for program in (last, found, none):
            assert await program.ended() == 0
        assert texts(last, "s") == lines[-3:]
        assert texts(found, "s") == lines[9:12][1:]
        assert texts(none, "s") == []
        place = told(last, "line")[-1]["next"]
    async with following(server.url, streams=[["s", place]], WebSocket=None) as rest:
        assert await rest.ended() == 0
    assert not told(rest, "line")
    assert len(told(rest, "end")) == 1


@pytest.mark.slow
async def test_a_stream_that_is_not_there_yet(server: Server, tmp_path: Path) -> None:
    """It is told, and waited for."""
    async with following(server.url, streams=["s"], WebSocket=None) as program:
        await program.has(lambda: "open" in {state["name"] for state in told(program, "state")})
        with Stream(tmp_path) as stream:
            lines = [stream.line(0), stream.final()]
        assert await program.ended() == 0
    assert texts(program, "s") == lines
    assert len(told(program, "missing")) == 1
    assert not told(program, "reset")


async def test_files_that_are_replaced_or_deleted(tmp_path: Path) -> None:
    """Each is a reset of its stream, with the place where the new file begins; no more of either comes."""
    for name in ("new", "gone"):
        with Stream(tmp_path, name) as stream:
            stream.line(0)
    async with (
        served(tmp_path, timing=QUICK) as server,
        following(server.url, streams=["new", "gone"], WebSocket=None) as program,
    ):
        await program.has(lambda: len(told(program, "line")) == 2)
        (tmp_path / "other").write_bytes(b'{"new":1}\n')
        os.replace(tmp_path / "other", tmp_path / "new.jsonl")
        (tmp_path / "gone.jsonl").unlink()
        assert await program.ended() == 0
    resets = {reset["stream"]: reset["earliest"] for reset in told(program, "reset")}
    assert resets["gone"] is None
    assert resets["new"][9:] == "0" * 16
    assert len(told(program, "line")) == 2


@pytest.mark.slow
async def test_streams_that_match_join(server: Server, tmp_path: Path) -> None:
    """Those that are there, and those that come later, from their beginning; many are read in turn."""
    with ExitStack() as files:
        await match(server, tmp_path, [files.enter_context(Stream(tmp_path, f"m-{number}")) for number in range(7)])


async def match(server: Server, directory: Path, streams: list[Stream]) -> None:
    """The test of those that match."""
    lines = {stream.id: [stream.line(0)] for stream in streams[:5]}
    (directory / "other.jsonl").write_bytes(streams[0].path.read_bytes())
    async with following(server.url, match=["m-[!9]"], WebSocket=None) as program:
        await program.has(lambda: len(told(program, "line")) == 5)
        lines |= {stream.id: [stream.line(0)] for stream in streams[5:]}
        for stream in streams[3:]:
            lines[stream.id] += [stream.line(1), stream.final()]
        await program.has(lambda: len(told(program, "end")) == 4)
        for stream in streams[:3]:
            lines[stream.id].append(stream.line(1))
        await program.has(lambda: len(told(program, "line")) == 5 + 2 + 4 * 2 + 3)
    assert {stream.id: texts(program, stream.id) for stream in streams} == lines
    assert not texts(program, "other")


@pytest.mark.slow
async def test_never_more_than_three_requests_at_once(server: Server, tmp_path: Path) -> None:
    """However many streams there are; a browser has no more than six for everything."""
    running = most = 0

    @web.middleware
    async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await handler(request)
        finally:
            running -= 1

    for number in range(10):
        with Stream(tmp_path, f"s-{number}") as stream:
            stream.line(0)
    async with (
        between(server, no_sockets(400), middlewares=[counted]) as proxy,
        following(proxy.url, streams=["s-0", "s-1"], match=["s-?"]) as program,
    ):
        await program.has(lambda: len(told(program, "line")) == 10)
        with Stream(tmp_path, "s-9") as stream:
            stream.final()
        await program.has(lambda: len(told(program, "end")) == 1)
    assert most <= 3


async def test_a_server_that_goes_away_and_returns(tmp_path: Path) -> None:
    """It is waited for, a socket is tried again, and each line comes once."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0)]
        async with (
            served(tmp_path, timing=QUICK) as server,
            between(server, no_sockets(400)) as proxy,
            following(proxy.url, streams=["s"]) as program,
        ):
            await program.has(lambda: texts(program, "s") == lines)
            proxy.answers = lambda _request: web.Response(status=502)
            await program.has(lambda: told(program, "state")[-1]["name"] == "waiting")
            lines.append(stream.line(1))
            proxy.answers = no_sockets(400)
            await program.has(lambda: texts(program, "s") == lines)
            lines.append(stream.final())
            assert await program.ended() == 0
    assert texts(program, "s") == lines
    assert proxy.count("/v1/ws") == 4


def test_a_socket_that_the_follower_closes_itself_is_not_mute(node_modules: Path) -> None:
    """Streams that are added one after the other open the socket anew: that says nothing of what is between."""
    program = f"""
        import {{ Client }} from {json.dumps((STATIC / "client.js").as_uri())};
        let opened;
        const sockets = [], asked = [];
        class Silent {{
          constructor(url) {{ sockets.push(url); opened(); }}
          close() {{}}
        }}
        const answer = async (url, {{ method }}) => {{ asked.push(method); return new Response(null); }};
        const follower = new Client("http://127.0.0.1:9", {{ WebSocket: Silent, fetch: answer }}).follow();
        for (let number = 0; number < 5; number++) {{
          const another = new Promise((done) => (opened = done));
          follower.add(`s-${{number}}`);
          await another;
        }}
        follower.close();
        console.log(JSON.stringify([sockets.length, [...new Set(asked)]]));
    """
    command = ["node", "--input-type=module", "--eval", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(answer.stdout) == [5, ["HEAD"]]


async def test_who_may_not_read_is_told(tmp_path: Path) -> None:
    """A refusal is a failure, also of who names no stream."""
    async with (
        served(tmp_path, tokens=("a-token-of-some-length",)) as server,
        following(server.url, match=["*"]) as program,
    ):
        assert await program.ended() == 0
    assert [failure["status"] for failure in told(program, "failed")] == [401]
