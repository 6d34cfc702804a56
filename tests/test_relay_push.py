"""``relay push``: what it publishes, where it goes on, and what it does not push over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamhub.errors import ConfigError
from streamhub.offset import Offset, generation_of, parse_offset
from streamhub.relay.piece import EXPECTED, MESSAGE_ID, OFFSET, headers_of
from streamhub.relay.settings import Settings
from tests.relays import STORE, connected, messages, push_once, pushing
from tests.servers import Stream, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.brokers import Broker


def lines(count: int, size: int = 40) -> list[bytes]:
    """Lines of one size, each with its newline."""
    return [b'{"n":%0*d}\n' % (size - 7, number) for number in range(count)]


@pytest.mark.quick
async def test_pieces_carry_the_file(origin: Path, broker: Broker) -> None:
    """The payloads are the file, cut between lines; ids, offsets and sequences say where each belongs."""
    data = b"".join(lines(200))
    (origin / "a.b.jsonl").write_bytes(data)
    await push_once(origin, broker.url, piece_bytes=1024)
    found = await messages(broker.url)
    assert b"".join(payload for _, _, payload in found) == data
    assert len(found) == 8
    place, generation = 0, generation_of(lines(1)[0][:-1])
    for number, (subject, headers, payload) in enumerate(found):
        assert subject == "streamhub.a=b"
        assert payload.endswith(b"\n")
        assert len(payload) <= 1024
        assert parse_offset(headers[OFFSET]) == Offset(generation, place)
        assert headers[MESSAGE_ID] == f"a.b/{headers[OFFSET]}"
        assert headers[EXPECTED] == str(number)
        place += len(payload)


async def test_a_torn_line_waits(origin: Path, broker: Broker) -> None:
    """What stands after the last newline is not pushed before its newline is there."""
    path = origin / "s.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":')
    await push_once(origin, broker.url)
    assert [payload for _, _, payload in await messages(broker.url)] == [b'{"n":1}\n']
    path.write_bytes(b'{"n":1}\n{"n":2}\n')
    await push_once(origin, broker.url)
    assert [payload for _, _, payload in await messages(broker.url)] == [b'{"n":1}\n', b'{"n":2}\n']


async def test_a_line_longer_than_a_message(origin: Path, broker: Broker) -> None:
    """It travels in parts, and lines after it whole."""
    long = b'{"n":"' + b"x" * 5000 + b'"}\n'
    (origin / "s.jsonl").write_bytes(long + b'{"n":2}\n')
    await push_once(origin, broker.url, piece_bytes=2048)
    found = [payload for _, _, payload in await messages(broker.url)]
    assert b"".join(found) == long + b'{"n":2}\n'
    assert [len(payload) for payload in found] == [2048, 2048, len(long) - 4096 + 8]


@pytest.mark.parametrize("limit", ["max_payload: 4096", ""])
async def test_the_servers_limit_is_kept(origin: Path, tmp_path: Path, broker: Broker, limit: str) -> None:
    """A piece is as large as the server takes, however large one wants them."""
    await broker.stop()
    broker.configure(limit)
    await broker.start()
    (origin / "s.jsonl").write_bytes(b"x" * 3_000_000 + b"\n")
    await push_once(origin, broker.url, piece_bytes=16 << 20)
    found = [payload for _, _, payload in await messages(broker.url)]
    assert sum(map(len, found)) == 3_000_001
    assert max(map(len, found)) == (4096 if limit else 1 << 20) - 1024


async def test_it_goes_on_where_jetstream_stands(origin: Path, broker: Broker) -> None:
    """A second run publishes only what is new, and nothing when nothing is: there is no other memory."""
    with Stream(origin) as stream:
        stream.line(1)
        assert (await push_once(origin, broker.url)).messages == 1
        assert (await push_once(origin, broker.url)).messages == 0
        stream.line(2)
        meter = await push_once(origin, broker.url)
    assert (meter.messages, meter.lines) == (1, 1)
    assert b"".join(payload for _, _, payload in await messages(broker.url)) == stream.path.read_bytes()


async def test_it_follows(origin: Path, broker: Broker) -> None:
    """Lines, and streams, that come later are published; what comes while one piece is under way makes the next."""
    async with pushing(origin, broker.url) as meter:
        with Stream(origin) as stream, Stream(origin, "t") as other:
            for number in range(500):
                stream.line(number)
            other.line(1)
            await until(lambda: meter.lines == 501)
        assert meter.messages < 501
        await until(lambda: not meter.lags)


async def test_a_closed_stream_that_is_reopened(origin: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is left alone once its end is pushed; a line that somebody writes past it is pushed all the same."""
    monkeypatch.setattr("streamhub.relay.push._RECHECK", 0.1)
    async with pushing(origin, broker.url) as meter:
        with Stream(origin) as stream:
            stream.line(1)
            stream.final()
            await until(lambda: meter.lines == 2)
            stream.line(3)
            await until(lambda: meter.lines == 3)
            stream.final()
            await until(lambda: meter.lines == 4)
    assert b"".join(payload for _, _, payload in await messages(broker.url)) == stream.path.read_bytes()


def _cut(path: Path) -> None:
    os.truncate(path, 8)


def _replace(path: Path) -> None:
    other = path.with_name("new")
    other.write_bytes(b"".join(lines(50)).replace(b'{"n"', b'{"m"'))
    other.rename(path)


def _rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3] + b"7}\n")


# Bytes that are changed in place, with the size as it was, nobody sees who does not read them again.
@pytest.mark.parametrize(
    ("change", "running"), [(_cut, True), (_replace, True), (_cut, False), (_replace, False), (_rewrite, False)]
)
async def test_what_is_not_the_same_any_more_is_left(
    origin: Path, broker: Broker, change: Callable[[Path], None], running: bool
) -> None:
    """A file that was cut, replaced or rewritten is reported, whether the relay saw it or not; others go on."""
    path = origin / "s.jsonl"
    path.write_bytes(b"".join(lines(3)))
    before = None
    if running:
        async with pushing(origin, broker.url) as meter:
            await until(lambda: meter.lines == 3)
            before = await messages(broker.url)
            change(path)
            with path.open("ab") as file:
                file.write(b'{"n":99}\n')
            await until(lambda: bool(meter.refused))
            with Stream(origin, "t") as other:
                other.line(1)
                await until(lambda: meter.lines == 4)
    else:
        await push_once(origin, broker.url)
        before = await messages(broker.url)
        change(path)
        meter = await push_once(origin, broker.url)
    assert set(meter.refused) == {"s"}
    assert [found for found in await messages(broker.url) if found[0] == "streamhub.s"] == before


async def test_an_equal_copy_is_no_change(origin: Path, broker: Broker) -> None:
    """A file that an equal one takes the place of, and that then grows, is pushed on."""
    path = origin / "s.jsonl"
    path.write_bytes(b"".join(lines(3)))
    async with pushing(origin, broker.url) as meter:
        await until(lambda: meter.lines == 3)
        other = path.with_name("new")
        other.write_bytes(path.read_bytes() + b'{"n":99}\n')
        other.rename(path)
        await until(lambda: meter.lines == 4)
        assert not meter.refused
    assert b"".join(payload for _, _, payload in await messages(broker.url)) == path.read_bytes()


async def test_two_pushers_on_one_stream(origin: Path, broker: Broker) -> None:
    """Two that push the same files at once make neither a double nor another order."""
    async with pushing(origin, broker.url) as one, pushing(origin, broker.url) as two:
        with Stream(origin) as stream, Stream(origin, "t") as other:
            for number in range(2000):
                stream.line(number)
                other.line(number)
                if number % 50 == 0:
                    await until(lambda number=number: one.lines + two.lines >= number)  # type: ignore[misc]
            await until(lambda: one.lines + two.lines >= 4000)
    found = await messages(broker.url)
    for each in (stream, other):
        own = [payload for subject, _, payload in found if subject == f"streamhub.{each.id}"]
        assert b"".join(own) == each.path.read_bytes()
    assert one.repeats + two.repeats > 0


async def test_a_second_origin_of_the_same_id_is_kept_out(tmp_path: Path, origin: Path, broker: Broker) -> None:
    """Another host's stream of the same id, with other lines, is refused, long after the window for duplicates too."""
    second = tmp_path / "second"
    second.mkdir()
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n{"n":2}\n')
    (second / "s.jsonl").write_bytes(b'{"m":1}\n{"m":2}\n{"m":3}\n')
    await push_once(origin, broker.url)
    assert set((await push_once(second, broker.url)).refused) == {"s"}
    assert [payload for _, _, payload in await messages(broker.url)] == [b'{"n":1}\n{"n":2}\n']


async def test_an_acknowledgement_that_was_lost(origin: Path, broker: Broker) -> None:
    """A piece that JetStream has, but that was never acknowledged, is not doubled; what came after it is not lost."""
    first, second, third = lines(3)
    path = origin / "s.jsonl"
    path.write_bytes(first)
    async with pushing(origin, broker.url) as meter, connected(broker.url) as client:
        await until(lambda: meter.lines == 1)
        # As the relay itself did it, before it had more to send: the same id, but a shorter piece.
        offset = Offset(generation_of(first[:-1]), len(first))
        await client.jetstream().publish("streamhub.s", second, headers={**headers_of("s", offset, second, 1)})
        with path.open("ab") as file:
            file.write(second + third)
        await until(lambda: meter.lines == 2)
        assert meter.repeats == 1
    assert [payload for _, _, payload in await messages(broker.url)] == [first, second, third]


async def test_what_jetstream_let_go_of_is_not_pushed_again(origin: Path, broker: Broker) -> None:
    """A file older than JetStream keeps lines is left alone when it has none of it; if it grows, it comes whole."""
    path = origin / "old.jsonl"
    path.write_bytes(b'{"n":1}\n')
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert (await push_once(origin, broker.url, max_age=86400)).messages == 0
    async with pushing(origin, broker.url) as meter:
        with path.open("ab") as file:
            file.write(b'{"n":2}\n')
        await until(lambda: meter.lines == 2)
    assert b"".join(payload for _, _, payload in await messages(broker.url)) == path.read_bytes()


async def test_what_was_let_go_of_meanwhile(origin: Path, broker: Broker) -> None:
    """When JetStream has let go of all of a stream, the next line follows where it stood, not the whole file."""
    async with pushing(origin, broker.url) as meter, connected(broker.url) as client:
        with Stream(origin) as stream:
            stream.line(1)
            await until(lambda: meter.lines == 1)
            await client.jetstream().purge_stream(STORE)
            size = stream.path.stat().st_size
            line = stream.line(2)
            await until(lambda: meter.lines == 2)
    ((_, headers, payload),) = await messages(broker.url)
    assert payload == line + b"\n"
    assert parse_offset(headers[OFFSET]).byte == size


async def test_a_deleted_stream_stays_at_jetstream(origin: Path, broker: Broker) -> None:
    """A file that is deleted is reported; what was pushed stays, and the relay goes on."""
    with Stream(origin) as stream, Stream(origin, "t") as other:
        stream.line(1)
        async with pushing(origin, broker.url) as meter:
            await until(lambda: meter.lines == 1)
            stream.path.unlink()
            other.line(1)
            await until(lambda: meter.lines == 2)
    assert len(await messages(broker.url)) == 2


async def test_jetstreams_stream_is_made_as_told(origin: Path, broker: Broker) -> None:
    """Retention, replicas and limits are those of the settings; one that is there already is left as it is."""
    await push_once(origin, broker.url, max_age=3600, max_bytes=1 << 20)
    await push_once(origin, broker.url, max_age=60)
    async with connected(broker.url) as client:
        config = (await client.jetstream().stream_info(STORE)).config
    assert (config.max_age, config.max_bytes, config.num_replicas) == (3600, 1 << 20, 1)
    assert config.subjects == ["streamhub.*"]


async def test_what_jetstream_cannot_make_is_said(origin: Path, broker: Broker) -> None:
    """Three replicas on one server, or a stream with other subjects, end the relay with one line that says so."""
    with pytest.raises(ConfigError, match="--replicas"):
        await push_once(origin, broker.url, replicas=3)
    async with connected(broker.url) as client:
        await client.jetstream().add_stream(name="OTHER", subjects=["other.*"])
    with pytest.raises(ConfigError, match="does not hold"):
        await push_once(origin, broker.url, store="OTHER")


async def test_a_foreign_message_is_not_pushed_over(origin: Path, broker: Broker) -> None:
    """A subject whose last message is not a relay's is left alone: nobody can say where its file stands."""
    await push_once(origin, broker.url)
    async with connected(broker.url) as client:
        await client.jetstream().publish("streamhub.s", b"hello")
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n')
    meter = await push_once(origin, broker.url)
    assert "not from a relay" in meter.refused["s"]
    assert len(await messages(broker.url)) == 1


async def test_only_those_that_match(origin: Path, broker: Broker) -> None:
    """With a glob, only streams whose ids fit are pushed: it is matched against ids, not subjects."""
    for name in ("a.1", "a.2", "b.1"):
        (origin / f"{name}.jsonl").write_bytes(b'{"n":1}\n')
    await push_once(origin, broker.url, match="a.*")
    assert sorted(subject for subject, _, _ in await messages(broker.url)) == ["streamhub.a=1", "streamhub.a=2"]


@pytest.mark.parametrize(
    "settings",
    [
        {"replicas": 0},
        {"store": "a.b"},
        {"match": "a b"},
        {"servers": ()},
        {"servers": ("http://x",)},
        {"servers": ("nats://",)},
        {"creds": "a", "nkey": "b"},
        {"tls_key": "a"},
        {"max_age": -1},
        {"piece_bytes": 10},
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, object]) -> None:
    """A value that breaks its rule is refused before anything is connected to."""
    with pytest.raises(ConfigError):
        Settings(directory=str(tmp_path), **settings)  # type: ignore[arg-type]
