"""How many may be live, and what those hear who are too many."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from streamhub.config import Config
from streamhub.errors import AddressLimitError, CapacityError
from streamhub.web.admission import Admission
from streamhub.web.keys import ADMISSION
from streamhub.web.multiplex import MultiplexReader
from tests.raw import CLOSE, HANDSHAKE, TEXT, Raw
from tests.servers import Stream, served, until
from tests.web.inside import inside

if TYPE_CHECKING:
    from pathlib import Path

_LIVE = {
    "/v1/stream/s/ws": HANDSHAKE,
    "/v1/ws?match=*": HANDSHAKE,
    "/v1/stream/s/sse": {},
    "/v1/stream/s?live=sse&offset=-1": {},
    "/v1/stream/s?live=long-poll&offset=now": {},
}


def test_counting() -> None:
    """As many as may be are let in, in all and of each address; whoever leaves makes room."""
    admission = Admission(Config(max_connections=3, max_connections_per_address=2))
    first = admission.enter("192.0.2.1")
    admission.enter("192.0.2.1")
    with pytest.raises(AddressLimitError, match="has 2 live connections"):
        admission.enter("192.0.2.1")
    admission.enter("192.0.2.2")
    with pytest.raises(CapacityError):
        admission.enter("192.0.2.3")
    admission.leave(first)
    with admission.admitted("192.0.2.3"), pytest.raises(CapacityError):
        admission.enter("192.0.2.1")
    admission.enter("192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("192.0.2.1", "192.0.2.2", False),
        (None, None, True),
        ("somewhere", "elsewhere", False),
    ],
)
def test_addresses(one: str | None, other: str | None, same: bool) -> None:
    """Of IPv6 the network counts, which is what one client has; an IPv4 address is one in either form."""
    admission = Admission(Config(max_connections_per_address=1))
    admission.enter(one)
    if same:
        with pytest.raises(AddressLimitError):
            admission.enter(other)
    else:
        admission.enter(other)


@pytest.mark.parametrize(("limit", "status"), [("max_connections", 503), ("max_connections_per_address", 429)])
async def test_too_many(tmp_path: Path, limit: str, status: int) -> None:
    """On every live way one too many hears the reason before it begins; others are answered; room is given back."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        limits: dict[str, Any] = {limit: len(_LIVE)}
        async with inside(tmp_path, **limits) as it:
            held = [Raw(it.url) for _ in _LIVE]
            for raw, (path, fields) in zip(held, _LIVE.items(), strict=True):
                await raw.__aenter__()
                await raw.ask(path, fields)
            await until(lambda: it.app[ADMISSION]._count == len(_LIVE))
            for path, fields in _LIVE.items():
                async with Raw(it.url) as raw:
                    head = await raw.request(path, fields)
                    problem = json.loads(await raw.exactly(int(head.fields["content-length"])))
                    assert (head.status, problem["status"], head.fields["retry-after"]) == (status, status, "1")
                    assert "live connections" in problem["detail"]
            async with Raw(it.url) as raw:
                assert (await raw.request("/v1/stream/s")).status == 200
            stream.line(2)
            assert (await held[-1].head()).status == 200
            for raw in held:
                raw.socket.close()
            await until(lambda: it.app[ADMISSION]._count == 0 and not it.app[ADMISSION]._by_address)
            async with Raw(it.url) as raw:
                assert (await raw.request("/v1/stream/s/ws", HANDSHAKE)).status == 101
            cause = "capacity" if status == 503 else "address"
            assert it.hub.meter.refused[cause] == len(_LIVE)


async def test_who_was_not_let_in_takes_no_room(tmp_path: Path) -> None:
    """A stream that is missing, a bad start, a client that went: none of them is counted for ever."""
    async with inside(tmp_path, max_connections=1) as it:
        for path in ("/v1/stream/missing/ws", "/v1/stream/s/ws?offset=x", "/v1/ws?stream=missing", "/v1/ws"):
            async with Raw(it.url) as raw:
                assert (await raw.request(path, HANDSHAKE)).status in {400, 404}
        for _ in range(20):
            async with Raw(it.url) as raw:
                await raw.ask("/v1/ws?match=*", HANDSHAKE)
                raw.reset()
        await until(lambda: it.deserted and not it.app[ADMISSION]._count)


# --- streams on a socket ----------------------------------------------------------------------------------------------


async def test_streams_on_a_socket(tmp_path: Path) -> None:
    """More streams than a socket may have: named ones are 400, matched ones 503, both with the reason."""
    for number in range(4):
        with Stream(tmp_path, f"s{number}") as stream:
            stream.line(1)
    async with served(tmp_path, max_streams=3) as server:
        for query, status in (
            ("stream=s0&stream=s1&stream=s2", 101),
            ("stream=s0&stream=s1&stream=s2&stream=s3", 400),
            ("match=s[012]", 101),
            ("match=*", 503),
            ("stream=s0&match=s[123]", 503),
        ):
            async with Raw(server.url) as raw:
                head = await raw.request(f"/v1/ws?{query}", HANDSHAKE)
                assert head.status == status
                if status > 200:
                    assert b"3" in await raw.exactly(int(head.fields["content-length"]))


async def test_streams_that_appear(tmp_path: Path) -> None:
    """When one more appears than a socket may have, it is told so and closed with 1013."""
    for number in range(2):
        with Stream(tmp_path, f"s{number}") as stream:
            stream.line(1)
    async with served(tmp_path, max_streams=2) as server, Raw(server.url) as raw:
        await raw.upgrade("/v1/ws?match=*")
        assert (await raw.frame()).opcode == TEXT
        with Stream(tmp_path, "s2") as stream:
            stream.line(1)
        *_, said, close = await raw.frames()
        assert json.loads(said.payload) == {
            "type": "error",
            "code": 1013,
            "message": "more than 2 streams match: name fewer",
        }
        assert (close.opcode, close.code) == (CLOSE, 1013)


async def test_streams_that_ended_take_no_room(tmp_path: Path) -> None:
    """Only those that are still followed count."""
    for number in range(2):
        with Stream(tmp_path, f"s{number}") as stream:
            stream.final()
    async with (
        served(tmp_path, max_streams=2) as server,
        server.session.ws_connect(f"{server.url}/v1/ws?match=*") as socket,
    ):
        ended = 0
        while ended < 2:
            ended += (await socket.receive_json())["type"] == "end"
        with Stream(tmp_path, "s2") as stream:
            stream.line(1)
        async with asyncio.timeout(20):
            assert (await socket.receive_json())["streams"][0]["stream"] == "s2"


@pytest.mark.slow
async def test_a_blocked_socket_collects_no_announcements(tmp_path: Path) -> None:
    """Streams that appear while a client reads nothing are told when it reads again, and cost nothing until then."""
    with Stream(tmp_path, "big") as stream:
        for number in range(40_000):
            stream.line(number)
    async with inside(tmp_path) as it, Raw(it.url, 4096) as raw:
        await raw.upgrade("/v1/ws?match=*")
        (connection,) = it.connections.open
        await until(lambda: connection.blocked)
        reader, before = connection.reader, sum(map(len, connection._rest))
        assert isinstance(reader, MultiplexReader)
        for number in range(200):
            with Stream(tmp_path, f"new-{number}") as other:
                other.line(1)
        await until(lambda: len(reader._appeared) == 200)
        assert connection.blocked
        assert sum(map(len, connection._rest)) == before
        names: set[str] = set()
        while len(names) < 201:
            message = json.loads((await raw.frame()).payload)
            names |= {told["stream"] for told in message.get("streams", [])}
