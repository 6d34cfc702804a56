"""Servers that are away, full or slow, and things between that let no WebSocket through."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamhub.client import AsyncClient, Client, Gap, Reset
from streamhub.client import transport as transports
from streamhub.client.backoff import Backoff
from streamhub.client.following import Batch, Following
from streamhub.client.frames import Ended, Opened
from streamhub.client.link import Link
from streamhub.client.pursuit import Pursuit
from streamhub.client.query import Selection
from streamhub.errors import (
    ConfigError,
    ForbiddenError,
    InvalidRequestError,
    StreamhubError,
    StreamNotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from streamhub.offset import ZERO
from tests.certificates import make_certificate
from tests.client.between import Between, between, no_sockets
from tests.client.drivers import DRIVERS, Asynchronous, Driver, Synchronous, rest, take
from tests.servers import Server, ServerProcess, Stream, free_port, served, until
from tests.web.inside import QUICK
from tests.writers import writing

both = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture
async def narrow(server: Server) -> AsyncIterator[Between]:
    """A server behind a proxy that knows no WebSocket."""
    async with between(server, no_sockets(400)) as proxy:
        yield proxy


# --- a server that goes and comes ---


@pytest.mark.slow
async def test_each_event_once_over_a_server_that_is_killed(tmp_path: Path) -> None:
    """Whatever was on its way when the server was killed comes once, in order, when it is back; to either client."""
    path, go_on = tmp_path / "s.jsonl", tmp_path / "go-on"
    go_on.touch()
    async with ServerProcess(tmp_path) as server, writing("emit", tmp_path, "s", 200, 0.002) as mission:
        await until(path.exists)
        async with Asynchronous(server.url) as one, Synchronous(server.url) as other:
            got: list[list[bytes]] = [[], []]
            readers = [
                asyncio.create_task(collect(items, lines))
                for items, lines in zip((one.follow("s"), other.follow("s")), got, strict=True)
            ]
            for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                had = [len(lines) for lines in got]
                await until(lambda: all(len(lines) > 40 + before for lines, before in zip(got, had, strict=True)))  # noqa: B023
                await server.stop(number)
                await server.start()
            go_on.unlink()
            assert await mission.wait() == 0
            await asyncio.gather(*readers)
    for lines in got:
        assert lines == path.read_bytes().splitlines()


async def collect(items: Any, lines: list[bytes]) -> None:
    """Take what comes, up to the end."""
    async with asyncio.timeout(60):
        async for item in items:
            lines.append(item.line)  # noqa: PERF401 - what came before a time-out counts


@pytest.mark.slow
async def test_a_file_that_is_replaced_while_the_server_is_away_is_a_gap(tmp_path: Path) -> None:
    """Nobody knows what was written before that: it is told apart from a reset, which comes at once."""
    port = free_port()
    told: list[Gap | Reset] = []

    def go_on(news: Gap | Reset) -> str | None:
        told.append(news)
        return news.earliest

    with Stream(tmp_path) as stream:
        stream.line(0)
    async with AsyncClient(f"http://127.0.0.1:{port}") as client:
        items = client.follow(["s", "t"], on_gap=go_on, on_reset=go_on)
        with Stream(tmp_path, "t") as other:
            line = other.line(1)
        async with served(tmp_path, port=port, timing=QUICK):
            first = {item.stream: item for item in await take(items, 2)}
        stream.path.write_bytes(b'{"new":1}\n')
        async with served(tmp_path, port=port, timing=QUICK):
            assert [item.line for item in await take(items, 1)] == [b'{"new":1}']
            other.path.unlink()
            with Stream(tmp_path) as stream:
                stream.final()
            got = await rest(items)
    assert [type(news) for news in told] == [Gap, Reset]
    assert told[0] == Gap("s", first["s"].offset, told[0].earliest)
    assert told[1] == Reset("t", first["t"].offset, None)
    assert len(got) == 1
    assert first["t"].line == line


@pytest.mark.slow
async def test_what_is_over_may_be_deleted(tmp_path: Path) -> None:
    """Old streams are cleared away, and the server starts anew: who follows a glob goes on, and has nothing twice."""
    port = free_port()
    following = Following((), Selection(), match="m-*")
    with Stream(tmp_path, "m-1") as over, Stream(tmp_path, "m-2") as kept, Stream(tmp_path, "m-3") as stream:
        over.final(), kept.final(), stream.line(0)
        async with AsyncClient(f"http://127.0.0.1:{port}") as client:
            pursuit = client.pursue(following)
            async with served(tmp_path, port=port, timing=QUICK):
                assert sorted([await news_of(pursuit) for _ in range(3)]) == ["m-1", "m-2", "m-3"]
                waiting = asyncio.create_task(news_of(pursuit))
                await until(lambda: following.past == {"m-1", "m-2"})
                stream.line(1)
                assert await waiting == "m-3"
            over.path.unlink()
            stream.line(2)
            async with served(tmp_path, port=port, timing=QUICK):
                assert await news_of(pursuit) == "m-3"
    assert following.past == {"m-2"}


async def news_of(pursuit: Pursuit) -> str:
    """The stream of which there is news next."""
    async with asyncio.timeout(30):
        news = await pursuit.next()
    assert isinstance(news, Batch)
    return news.items[0].stream


async def test_what_is_over_is_forgotten_step_by_step(server: Server, tmp_path: Path) -> None:
    """What is over and gone is not named again; when that was not the reason, nothing is; then it is an error."""
    with Stream(tmp_path, "b") as stream:
        stream.final()

    def answers(request: web.Request) -> web.Response | None:
        if request.path != "/v1/ws":
            return None
        named.append(request.query.getall("stream", []))
        return web.Response(status=404, body=b"{}", content_type="application/problem+json")

    named: list[list[str]] = []
    following = Following((), Selection(), match="*")
    for name in ("a", "b"):
        following.take(Opened(name, str(ZERO)))
        following.take(Ended(name))
    async with between(server, answers) as proxy:
        link = Link(proxy.url)
        with pytest.raises(InvalidRequestError, match="refused with 404"):
            await Pursuit(link, following, Backoff()).next()
        await link.close()
    assert named == [["a@now", "b@now"], ["b@now"], []]
    assert proxy.count("/v1/streams") == 3


@pytest.mark.slow
@both
@pytest.mark.parametrize("options", [{}, {"contains": "n"}, {"tail": 1}])
async def test_each_event_once_of_more_streams_than_an_address_can_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: Callable[..., Driver], options: dict[str, Any]
) -> None:
    """Those that find no room in it come again when the connection is lost, and what was had is thrown away."""
    monkeypatch.setattr("streamhub.client.address.LONGEST", 200)
    port = free_port()
    with ExitStack() as open_files:
        streams = [open_files.enter_context(Stream(tmp_path, f"s-{number}")) for number in range(12)]
        for stream in streams:
            stream.line(0)
            stream.line(1)
        async with driver(f"http://127.0.0.1:{port}") as client:
            items = client.follow(match="s-*", **options)
            async with served(tmp_path, port=port, timing=QUICK):
                got = await take(items, 12 if "tail" in options else 24)
            lines = {(item.stream, item.line) for item in got}
            lines |= {(stream.id, stream.line(2)) for stream in streams}
            async with served(tmp_path, port=port, timing=QUICK):
                got += await take(items, 12)
                last = (streams[0].id, streams[0].line(3))
                got += await take(items, 1)
    assert len(got) == len(lines) + 1
    assert {(item.stream, item.line) for item in got} == lines | {last}


@pytest.mark.slow
async def test_patience_ends(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """With ``retries`` the server is given up after so many attempts in vain; without, read() still is."""
    caplog.set_level(logging.WARNING, "streamhub.client")
    url = f"http://127.0.0.1:{free_port()}"
    async with AsyncClient(url, retries=1) as client:
        with pytest.raises(UnavailableError, match=r"^cannot reach http://127\.0\.0\.1:\d+: Connection refused$"):
            await take(client.follow("s"), 1)
        with pytest.raises(UnavailableError, match="cannot reach http://127"):
            await take(client.read("s"), 1)
    assert [record.getMessage().endswith("trying again") for record in caplog.records] == [True]


@pytest.mark.slow
async def test_a_server_that_is_busy_is_asked_later(server: Server, tmp_path: Path) -> None:
    """503 and 429 are waited out, for as long as they ask for, or a while when they do not say."""
    with Stream(tmp_path) as stream:
        line, end = stream.line(0), stream.final()
    refusals = itertools.chain([(503, {}), (429, {"Retry-After": "1"})], itertools.repeat((0, {})))
    asked: list[float] = []

    def answers(_request: web.Request) -> web.Response | None:
        asked.append(asyncio.get_running_loop().time())
        status, headers = next(refusals)
        return web.Response(status=status, headers=headers) if status else None

    async with between(server, answers) as proxy, AsyncClient(proxy.url) as client:
        assert [item.line for item in await rest(client.read("s"))] == [line, end]
    first, second, third, *_ = asked
    assert second - first >= 0.1
    assert third - second >= 1


@pytest.mark.slow
async def test_a_server_that_is_full_is_waited_for(tmp_path: Path) -> None:
    """There is no room for one more connection: the follower comes when there is."""
    with Stream(tmp_path) as stream:
        line = stream.line(0)
    async with (
        served(tmp_path, max_connections=1) as server,
        AsyncClient(server.url) as first,
        AsyncClient(server.url) as second,
    ):
        before = first.follow("s")
        await take(before, 1)
        waiting = asyncio.create_task(take(second.follow("s"), 1))
        assert not (await asyncio.wait((waiting,), timeout=0.3))[0]
        await before.close()
        assert [item.line for item in await waiting] == [line]


@pytest.mark.slow
async def test_who_is_cut_for_slowness_goes_on(tmp_path: Path) -> None:
    """Somebody takes an event and thinks for long: the server hangs up meanwhile, and not one event is lost."""
    with Stream(tmp_path) as stream:
        for number in range(20_000):
            stream.write(b'{"number":%d,"text":"%s"}\n' % (number, b"x" * 1000))
        stream.final()
    async with served(tmp_path, stall_timeout=1, timing=QUICK) as server, AsyncClient(server.url) as client:
        items = client.follow("s")
        got = await take(items, 1)
        async with asyncio.timeout(30):
            while await connected(server):
                await asyncio.sleep(0.05)
        got += await rest(items)
    assert [item.line for item in got] == stream.path.read_bytes().splitlines()


@pytest.mark.slow
async def test_a_full_server_is_not_asked_much(server: Server, tmp_path: Path) -> None:
    """Who follows many streams does not ask for each of them, each time that there is no room."""
    names = [f"s{number}" for number in range(20)]
    for name in names:
        with Stream(tmp_path, name) as stream:
            stream.final()
    full = itertools.chain([True, True], itertools.repeat(False))

    def answers(request: web.Request) -> web.Response | None:
        socket = request.path == "/v1/ws"
        return web.Response(status=503 if next(full) else 426) if socket else None

    async with between(server, answers) as proxy, AsyncClient(proxy.url) as client:
        items = client.follow(names)
        first = await take(items, 1)
        before = [path for path in proxy.asked if "live=" not in path and "limit=1" in path]
        assert {item.stream for item in first + await rest(items)} == {*names}
    # One for each time that there was no room, with one for the list; all of them when it was for good.
    assert len(before) == 2 * 2 + len(names) + 1


@pytest.mark.slow
async def test_a_copy_that_lags_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A host whose copy has not come so far yet says so, and the follower goes on when it has."""
    (tmp_path / "ahead").mkdir()
    (tmp_path / "behind").mkdir()
    with Stream(tmp_path / "ahead") as ahead, Stream(tmp_path / "behind") as behind:
        for number in range(2):
            ahead.line(number)
        behind.line(0)
        ahead.final()
        async with served(tmp_path / "ahead") as server, AsyncClient(server.url) as client:
            first, second, _end = await rest(client.read("s"))
        async with served(tmp_path / "behind") as server, AsyncClient(server.url) as client:
            items = client.follow("s", offset=second.offset)
            waiting = asyncio.create_task(rest(items))
            await until(lambda: "trying again" in caplog.text)
            behind.line(1)
            end = behind.final()
            assert [item.line for item in await waiting] == [end]
    assert first != second


async def test_an_answer_that_breaks_off_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    """Half an answer is none: nothing of it is given, and nothing of it is given twice."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(10)]
    half = itertools.chain([True], itertools.repeat(False))

    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        async with server.session.get(
            server.url + request.split()[1].decode(), headers={"Accept": "application/x-ndjson"}
        ) as answer:
            body = await answer.read()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            for name in ("Stream-Next-Offset", "Stream-Up-To-Date"):
                head += f"{name}: {answer.headers[name]}\r\n"
        writer.write(head.encode() + b"\r\n" + (body[: len(body) // 2] if next(half) else body))
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(breaks_off, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy, AsyncClient(f"http://127.0.0.1:{port}") as client:
        assert [item.line for item in await rest(client.read("s"))] == lines


@pytest.mark.slow
async def test_silence_is_no_connection(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives no sign of life for too long is called anew, and nothing comes twice."""
    monkeypatch.setattr(transports, "_SILENCE", 0.1)
    with Stream(tmp_path) as stream:
        lines = [stream.line(0)]
        async with AsyncClient(server.url) as client:
            items = client.follow("s")
            got = await take(items, 1)
            waiting = asyncio.create_task(take(items, 1))
            async with asyncio.timeout(30):
                while await connected(server):
                    await asyncio.sleep(0.01)
            lines.append(stream.line(1))
            got += await waiting
            lines.append(stream.final())
            got += await rest(items)
    assert [item.line for item in got] == lines


# --- no WebSocket ---


@both
@pytest.mark.parametrize("status", [200, 400, 403, 405, 426, 501])
async def test_where_no_socket_passes_it_is_polled(
    driver: Callable[..., Driver], server: Server, tmp_path: Path, status: int
) -> None:
    """A proxy that refuses the WebSocket, and lets the rest through, is no obstacle."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0)]
        async with between(server, no_sockets(status)) as proxy, driver(proxy.url) as client:
            items = client.follow("s")
            got = await take(items, 1)
            lines += [stream.line(1), stream.final()]
            got += await rest(items)
    assert [item.line for item in got] == lines
    assert proxy.count("/v1/ws") == 1


@pytest.mark.slow
async def test_sockets_that_say_nothing_are_given_up(server: Server, tmp_path: Path) -> None:
    """A proxy that takes the WebSocket, and then drops it, is no obstacle either."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0), stream.final()]

    def answers(request: web.Request) -> web.Response | None:
        if request.path != "/v1/ws":
            return None
        return _Dropped()  # type: ignore[return-value]

    async with between(server, answers) as proxy, AsyncClient(proxy.url) as client:
        assert [item.line for item in await rest(client.follow("s"))] == lines
    assert proxy.count("/v1/ws") == 3


class _Dropped(web.WebSocketResponse):
    async def prepare(self, request: web.BaseRequest) -> Any:
        writer = await super().prepare(request)
        await self.close()
        return writer


async def test_polls_tell_all_that_sockets_tell(
    narrow: Between, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts, streams that appear, resets and gaps are the same on either way."""
    monkeypatch.setattr(transports, "_SCAN", 0.1)
    told: list[Any] = []

    def go_on(news: Gap | Reset) -> str | None:
        told.append(news)
        return news.earliest

    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(3)]
    async with AsyncClient(narrow.url) as client:
        items = client.follow(["s", "late"], match="m-*", tail=2, wait=True, on_reset=go_on, on_gap=go_on)
        got = await take(items, 2)
        assert [item.line for item in got] == lines[1:]
        with Stream(tmp_path, "late") as late, Stream(tmp_path, "m-1") as joined:
            late.line(0), late.final(), joined.line(0), joined.line(1)
        assert sorted(item.stream for item in await take(items, 4)) == ["late", "late", "m-1", "m-1"]
        os.truncate(stream.path, 0)
        stream.path.write_bytes(b'{"new":1}\n')
        assert [item.line for item in await take(items, 1)] == [b'{"new":1}']
        assert told == [Reset("s", got[-1].offset, told[0].earliest)]
        (again,) = await take(client.follow({"s": got[-1].offset}, on_gap=go_on), 1)
        assert again.line == b'{"new":1}'
        assert told[1] == Gap("s", got[-1].offset, told[0].earliest)
        with pytest.raises(StreamNotFoundError):
            await take(client.follow("nowhere"), 1)


@pytest.mark.slow
async def test_a_poll_that_waits_can_be_closed(narrow: Between, tmp_path: Path) -> None:
    """Whoever waits learns that it is over, as an end and not as a cancellation."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    async with AsyncClient(narrow.url) as client:
        items = client.follow("s")
        await take(items, 1)
        waiting = asyncio.create_task(rest(items))
        await until(lambda: "live=long-poll" in narrow.asked[-1])
        await items.close()
        assert await waiting == []


# --- refusals ---


@both
async def test_who_may_not_read(driver: Callable[..., Driver], tmp_path: Path) -> None:
    """No token, a wrong one, a wrong name, and no streamhub server at all: each says so, and is not tried again."""
    with Stream(tmp_path) as stream:
        line = stream.line(0)
    (tmp_path / "tokens").write_text("a-token-that-is-long-enough-for-anybody s\n")
    os.chmod(tmp_path / "tokens", 0o600)
    async with served(tmp_path, token_file=str(tmp_path / "tokens")) as server:
        for token in (None, "wrong"):
            async with driver(server.url, token=token) as client:
                for ask in (client.follow, client.read):
                    with pytest.raises(UnauthorizedError):
                        await take(ask("s"), 1)
        async with driver(server.url, token="a-token-that-is-long-enough-for-anybody") as client:
            for ask in (client.follow, client.read):
                assert [item.line for item in await take(ask("s"), 1)] == [line]
            with pytest.raises(StreamNotFoundError):
                await take(client.follow("other"), 1)


@both
async def test_what_is_forbidden(driver: Callable[..., Driver], server: Server) -> None:
    """A server that does not know the name it is called by says so, and is not asked again."""
    said = b'{"status":403,"detail":"host is not served here"}'

    def forbid(_request: web.Request) -> web.Response:
        return web.Response(status=403, body=said, content_type="application/problem+json")

    async with between(server, forbid) as proxy, driver(proxy.url) as client:
        for ask in (client.follow, client.read):
            with pytest.raises(ForbiddenError, match="not served here"):
                await take(ask("s"), 1)


async def test_no_streamhub_server(server: Server) -> None:
    """What answers otherwise is said to be no streamhub server."""
    async with between(server, lambda _: web.Response(text="hello")) as proxy, AsyncClient(proxy.url) as client:
        for ask in (client.follow, client.read):
            with pytest.raises(StreamhubError, match="no streamhub server"):
                await take(ask("s"), 1)
        with pytest.raises(StreamhubError, match="no streamhub server"):
            [entry async for entry in client.streams()]


@pytest.mark.parametrize("url", ["", "localhost:8765", "ws://localhost", "http://", "http://a:b", "http://a?b=c"])
def test_a_url_that_is_none(url: str) -> None:
    """It is refused at once."""
    with pytest.raises(ConfigError, match="names no server"):
        AsyncClient(url)
    with pytest.raises(ConfigError, match="names no server"):
        Client(url)


# --- leaving ---


async def test_what_is_cancelled_goes_on(server: Server, tmp_path: Path) -> None:
    """A time-out around an event loses nothing: the next call gives it, from the same connection."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0)]
        async with AsyncClient(server.url) as client:
            items = client.follow("s")
            got = await take(items, 1)
            for number in range(1, 5):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await anext(items)
                lines.append(stream.line(number))
                got += await take(items, 1)
                assert await connected(server) == 1
    assert [item.line for item in got] == lines


async def test_what_is_cancelled_at_any_moment_loses_nothing(server: Server, tmp_path: Path) -> None:
    """However the time-outs fall, while connecting too, each event comes once."""
    with Stream(tmp_path) as stream:
        for number in range(50):
            stream.line(number)
        stream.final()
    lines = stream.path.read_bytes().splitlines()
    got: list[bytes] = []

    async with AsyncClient(server.url) as client:
        for patience in (-0.0002, 0.0005, 0.001, 0.002, 0.003):
            items = client.follow("s")
            allowed = patience
            while got != lines:
                allowed += 0.0002
                with suppress(TimeoutError):
                    async with asyncio.timeout(allowed):
                        await collect(items, got)
            assert got == lines
            got.clear()


@pytest.mark.slow
async def test_who_leaves_hangs_up(server: Server, tmp_path: Path) -> None:
    """Leaving a loop lets go of the connection, without a word about what was not closed."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    async with AsyncClient(server.url) as client:
        async for _item in client.follow("s"):
            assert await connected(server) == 1
            break
        gc.collect()
        async with asyncio.timeout(10):
            while await connected(server):
                await asyncio.sleep(0.01)


async def test_leaving_the_client_ends_all(server: Server, tmp_path: Path) -> None:
    """Who leaves the client's block needs to close nothing else."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    async with AsyncClient(server.url) as client:
        items = client.follow("s")
        await take(items, 1)
    assert await rest(items) == []


@pytest.mark.slow
def test_without_a_block(tmp_path: Path) -> None:
    """A client that is just let go of ends its thread and its connections, and says nothing about it."""
    asyncio.run(_served_while(tmp_path, _let_go))
    gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name == "streamhub-client"]


def _let_go(url: str) -> None:
    items = Client(url).follow("s")
    assert next(items).stream == "s"


async def _served_while(directory: Path, action: Callable[[str], None]) -> None:
    with Stream(directory) as stream:
        stream.line(0)
    async with served(directory) as server:
        await asyncio.to_thread(action, server.url)


async def test_a_client_that_is_closed(server: Server) -> None:
    """It says so, and can be closed again."""
    client = Client(server.url)
    client.close()
    client.close()
    with pytest.raises(StreamhubError, match="is closed"):
        next(client.follow("s"))


async def test_in_a_thread_whose_loop_runs(tmp_path: Path) -> None:
    """As in a notebook: the client for everybody else works there too."""
    with Stream(tmp_path) as stream:
        line = stream.line(0)
    async with ServerProcess(tmp_path) as server:
        with Client(server.url) as client:
            assert [item.line for item in client.read("s")] == [line]


def next_with_ctrl_c(items: Any) -> None:
    """Ask for an event, and press Ctrl-C in a moment, as in a process that does not run asyncio."""
    main = threading.main_thread().ident or 0
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        next(items)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, previous)


@pytest.mark.slow
async def test_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    """A wait that is interrupted can be gone on with: what came meanwhile is not lost."""
    with Stream(tmp_path) as stream:
        async with ServerProcess(tmp_path) as server:
            with Client(server.url) as client:
                lines = [stream.line(0)]
                items = client.follow("s")
                got = [next(items).line]
                with pytest.raises(KeyboardInterrupt):
                    next_with_ctrl_c(items)
                lines += [stream.line(1), stream.final()]
                got += [item.line for item in items]
    assert got == lines


async def connected(server: Server) -> int:
    """How many WebSockets the server has."""
    text = (await server.get("/metrics"))[2].decode()
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("streamhub_clients{"))


# --- the way there ---


@both
async def test_over_tls(driver: Callable[..., Driver], tmp_path: Path) -> None:
    """With a context that trusts the server's certificate, over https and wss; without, not."""
    made = make_certificate(tmp_path)
    (tmp_path / "streams").mkdir()
    with Stream(tmp_path / "streams") as stream:
        lines = [stream.line(0), stream.final()]
    async with served(tmp_path / "streams", tls_cert=str(made.cert), tls_key=str(made.key)) as server:
        async with driver(server.url, ssl=made.client()) as client:
            assert [item.line for item in await rest(client.follow("s"))] == lines
            assert [item.line for item in await rest(client.read("s"))] == lines
        async with driver(server.url) as client:
            with pytest.raises(ConfigError, match="certificate"):
                await take(client.follow("s"), 1)


async def test_below_a_path(server: Server, tmp_path: Path) -> None:
    """A server may stand below a path of another one."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0), stream.final()]

    async def handle(request: web.Request) -> web.Response:
        async with server.session.get(
            server.url + request.path_qs.removeprefix("/streams"), headers={"Accept": request.headers["Accept"]}
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.startswith("Stream-")}
            return web.Response(body=await answer.read(), headers=kept)

    app = web.Application()
    app.router.add_get("/streams/v1/stream/s", handle)
    async with TestServer(app) as outer, AsyncClient(f"{outer.make_url('/streams/')}") as client:
        assert [item.line for item in await rest(client.read("s"))] == lines


async def test_the_list(server: Server, tmp_path: Path) -> None:
    """Each stream there is, or those of a prefix or a mission."""
    for name in ("a-1", "a-2", "b-1"):
        with Stream(tmp_path, name) as stream:
            stream.line(0)
    async with AsyncClient(server.url) as client:
        assert {entry.id async for entry in client.streams()} == {"a-1", "a-2", "b-1"}
        assert {entry.id async for entry in client.streams(prefix="a-")} == {"a-1", "a-2"}
        assert [entry async for entry in client.streams(mission_id="other")] == []
    with Client(server.url) as blocking:
        entries = await asyncio.to_thread(lambda: list(blocking.streams(prefix="b")))
    assert [(entry.id, entry.mission_id, entry.closed) for entry in entries] == [("b-1", "m", False)]
