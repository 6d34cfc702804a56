from __future__ import annotations

import asyncio
import errno
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from streamhub.channel import Channel
from streamhub.hub import Hub
from streamhub.seek import FROM_BEGINNING
from streamhub.web.multiplex import MultiplexReader, MultiplexSocket
from tests import naive
from tests.naive import padded
from tests.raw import CLOSE, HANDSHAKE, PING, PONG, TEXT, Raw, websocket
from tests.servers import Server, Stream, served, until
from tests.web.inside import QUICK, inside
from tests.wires import elements

ZERO = "00000000_0000000000000000"


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that notices new streams soon."""
    async with served(tmp_path, poll_ceiling=0.02) as server:
        yield server


def token(path: Path, byte: int | None = None) -> str:
    """The offset of a byte of a stream, or of its tail."""
    data = path.read_bytes()
    return f"{naive.generation(data)}_{naive.tail(data) if byte is None else byte:016d}"


def write(directory: Path, stream: str, count: int = 1, *, final: bool = False) -> Path:
    """Append so many lines to a stream."""
    with Stream(directory, stream) as file:
        for i in range(count):
            file.line(i)
        if final:
            file.final()
    return file.path


async def message(raw: Raw) -> dict[str, Any]:
    """The next message; the events of it as their own bytes."""
    opcode, payload = await raw.frame()
    assert opcode == TEXT, (opcode, payload)
    said: dict[str, Any] = json.loads(payload)
    if said["type"] == "events":
        head, _, events = payload.partition(b',"events":')
        said = {**json.loads(head + b"}"), "events": elements(events[:-1])}
    return said


async def talk(raw: Raw) -> tuple[list[dict[str, Any]], int]:
    """All messages up to the close, and its code."""
    said: list[dict[str, Any]] = []
    while True:
        opcode, payload = await raw.frame()
        if opcode == CLOSE:
            await raw.say_close(int.from_bytes(payload[:2]))
            assert await raw.everything() == b""
            return said, int.from_bytes(payload[:2])
        assert opcode == TEXT
        said.append(json.loads(payload))


async def until_said(raw: Raw, **fields: object) -> dict[str, Any]:
    """The first message with these fields."""
    while True:
        said = await message(raw)
        if said.items() >= fields.items():
            return said


# --- messages -------------------------------------------------------------------------------------------------


async def test_one_stream(server: Server, tmp_path: Path) -> None:
    """``open``, then ``events`` as they come, then ``end``, then close 1000."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(i) for i in range(3)]
        start, tail = token(stream.path, 0), token(stream.path)
        async with websocket(server.url, "/v1/ws?stream=s") as raw:
            assert await message(raw) == {
                "type": "open",
                "streams": [{"stream": "s", "offset": start, "tail": tail, "closed": False}],
            }
            assert await message(raw) == {
                "type": "events", "stream": "s", "next": tail, "upToDate": True, "events": lines,
            }  # fmt: skip
            line = stream.line(4)
            assert (await message(raw))["events"] == [line]
            line = stream.final()
            said = await message(raw)
            assert (said["events"], said["next"]) == ([line], token(stream.path))
            assert await message(raw) == {"type": "end", "stream": "s", "next": token(stream.path)}
            assert await raw.frame() == (CLOSE, b"\x03\xe8ended")
            await raw.say_close()
            assert await raw.everything() == b""


async def test_a_message_is_the_lines_own_bytes(server: Server, tmp_path: Path) -> None:
    """Events are not re-encoded: white space and number forms stay; what is no event has its stand-in."""
    data = b' { "b" : 1.50e3, "a":"\\u00e9" } \n\n\0\n{"x":\r1}\n'
    (tmp_path / "s.jsonl").write_bytes(data)
    async with websocket(server.url, "/v1/ws?stream=s") as raw:
        await message(raw)
        assert (await message(raw))["events"] == [line.delivered for line in naive.lines(data, 1024)]


async def test_a_long_history_comes_in_pieces(server: Server, tmp_path: Path) -> None:
    """Each message says where to resume; only the last is up to date."""
    path = tmp_path / "s.jsonl"
    path.write_bytes((padded(999) + b"\n") * 500)
    async with websocket(server.url, "/v1/ws?stream=s") as raw:
        await message(raw)
        count = 0
        said: dict[str, Any] = {"upToDate": False}
        while not said["upToDate"]:
            said = await message(raw)
            count += len(said["events"])
            assert said["next"] == token(path, count * 1000)
        assert count == 500


async def test_several_streams(server: Server, tmp_path: Path) -> None:
    """Each line comes once, in the order of its stream, whichever stream it is of; each has its own end."""
    for name in "abc":
        write(tmp_path, name, 100, final=True)
    async with websocket(server.url, "/v1/ws?stream=a&stream=b&stream=c") as raw:
        said, code = await talk(raw)
    assert code == 1000
    assert [opened["stream"] for opened in said[0]["streams"]] == ["a", "b", "c"]
    for name in "abc":
        mine = [one for one in said[1:] if one["stream"] == name]
        assert [event for one in mine[:-1] for event in one["events"]] == [
            json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
        ]
        assert mine[-1] == {"type": "end", "stream": name, "next": token(tmp_path / f"{name}.jsonl")}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("stream=s@{third}", slice(3, 6)),
        ("stream=s@-1", slice(0, 6)),
        ("stream=s@now", slice(6, 6)),
        ("stream=s@" + ZERO, slice(0, 6)),
        ("stream=s&offset={third}", slice(3, 6)),
        ("stream=s&offset=now", slice(6, 6)),
        ("stream=s&tail=2", slice(4, 6)),
        ("stream=s&since=2026-01-01T00:00:05Z", slice(5, 6)),
        ("stream=s@{third}&offset=now", slice(3, 6)),
        ("stream=s@-1&tail=1", slice(0, 6)),
        ("match=s&tail=1", slice(5, 6)),
        ("match=s&offset=now", slice(6, 6)),
        ("match=*&stream=s@{third}", slice(3, 6)),
    ],
)
async def test_where_streams_start(server: Server, tmp_path: Path, query: str, kept: slice) -> None:
    """An ``@`` is a stream's own; the rest hold for those without."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(i) for i in range(6)]
        third = sum(len(line) + 1 for line in lines[:3])
        async with websocket(server.url, f"/v1/ws?{query.format(third=token(stream.path, third))}") as raw:
            opened = await message(raw)
            start = sum(len(line) + 1 for line in lines[: kept.start])
            assert opened["streams"][0]["offset"] == token(stream.path, start)
            last = stream.final()
            got: list[bytes] = []
            while not got or got[-1] != last:
                got += (await message(raw))["events"]
            assert got[:-1] == lines[kept]


async def test_streams_with_starts_of_their_own(server: Server, tmp_path: Path) -> None:
    """One at its offset, one at its tail, one from the default."""
    for name in "abc":
        write(tmp_path, name, 4)
    places = {name: tmp_path / f"{name}.jsonl" for name in "abc"}
    query = f"stream=a@{token(places['a'])}&stream=b@now&stream=c&tail=1"
    async with websocket(server.url, f"/v1/ws?{query}") as raw:
        opened = (await message(raw))["streams"]
        assert [one["offset"] for one in opened[:2]] == [token(places["a"]), token(places["b"])]
        assert opened[2]["offset"] < opened[2]["tail"] == token(places["c"])
        said = await message(raw)
        assert (said["stream"], len(said["events"])) == ("c", 1)


async def test_filters(server: Server, tmp_path: Path) -> None:
    """They hold for all streams; a message without events says how far the search came."""
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(b'{"drop":1}\n{"keep":"%s"}\n' % name.encode())
    (tmp_path / "c.jsonl").write_bytes(b'{"drop":1}\n')
    async with websocket(server.url, "/v1/ws?match=*&contains=keep") as raw:
        await message(raw)
        said = {one["stream"]: one for one in [await message(raw) for _ in range(3)]}
        assert {name: one["events"] for name, one in said.items()} == {
            "a": [b'{"keep":"a"}'], "b": [b'{"keep":"b"}'], "c": [],
        }  # fmt: skip
        assert {name: one["next"] for name, one in said.items()} == {
            name: token(tmp_path / f"{name}.jsonl") for name in "abc"
        }


async def test_resuming(server: Server, tmp_path: Path) -> None:
    """Whatever ``next`` a client saw last, from there it gets the rest, with no line missing or twice."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join(b'{"n":%d,"x":"%s"}\n' % (i, b"x" * 900) for i in range(600)))
    place = "-1"
    got: list[int] = []
    while len(got) < 600:
        async with websocket(server.url, f"/v1/ws?stream=s@{place}") as raw:
            await message(raw)
            for _ in range(2):
                said = await message(raw)
                got += [json.loads(line)["n"] for line in said["events"]]
                place = said["next"]
                if said["upToDate"]:
                    break
    assert got == list(range(600))


# --- matching -------------------------------------------------------------------------------------------------


async def test_streams_join_as_they_appear(quick: Server, tmp_path: Path) -> None:
    """A stream that matches and comes later is opened, from its beginning, whatever the others began with."""
    write(tmp_path, "m-1")
    async with websocket(quick.url, "/v1/ws?match=m-*&match=n&offset=now") as raw:
        assert [one["stream"] for one in (await message(raw))["streams"]] == ["m-1"]
        for name in ("m-2", "n", "other", "m-3"):
            path = write(tmp_path, name, 3)
            if name == "other":
                continue
            opened = await message(raw)
            assert opened["type"] == "open"
            assert [(one["stream"], one["offset"]) for one in opened["streams"]] == [(name, token(path, 0))]
            said = await message(raw)
            assert (said["stream"], len(said["events"])) == (name, 3)


async def test_no_stream_yet(quick: Server, tmp_path: Path) -> None:
    """A glob may match nothing: the first message says so, and the socket stays open."""
    async with websocket(quick.url, "/v1/ws?match=*") as raw:
        assert await message(raw) == {"type": "open", "streams": []}
        write(tmp_path, "s", final=True)
        assert (await message(raw))["streams"][0]["stream"] == "s"
        await until_said(raw, type="end", stream="s")
        await raw.say(PING, b"open still")
        assert await raw.frame() == (PONG, b"open still")


async def test_an_empty_stream_joins(quick: Server, tmp_path: Path) -> None:
    """A stream that was only created is open, at the zero offset; its lines come when they do."""
    async with websocket(quick.url, "/v1/ws?match=*") as raw:
        await message(raw)
        with Stream(tmp_path) as stream:
            opened = (await message(raw))["streams"]
            assert opened == [{"stream": "s", "offset": ZERO, "tail": ZERO, "closed": False}]
            line = stream.line(1)
            said = await until_said(raw, type="events")
            assert (said["events"], said["next"]) == ([line], token(stream.path))


async def test_a_named_stream_that_matches_is_one_stream(quick: Server, tmp_path: Path) -> None:
    """It is opened once, where its name says."""
    path = write(tmp_path, "s", 2)
    async with websocket(quick.url, "/v1/ws?match=*&stream=s@now") as raw:
        assert await message(raw) == {
            "type": "open",
            "streams": [{"stream": "s", "offset": token(path), "tail": token(path), "closed": False}],
        }
        write(tmp_path, "t")
        assert (await message(raw))["streams"][0]["stream"] == "t"


async def test_many_streams_join(tmp_path: Path) -> None:
    """Three hundred that come in one go are all opened and read, each once."""
    async with served(tmp_path, poll_ceiling=0.02) as server, websocket(server.url, "/v1/ws?match=*") as raw:
        await message(raw)
        for i in range(300):
            write(tmp_path, f"s{i}", 2, final=True)
        opened: list[str] = []
        ended: list[str] = []
        async with asyncio.timeout(30):
            while len(ended) < 300:
                said = await message(raw)
                opened += [one["stream"] for one in said.get("streams", [])]
                if said["type"] == "end":
                    assert said["stream"] in opened
                    ended.append(said["stream"])
        assert sorted(opened) == sorted(ended) == sorted(f"s{i}" for i in range(300))


# --- waiting --------------------------------------------------------------------------------------------------


async def test_a_named_stream_that_is_waited_for(server: Server, tmp_path: Path) -> None:
    """With ``wait=1`` it is opened when it comes; meanwhile a heartbeat would name the zero offset."""
    write(tmp_path, "here")
    async with websocket(server.url, "/v1/ws?stream=here&stream=later&wait=1") as raw:
        assert [one["stream"] for one in (await message(raw))["streams"]] == ["here"]
        assert (await message(raw))["stream"] == "here"
        path = write(tmp_path, "later", 2)
        opened = await message(raw)
        assert [(one["stream"], one["offset"]) for one in opened["streams"]] == [("later", token(path, 0))]
        assert len((await message(raw))["events"]) == 2


async def test_a_copy_that_lags_is_waited_for(server: Server, tmp_path: Path) -> None:
    """An offset that this copy has not reached is where the stream is opened, and where it goes on."""
    data = [b'{"n":%d}\n' % i for i in range(4)]
    path = tmp_path / "s.jsonl"
    path.write_bytes(data[0])
    place = token(path, 16)
    async with websocket(server.url, f"/v1/ws?stream=s@{place}&wait=1") as raw:
        assert (await message(raw))["streams"][0]["offset"] == place
        with path.open("ab", buffering=0) as file:
            file.write(data[1] + data[2])
        said = await message(raw)
        assert (said["events"], said["next"]) == ([data[2][:-1]], token(path))


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("offset=-1", 400),
        ("stream=", 400),
        ("stream=.x", 400),
        ("stream=s&stream=s", 400),
        ("stream=s&stream=s@now", 400),
        ("stream=s@", 400),
        ("stream=s@x", 400),
        ("stream=s&offset=x", 400),
        ("stream=s&offset=-1&tail=1", 400),
        ("match=*&since=x", 400),
        ("match=", 400),
        ("&".join(f"match={number}" for number in range(17)), 400),
        ("stream=s@" + "0" * 8 + "_" + "9" * 16, 400),
        ("stream=absent", 404),
        ("stream=s&stream=absent", 404),
        ("stream=absent&match=*", 404),
        ("stream=s@ffffffff_0000000000000000", 410),
        ("stream=s@ffffffff_0000000000000000&wait=1", 410),
        ("stream=s@{ahead}", 503),
    ],
)
async def test_refusals(server: Server, tmp_path: Path, query: str, status: int) -> None:
    """What is known before the upgrade is an HTTP status."""
    path = write(tmp_path, "s")
    async with Raw(server.url) as raw:
        head = await raw.request(f"/v1/ws?{query.format(ahead=token(path, 9999))}", HANDSHAKE)
        body = json.loads(await raw.exactly(int(head.fields["content-length"])))
        assert (head.status, body["status"]) == (status, status)
        assert head.fields["content-type"] == "application/problem+json"
        assert not body["detail"].count("\n")


# --- ends -----------------------------------------------------------------------------------------------------


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b'{"new":1}\n')
    other.rename(path)


@pytest.mark.parametrize(
    "act",
    [lambda path: os.truncate(path, 0), _replace, lambda path: path.unlink()],
    ids=["cut", "replaced", "deleted"],
)
async def test_reset(server: Server, tmp_path: Path, act: Callable[[Path], object]) -> None:
    """One stream is reset, with where it begins now; no more of it comes, whatever is written; the others go on."""
    path, other = write(tmp_path, "s", 2), write(tmp_path, "t")
    async with websocket(server.url, "/v1/ws?stream=s&stream=t&offset=now") as raw:
        await message(raw)
        act(path)
        earliest = token(path, 0) if path.exists() else None
        assert await message(raw) == {"type": "reset", "stream": "s", "earliest": earliest}
        write(tmp_path, "s", 3)
        write(tmp_path, "t", final=True)
        said, code = await talk(raw)
        assert {one["stream"] for one in said} == {"t"}
        assert said[-1] == {"type": "end", "stream": "t", "next": token(other)}
        assert code == 1000


async def test_only_resets(server: Server, tmp_path: Path) -> None:
    """When no stream ended well the socket closes with 4410."""
    paths = [write(tmp_path, name) for name in "ab"]
    async with websocket(server.url, "/v1/ws?stream=a&stream=b&offset=now") as raw:
        await message(raw)
        paths[0].unlink()
        assert (await message(raw))["type"] == "reset"
        _replace(paths[1])
        said, code = await talk(raw)
        assert ([one["type"] for one in said], code) == (["reset"], 4410)


async def test_with_a_glob_it_never_closes(quick: Server, tmp_path: Path) -> None:
    """Others may come; but a stream that was reset does not come back on this socket."""
    path = write(tmp_path, "s")
    async with websocket(quick.url, "/v1/ws?match=*&offset=now") as raw:
        await message(raw)
        path.unlink()
        assert (await message(raw)) == {"type": "reset", "stream": "s", "earliest": None}
        write(tmp_path, "s", 3)
        write(tmp_path, "t")
        assert (await message(raw))["streams"][0]["stream"] == "t"


async def test_closed_streams(server: Server, tmp_path: Path) -> None:
    """A stream that is closed already is opened as closed, read, and ended; at its end it is just ended."""
    path = write(tmp_path, "s", final=True)
    async with websocket(server.url, "/v1/ws?stream=s") as raw:
        said, code = await talk(raw)
        assert said[0]["streams"][0]["closed"] is True
        assert [one["type"] for one in said] == ["open", "events", "end"]
    async with websocket(server.url, f"/v1/ws?stream=s@{token(path)}") as raw:
        said, code = await talk(raw)
        assert ([one["type"] for one in said], code) == (["open", "end"], 1000)


async def test_a_reopened_stream(server: Server, tmp_path: Path) -> None:
    """A foreign line past the end makes it an open stream for who comes then."""
    path = write(tmp_path, "s", final=True)
    async with websocket(server.url, "/v1/ws?stream=s") as raw:
        assert (await talk(raw))[1] == 1000
    with path.open("ab") as file:
        file.write(b"{}\n")
    async with websocket(server.url, "/v1/ws?stream=s") as raw:
        assert (await message(raw))["streams"][0]["closed"] is False
        events: list[bytes] = []
        while len(events) < 3:
            events += (await message(raw))["events"]
        assert events == path.read_bytes().split(b"\n")[:-1]


@pytest.mark.slow
async def test_heartbeats(tmp_path: Path) -> None:
    """After a silence: where each stream is to be resumed, those that ended left out, and the time."""
    here, over = write(tmp_path, "here"), write(tmp_path, "over", final=True)
    async with (
        inside(tmp_path, QUICK) as it,
        websocket(it.url, "/v1/ws?stream=here&stream=over&stream=later&wait=1") as raw,
    ):
        said = await until_said(raw, type="heartbeat")
        assert said["next"] == {"here": token(here), "later": ZERO}
        assert said["time"].endswith("Z")
        assert len(said["time"]) == 27
        again = await until_said(raw, type="heartbeat")
        assert again["time"] > said["time"]
        write(tmp_path, "here")
        said = await until_said(raw, type="heartbeat")
        assert said["next"]["here"] == token(here)
        assert over.exists()


@pytest.mark.parametrize(
    ("frame", "code"),
    [(b"\x81\xfe\x04\x01mask" + b"x" * 1025, 1009), (b"\x81\x02hi", 1002), (b"\x89\xfe\x00\x7emask", 1002)],
)
async def test_errors(server: Server, tmp_path: Path, frame: bytes, code: int) -> None:
    """Before a close that is the client's doing a message says what it did."""
    write(tmp_path, "s")
    async with websocket(server.url, "/v1/ws?stream=s&offset=now") as raw:
        await message(raw)
        await raw.send(frame)
        said, closed = await talk(raw) if code == 1009 else ([await message(raw)], (await raw.frame()).code)
        assert closed == code
        assert {name: value for name, value in said[0].items() if name != "message"} == {"type": "error", "code": code}
        assert said[0]["message"]


async def test_what_is_subscribed_to_is_the_address(server: Server, tmp_path: Path) -> None:
    """Nothing that a client sends changes it."""
    write(tmp_path, "t")
    with Stream(tmp_path) as stream:
        async with websocket(server.url, "/v1/ws?stream=s&wait=1") as raw:
            await message(raw)
            for order in ({"type": "subscribe", "stream": "t"}, {"type": "leave", "stream": "s"}, {"offset": "-1"}):
                await raw.say(TEXT, json.dumps(order).encode())
            line = stream.line(1)
            said = await message(raw)
            assert (said["stream"], said["events"]) == ("s", [line])


@pytest.mark.slow
async def test_the_server_shuts_down(tmp_path: Path) -> None:
    """Close 1001, without a word before."""
    write(tmp_path, "s")
    async with inside(tmp_path) as it, websocket(it.url, "/v1/ws?match=*&offset=now") as raw:
        await message(raw)
        draining = asyncio.create_task(it.connections.drain(5))
        assert await talk(raw) == ([], 1001)
        await draining


# --- slow clients, and those that leave -----------------------------------------------------------------------


async def test_many_streams_named_at_once(tmp_path: Path) -> None:
    """Hundreds may be named, each with the offset to resume it from."""
    for i in range(400):
        write(tmp_path, f"mission-{i:032d}", 1)
    named = "&".join(f"stream={path.stem}@{token(path)}" for path in sorted(tmp_path.iterdir()))
    async with served(tmp_path) as server, websocket(server.url, f"/v1/ws?{named}") as raw:
        assert len((await message(raw))["streams"]) == 400


async def test_more_streams_than_a_socket_may_have(tmp_path: Path) -> None:
    """Named, they are too many for any server of these settings; matched, for now."""
    for i in range(4):
        write(tmp_path, f"s{i}")
    async with served(tmp_path, max_streams=3) as server, Raw(server.url) as raw:
        for query, status in (("&".join(f"stream=s{i}" for i in range(4)), 400), ("match=*", 503)):
            head = await raw.request(f"/v1/ws?{query}", HANDSHAKE)
            await raw.exactly(int(head.fields["content-length"]))
            assert head.status == status


async def test_more_streams_join_than_a_socket_may_have(tmp_path: Path) -> None:
    """Then it is closed with 1013, after a message that says why."""
    async with (
        served(tmp_path, max_streams=2, poll_ceiling=0.02) as server,
        websocket(server.url, "/v1/ws?match=*") as raw,
    ):
        for i in range(3):
            write(tmp_path, f"s{i}")
        said, code = await talk(raw)
        assert code == 1013
        assert (said[-1]["type"], said[-1]["code"]) == ("error", 1013)


async def test_a_slow_client_of_many_streams(tmp_path: Path) -> None:
    """One that takes its time with forty streams that grow meanwhile gets every line of each, once, in order."""
    with ExitStack() as stack:
        streams = [stack.enter_context(Stream(tmp_path, f"s{i}")) for i in range(40)]
        for stream in streams:
            stream.write((padded(999) + b"\n") * 150)
        async with inside(tmp_path) as it, Raw(it.url, 16 * 1024) as raw:
            await raw.upgrade("/v1/ws?" + "&".join(f"stream=s{i}" for i in range(40)))
            await until(lambda: len(it.connections._blocked) == 1)
            for i, stream in enumerate(streams):
                stream.write(b'{"late":%d}\n' % i * 50)
                stream.final()
            got: dict[str, list[bytes]] = {stream.id: [] for stream in streams}
            places: dict[str, str] = {}
            while True:
                opcode, payload = await raw.frame()
                if opcode == CLOSE:
                    break
                head, _, events = payload.partition(b',"events":')
                if events:
                    name = json.loads(head + b"}")["stream"]
                    got[name] += elements(events[:-1])
                elif b'"end"' in head:
                    places[json.loads(head)["stream"]] = json.loads(head)["next"]
            for stream in streams:
                assert got[stream.id] == stream.path.read_bytes().split(b"\n")[:-1]
                assert places[stream.id] == token(stream.path)


async def test_nothing_is_left_of_who_leaves(tmp_path: Path) -> None:
    """No cursor, no watch for names; streams that would have joined do not."""
    write(tmp_path, "s")
    async with inside(tmp_path, poll_ceiling=0.02) as it:
        async with websocket(it.url, "/v1/ws?match=*") as raw:
            await message(raw)
            assert it.hub._poller._name_watchers
        await until(lambda: it.deserted)
        assert not it.hub._poller._name_watchers


class Gone:
    """A socket whose client turns out to have gone at the first write."""

    blocked = closing = False
    descriptor = -1
    reader: MultiplexReader | None = None

    def write(self, data: bytes) -> bool:
        """There is nobody."""
        assert self.reader is not None
        self.closing = True
        self.reader.close()
        return False

    def form(self, plain: object, messages: object) -> object:
        """Not compressed."""
        return plain


async def test_a_client_that_is_gone_when_it_begins(tmp_path: Path) -> None:
    """When the first message finds nobody, no stream is followed, and no name is watched."""
    write(tmp_path, "s")
    async with inside(tmp_path) as it:
        places = {"s": await it.hub.start("s", FROM_BEGINNING, wait=False)}
        reader = MultiplexReader(it.hub, cast(MultiplexSocket, Gone()), joins=lambda stream: True)
        reader.begin(places)
        assert it.readers() == 0
        assert not it.hub._poller._name_watchers


class Taking:
    """A socket that takes everything."""

    blocked = closing = False
    descriptor = -1
    reader: MultiplexReader | None = None

    def write(self, data: bytes) -> bool:
        """Take it."""
        return True

    def form(self, plain: object, messages: object) -> object:
        """Not compressed."""
        return plain


async def test_of_each_stream_a_socket_asks_once_whether_it_joins(tmp_path: Path) -> None:
    """However many streams there are: one that comes or goes, or one more socket, has no socket match all of them."""

    def match(hub: Hub) -> Counter[str]:
        asked = Counter[str]()

        def joins(stream: str) -> bool:
            asked[stream] += 1
            return False

        MultiplexReader(hub, cast(MultiplexSocket, Taking()), joins=joins).begin({})
        return asked

    names = {f"s{i}" for i in range(20)}
    for name in names:
        write(tmp_path, name)
    async with inside(tmp_path, poll_ceiling=0.02) as it:
        sockets = [match(it.hub) for _ in range(5)]
        await until(lambda: all(asked.keys() == names for asked in sockets))
        write(tmp_path, "new")
        await until(lambda: all(asked["new"] for asked in sockets))
        sockets.append(match(it.hub))
        await until(lambda: len(sockets[-1]) == 21)
        (tmp_path / "s0.jsonl").unlink()
        await until(lambda: "s0" not in it.hub.tailer.names)
        write(tmp_path, "newer")
        await until(lambda: all(asked["newer"] for asked in sockets))
        for asked in sockets:
            assert asked == Counter(names | {"new", "newer"})


async def test_a_stream_that_cannot_join_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the descriptors have run out, say: it joins later, whether or not others appear."""
    monkeypatch.setattr("streamhub.web.multiplex._RETRY", 0.01)
    async with inside(tmp_path, poll_ceiling=0.02) as it:
        channel, failures = it.hub.channel, iter(range(3))

        async def scarce(stream: str) -> Channel:
            for _ in failures:
                raise OSError(errno.EMFILE, "Too many open files")
            return await channel(stream)

        monkeypatch.setattr(it.hub, "channel", scarce)
        async with websocket(it.url, "/v1/ws?match=*") as raw:
            await message(raw)
            write(tmp_path, "s")
            assert (await message(raw))["streams"][0]["stream"] == "s"
            assert len((await message(raw))["events"]) == 1
