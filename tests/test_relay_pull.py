"""``relay pull``: files that are the origin's, byte for byte; what differs is refused, what lacks is fetched."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nats.js.api import StreamSource

from streamhub.errors import StreamNotFoundError
from streamhub.relay import start
from streamhub.relay.store import Store
from tests.relays import (
    STORE,
    connected,
    contents,
    pull_once,
    pulling,
    push_once,
    pushing,
    until_same,
)
from tests.servers import Stream, until

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tests.brokers import Broker


def lines(count: int, first: int = 0) -> bytes:
    """Lines that differ."""
    return b"".join(b'{"n":%d}\n' % number for number in range(first, first + count))


@pytest.mark.quick
async def test_files_are_the_origins(origin: Path, edge: Path, broker: Broker) -> None:
    """Whatever stands in a file stands at the edge: foreign bytes, empty lines, lines longer than a message."""
    (origin / "plain.jsonl").write_bytes(lines(1000))
    (origin / "a..b.jsonl").write_bytes(b'\n\n{"n":1}\r\n\x00\xff\xfe\nno json\n' + b"x" * 200_000 + b"\n")
    (origin / "torn.jsonl").write_bytes(b'{"n":1}\n{"n"')
    (origin / "empty.jsonl").write_bytes(b"")
    await push_once(origin, broker.url, piece_bytes=4096)
    meter = await pull_once(edge, broker.url)
    there = contents(origin)
    there["torn.jsonl"] = b'{"n":1}\n'
    del there["empty.jsonl"]
    assert contents(edge) == there
    assert meter.bytes == sum(map(len, there.values()))
    assert (edge / "plain.jsonl").stat().st_mode & 0o777 == 0o644 & ~os.umask(os.umask(0))


@pytest.mark.quick
async def test_it_follows(origin: Path, edge: Path, broker: Broker) -> None:
    """What comes at the origin comes to the edge, streams that are new too."""
    async with pushing(origin, broker.url), pulling(edge, broker.url) as meter:
        with Stream(origin) as stream:
            for number in range(300):
                stream.line(number)
            await until_same(origin, edge)
            with Stream(origin, "later") as later:
                later.line(1)
                later.final()
                stream.line(300)
                await until_same(origin, edge)
        await until(lambda: not meter.lags)
        assert meter.connected


async def test_a_puller_waits_for_the_first_pusher(origin: Path, edge: Path, broker: Broker) -> None:
    """It may be started before JetStream has a stream; with ``once`` there is nothing to wait for."""
    with pytest.raises(StreamNotFoundError, match="relay push makes it"):
        await pull_once(edge, broker.url)
    async with pulling(edge, broker.url):
        (origin / "s.jsonl").write_bytes(lines(3))
        await push_once(origin, broker.url)
        await until_same(origin, edge)


async def test_pulling_again_brings_nothing(origin: Path, edge: Path, broker: Broker) -> None:
    """A puller that has everything reads no message again: the last pieces' digests are enough."""
    for number in range(30):
        (origin / f"s{number}.jsonl").write_bytes(lines(5))
    await push_once(origin, broker.url)
    await pull_once(edge, broker.url)
    meter = await pull_once(edge, broker.url)
    assert (meter.messages, meter.repeats, meter.streams) == (0, 0, 30)
    assert contents(edge) == contents(origin)


@pytest.mark.parametrize("few", [100, 0])
async def test_any_state_of_the_files_is_completed(
    origin: Path, edge: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Files that stand anywhere (absent, empty, in a line, whole) are completed, read alone or together."""
    monkeypatch.setattr(start, "_FEW", few)
    chance = random.Random(few)
    async with pushing(origin, broker.url, piece_bytes=1024) as pushed:
        for part in range(4):
            for number in range(20):
                with (origin / f"s{number}.jsonl").open("ab") as file:
                    file.write(lines(chance.randrange(150), 1000 * part))
            total = sum(map(len, contents(origin).values()))
            await until(lambda total=total: pushed.bytes == total)  # type: ignore[misc]
    for name, data in contents(origin).items():
        if chance.random() < 0.9:
            (edge / name).write_bytes(data[: chance.choice((0, len(data), chance.randrange(len(data) + 1)))])
    had = sum(map(len, contents(edge).values()))
    meter = await pull_once(edge, broker.url)
    assert contents(edge) == {name: data for name, data in contents(origin).items() if data}
    assert meter.bytes == total - had
    assert not meter.refused


async def test_what_differs_is_refused(origin: Path, edge: Path, broker: Broker) -> None:
    """A file with other bytes, before its end or at it, is reported and stays as it is; the others are carried."""
    for name in ("early", "late", "other", "fine"):
        (origin / f"{name}.jsonl").write_bytes(lines(10))
    await push_once(origin, broker.url)
    data = lines(10)
    wrong = {
        "early.jsonl": data[:20].replace(b"1", b"7"),
        "late.jsonl": data[:-3] + b"7}\n",
        "other.jsonl": b'{"m":1}\n' + data,
    }
    for name, content in wrong.items():
        (edge / name).write_bytes(content)
    meter = await pull_once(edge, broker.url)
    assert set(meter.refused) == {"early", "late", "other"}
    assert contents(edge) == {**wrong, "fine.jsonl": data}


async def test_what_was_refused_is_pulled_once_it_is_out_of_the_way(
    origin: Path, edge: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When somebody takes the file that differs away, the stream comes again, from its beginning."""
    monkeypatch.setattr("streamhub.relay.pull._REFUSED", 0.0)
    (edge / "s.jsonl").write_bytes(b'{"m":1}\n')
    async with pushing(origin, broker.url), pulling(edge, broker.url) as meter:
        with Stream(origin) as stream:
            stream.line(1)
            await until(lambda: "s" in meter.refused)
            assert (edge / "s.jsonl").read_bytes() == b'{"m":1}\n'
            (edge / "s.jsonl").unlink()
            stream.line(2)
            await until_same(origin, edge)
            await until(lambda: not meter.refused)


async def test_a_file_that_is_deleted_or_cut_is_completed(origin: Path, edge: Path, broker: Broker) -> None:
    """A file that loses its end, or goes, while the puller runs, is whole again after the next line."""
    async with pushing(origin, broker.url), pulling(edge, broker.url) as meter:
        with Stream(origin) as stream:
            for number in range(20):
                stream.line(number)
            await until_same(origin, edge)
            os.truncate(edge / "s.jsonl", 333)
            stream.line(20)
            await until_same(origin, edge)
            (edge / "s.jsonl").unlink()
            stream.line(21)
            await until_same(origin, edge)
        assert not meter.refused


async def test_what_nobody_has_any_more_is_reported(origin: Path, edge: Path, broker: Broker) -> None:
    """A stream of which JetStream has lost the beginning cannot come to a new edge, and no part of it does.

    With a copy of the file that reaches far enough it goes on.
    """
    path = origin / "s.jsonl"
    path.write_bytes(lines(100))
    (origin / "t.jsonl").write_bytes(lines(3))
    await push_once(origin, broker.url, piece_bytes=1024)
    with path.open("ab") as file:
        file.write(lines(100))
    await push_once(origin, broker.url, piece_bytes=1024)
    async with connected(broker.url) as client:
        await client.jetstream().purge_stream(STORE, subject="streamhub.s", keep=1)
    meter = await pull_once(edge, broker.url)
    assert "let go of its bytes from 0 on" in meter.refused["s"]
    assert contents(edge) == {"t.jsonl": lines(3)}
    (edge / "s.jsonl").write_bytes(path.read_bytes()[:-500])
    assert not (await pull_once(edge, broker.url)).refused
    assert contents(edge) == contents(origin)


async def test_only_those_that_match(origin: Path, edge: Path, broker: Broker) -> None:
    """A glob, or one id, chooses the streams."""
    for name in ("a.1", "a.2", "b.1"):
        (origin / f"{name}.jsonl").write_bytes(lines(3))
    await push_once(origin, broker.url)
    assert (await pull_once(edge, broker.url, match="b.1")).streams == 1
    assert set(contents(edge)) == {"b.1.jsonl"}
    await pull_once(edge, broker.url, match="a.*")
    assert contents(edge) == contents(origin)


async def test_a_mirror(origin: Path, edge: Path, broker: Broker) -> None:
    """A mirror of JetStream's stream, such as one keeps near the edges, is as good to pull from."""
    async with pushing(origin, broker.url), connected(broker.url) as client:
        with Stream(origin) as stream:
            stream.line(1)
            await wait_for_store(client)
            await client.jetstream().add_stream(name="NEAR", mirror=StreamSource(name=STORE))
            async with pulling(edge, broker.url, store="NEAR"):
                await until_same(origin, edge)
                (edge / "s.jsonl").write_bytes(b"")
                stream.line(2)
                await until_same(origin, edge)


async def wait_for_store(client: Client) -> None:
    """Wait until a pusher has made JetStream's stream."""
    async with asyncio.timeout(30):
        while STORE not in [info.config.name for info in await client.jetstream().streams_info()]:
            await asyncio.sleep(0.01)


async def test_foreign_messages_are_passed_over(origin: Path, edge: Path, broker: Broker) -> None:
    """A message that no relay made is counted, and makes no file."""
    (origin / "s.jsonl").write_bytes(lines(3))
    await push_once(origin, broker.url)
    async with pulling(edge, broker.url) as meter, connected(broker.url) as client:
        await until_same(origin, edge)
        js = client.jetstream()
        await js.publish("streamhub.evil", b"hello")
        await js.publish("streamhub.evil", b"hello", headers={"Streamhub-Offset": "x"})
        await js.publish("streamhub.=x", b"hello", headers={"Streamhub-Offset": "00000001_0000000000000000"})
        await until(lambda: meter.foreign == 3)
    assert not (await pull_once(edge, broker.url)).refused
    assert contents(edge) == contents(origin)


async def test_a_disk_that_refuses(origin: Path, edge: Path, broker: Broker) -> None:
    """While a file cannot be written the others go on; when it can, it is completed without being asked."""
    (edge / "s.jsonl").mkdir()
    async with pushing(origin, broker.url), pulling(edge, broker.url) as meter:
        with Stream(origin) as stream, Stream(origin, "t") as other:
            stream.line(1)
            await until(lambda: "s" in meter.refused)
            other.line(1)
            await until((edge / "t.jsonl").exists)
            (edge / "s.jsonl").rmdir()
            await until_same(origin, edge)
            await until(lambda: not meter.refused)


async def test_a_jetstream_that_was_made_anew(origin: Path, edge: Path, broker: Broker) -> None:
    """When JetStream's stream is deleted, the pusher makes and fills it again, and the puller goes on."""
    async with pushing(origin, broker.url) as pushed, pulling(edge, broker.url):
        with Stream(origin) as stream:
            stream.line(1)
            await until_same(origin, edge)
            async with connected(broker.url) as client:
                await client.jetstream().delete_stream(STORE)
            stream.line(2)
            await until_same(origin, edge)
        assert pushed.lines == 3


async def test_few_searches_for_many_streams(
    origin: Path, edge: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where to begin for 200 streams that lack their end costs a message each, and a few searches."""
    names = [f"s{number}" for number in range(200)]
    for name in names:
        (origin / f"{name}.jsonl").write_bytes(lines(50))
    await push_once(origin, broker.url)
    await pull_once(edge, broker.url)
    for name in names:
        with (origin / f"{name}.jsonl").open("ab") as file:
            file.write(lines(2))
    await push_once(origin, broker.url)
    asked = 0
    real = Store.next

    async def counted(self: Store, stream: str, sequence: int) -> object:
        nonlocal asked
        asked += 1
        return await real(self, stream, sequence)

    monkeypatch.setattr(Store, "next", counted)
    meter = await pull_once(edge, broker.url)
    assert contents(edge) == contents(origin)
    assert asked < 200 + 30 * 10
    assert meter.repeats <= 200
