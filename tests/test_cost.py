"""The shape of the cost, counted and not timed: these fail when work begins to be done per client, or per tick."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import socket
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from streamhub.append import AppendFile
from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.config import Config
from streamhub.emitter import Emitter
from streamhub.filters import Filter
from streamhub.folder import Folder
from streamhub.hub import Hub
from streamhub.reader import Reader
from streamhub.stream import BATCH_BYTES
from streamhub.tailer import Tailer
from streamhub.wire import text_frames
from tests.servers import Server, Stream, until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streamhub.cursor import Cursor
    from streamhub.stream import Look

CLIENTS = 50
BATCHES = 7
EVENTS = 200


class CountingSink:
    """Takes everything, and counts the writes."""

    blocked = False
    descriptor = -1

    def __init__(self) -> None:
        self.writes = 0

    def write(self, data: bytes) -> bool:
        """Take bytes."""
        self.writes += bool(data)
        return True

    def keep(self, rest: memoryview) -> None:
        """There is no rest."""

    def fail(self) -> None:
        """Nothing goes wrong here."""


class QuietReader(Reader):
    """A reader that never ends."""

    def ended(self, cursor: Cursor, look: Look) -> None:
        """Nothing."""


class CountingEncoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, batch: Batch, at_tail: bool) -> bytes:
        """The plain WebSocket's frames."""
        self.calls += 1
        return text_frames(batch, at_tail)


async def test_a_batch_is_encoded_once_and_written_once_to_each_client(tmp_path: Path) -> None:
    """However many clients stand at the tail: one encoding a batch, one write a client and batch, no read at all."""
    hub = Hub(Config(directory=str(tmp_path)))
    encoder, sinks = CountingEncoder(), [CountingSink() for _ in range(CLIENTS)]
    with Stream(tmp_path) as stream:
        stream.line(0)
        channel = await hub.channel("s")
        assert isinstance(channel, Channel)
        assert channel.look is not None
        for sink in sinks:
            reader = QuietReader(hub.history, sink)
            reader.follow(Place(channel, channel.look.tail), encoder)
            reader.pump()
        for number in range(BATCHES):
            stream.line(number + 1)
            await hub.poll(channel)
    await hub.close()
    assert encoder.calls == BATCHES
    assert {sink.writes for sink in sinks} == {BATCHES}
    assert hub.history.reads == 0


async def test_a_form_is_made_once_for_all_lanes_of_a_crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lanes there are, and whenever they have their turns: each filter is asked once a batch."""
    monkeypatch.setattr("streamhub.crowd._LANE", CLIENTS)
    filters = [Filter(contains=str(number)) for number in range(CLIENTS)]  # more than a large batch keeps
    hub = Hub(Config(directory=str(tmp_path)))
    encoder, asked, keep = CountingEncoder(), Counter[Filter](), Filter.keep

    def counting(wanted: Filter, lines: Sequence[bytes]) -> Sequence[bool]:
        asked[wanted] += 1
        return keep(wanted, lines)

    monkeypatch.setattr(Filter, "keep", counting)
    with Stream(tmp_path) as stream:
        stream.line(0)
        channel = await hub.channel("s")
        assert channel.look is not None
        for _lane in range(5):
            for wanted in filters:
                reader = QuietReader(hub.history, CountingSink())
                reader.follow(Place(channel, channel.look.tail), encoder, wanted)
                reader.pump()
        for number in range(BATCHES):
            stream.line(number + 1)
            await hub.poll(channel)
        await until(lambda: {cursor.next for cursor in channel.cursors} == {channel.look and channel.look.next})
    await hub.close()
    assert set(asked.values()) == {BATCHES}
    assert encoder.calls <= BATCHES * CLIENTS


async def test_history_is_read_once_for_all_who_replay_it_together(tmp_path: Path) -> None:
    """A hundred clients that start together read each piece of the file once between them."""
    hub = Hub(Config(directory=str(tmp_path)))
    encoder = CountingEncoder()
    with Stream(tmp_path) as stream:
        for number in range(12_000):
            stream.line(number)
        size = stream.path.stat().st_size
        channel = await hub.channel("s")
        readers = [QuietReader(hub.history, CountingSink()) for _ in range(100)]
        for reader in readers:
            reader.follow(Place(channel), encoder)
            reader.pump()
        await until(lambda: all(cursor.group is not None for reader in readers for cursor in reader.cursors))
    await hub.close()
    assert hub.history.reads <= size // (256 * 1024) + 1
    assert encoder.calls <= size // BATCH_BYTES + 1


def test_a_quiet_stream_costs_one_system_call_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a stream that stands still is one ``lseek``, and nothing is opened, read or asked for its status."""
    for number in range(100):
        (tmp_path / f"q{number}.jsonl").write_bytes(b'{"a":1}\n')
    tailer = Tailer(Folder(str(tmp_path)), max_line=1 << 20, floor=0.005, ceiling=1.0, max_open=1000)
    for number in range(100):
        tailer.watch(f"q{number}")
    calls: Counter[str] = Counter()

    def counting(name: str) -> Any:
        function = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    for name in ("lseek", "pread", "open", "stat", "fstat", "read"):
        monkeypatch.setattr(os, name, counting(name))
    before = tailer.polls
    for tail in tailer.tails.values():
        assert tail.poll() is None
    assert calls == {"lseek": 100}
    calls.clear()
    tailer.poll_due()
    assert calls.keys() <= {"lseek"}
    assert calls["lseek"] == tailer.polls - before
    tailer.close()


def test_quiet_streams_are_looked_at_less_and_less(tmp_path: Path) -> None:
    """Looks follow activity: over a minute of silence a stream costs some two hundred, not twelve thousand."""
    now = 1000.0
    (tmp_path / "q.jsonl").write_bytes(b'{"a":1}\n')
    tailer = Tailer(Folder(str(tmp_path)), max_line=1 << 20, floor=0.005, ceiling=1.0, clock=lambda: now)
    tailer.watch("q")
    while now < 1060:
        tailer.poll_due()
        assert tailer.next_due is not None
        now = max(now + 0.005, tailer.next_due)
    assert tailer.polls < 250
    tailer.close()


def test_an_event_costs_four_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock, where does the file end, write, unlock: nothing is opened, closed or asked for its status for an event."""
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls[name.removeprefix("_")] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, staticmethod(call) if owner is AppendFile else call)

    with Emitter("m", "s", tmp_path) as emitter:
        emitter.signal("first")
        for name in ("lseek", "open", "close", "stat", "fstat", "lstat", "pread", "read", "fdatasync"):
            count(os, name)
        count(AppendFile, "_write")
        count(fcntl, "flock")
        for _ in range(EVENTS):
            emitter.navigation("https://example.com", "click", "next page")
        told = dict(calls)
        monkeypatch.undo()
    # Once a second, and whenever the clock was set back, an event asks for more; a second is long for these.
    assert told.keys() <= {"flock", "lseek", "write", "fstat", "lstat", "pread"}
    assert told["write"] == EVENTS
    assert told["flock"] <= 2 * EVENTS + 4
    assert sum(told.values()) <= 4 * EVENTS + 16


@pytest.mark.slow
async def test_an_idle_client_holds_little(server: Server, tmp_path: Path) -> None:
    """A WebSocket that waits at the tail holds less than 4 KiB of Python's memory: no task, no request, no queue."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        first = [await connect(server) for _ in range(20)]  # what is made once is not a client's
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = len(asyncio.all_tasks())
        clients = [await connect(server) for _ in range(100)]
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        gc.collect()
        held = (tracemalloc.get_traced_memory()[0] - before) / len(clients)
        tracemalloc.stop()
        for client in first + clients:
            client.close()
    assert held < 4096


async def connect(server: Server) -> socket.socket:
    """A WebSocket client of which nothing but its socket is in this process."""
    host, port = server.url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, (host, int(port)))
    await loop.sock_sendall(
        client,
        b"GET /v1/stream/s/ws?offset=now HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await loop.sock_recv(client, 4096)
    assert b"101" in head
    return client
