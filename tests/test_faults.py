"""What can befall files, seen from outside: on every transport, and on a server that has hardly any descriptors."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from streamhub.config import MIB
from streamhub.emitter import Emitter
from streamhub.events import decode
from tests import naive
from tests.raw import websocket
from tests.servers import ServerProcess, Stream, served
from tests.transports import TRANSPORTS, Multiplexed

EVENT = b'{"timestamp":"2026-01-01T00:00:00.000000Z","mission_id":"m","event_type":"signal","payload":{"name":"n"}}'
FINAL = (
    b'{"timestamp":"2026-01-02T00:00:00.000000Z","mission_id":"m","event_type":"status",'
    b'"payload":{"state":"completed","final":true}}\n'
)
BOM = "\ufeff".encode()
#: What stands in the file before its last line.
FAULTS: dict[str, bytes] = {
    "a torn line that the next one was fused to": EVENT[:50] + EVENT + b"\n",
    "NUL at the head": bytes(4096) + EVENT + b"\n",
    "NUL in the middle": EVENT + b"\n" + EVENT[:40] + bytes(10_000) + EVENT[40:] + b"\n" + EVENT + b"\n",
    "NUL at the tail": EVENT + b"\n" + bytes(70_000) + b"\n",
    "NUL lines": b"\0\n" * 300 + EVENT + b"\n",
    "invalid UTF-8": b'{"a":"\xff"}\n{"a":"\xc3"}\n{"a":"\xed\xa0\x80"}\n{"a":"\xc0\xaf"}\n' + EVENT + b"\n",
    "a CR": EVENT + b"\n" + EVENT[:-1] + b"\r}\n" + b'{"a":\r1}\n' + b'{"a":"\r"}\n',
    "CRLF": (EVENT + b"\r\n") * 3 + b"\r\n",
    "a BOM": BOM + EVENT + b"\n" + BOM + b"\n" + EVENT + b"\n" + BOM + EVENT + b"\n",
    "U+2028": '{"a":"\u2028\u2029\x85"}\n\u2028\n'.encode() + EVENT + "\u2028\n".encode(),
    "empty lines": b"\n\n\n" + EVENT + b"\n\n\n" + b" \n\t\n" + EVENT + b"\n\n" * 5000,
    "a line that is too long": b'{"a":"' + b"x" * MIB + b'"}\n' + EVENT + b"\n",
    "no JSON": b'nonsense\n{\n}\n{}}\n[]\n1\nnull\n""\n{\'a\':1}\n{"a":NaN}\n{"a":1,}\n' + b"[" * 5000 + b"\n",
    "a final status that is none": FINAL[:-2] + b"\n" + FINAL[:-1] + b"\0\n" + b"x" + FINAL,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_in_files(tmp_path: Path, fault: str) -> None:
    """Fourteen faults, six transports: each good line is there, each bad one in its place by its stand-in."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(FAULTS[fault] + FINAL)
    expected = [line.delivered.replace(b"\r", b" ") for line in naive.lines(path.read_bytes(), MIB)]
    async with served(tmp_path) as server:
        readers = [kind(server.url, ("s",), http=server.session) for kind in TRANSPORTS]
        for reader in readers:
            async with reader:
                await reader.learns()
            assert reader.log.told == "end", reader
            assert [line.replace(b"\r", b" ") for line in reader.log.lines] == expected, reader


async def test_a_torn_end(tmp_path: Path) -> None:
    """On six transports nothing of a line is given before its newline, at whichever of its bytes it stops for long."""
    async with served(tmp_path) as server:
        with Stream(tmp_path) as stream:
            stream.write(EVENT + b"\n")
            readers = [kind(server.url, ("s",), http=server.session) for kind in TRANSPORTS]
            for reader in readers:
                await reader.join()
            for cut in range(1, len(EVENT), 9):
                stream.write(EVENT[cut - 1 : cut] if cut == 1 else EVENT[cut - 9 : cut])
                assert (await server.get("/v1/stream/s"))[2] == b"[" + EVENT + b"]"
            stream.write(EVENT[cut:] + b"\n" + FINAL)
            for reader in readers:
                await reader.learns()
                assert reader.log.lines == [EVENT, EVENT, FINAL[:-1]], reader
                await reader.leave()


@pytest.mark.slow
async def test_a_line_of_64_mib(tmp_path: Path) -> None:
    """A server reads past it, by itself or to its readers, on all transports, and grows by 16 MiB at the most."""
    path = tmp_path / "s.jsonl"
    small = tmp_path / "small.jsonl"
    small.write_bytes(EVENT + b"\n" + FINAL)
    with path.open("wb") as file:
        file.write(EVENT + b"\n")
        for _ in range(64):
            file.write(b"x" * MIB)
        file.write(b"\n" + EVENT + b"\n" + FINAL)
    async with ServerProcess(tmp_path) as server, aiohttp.ClientSession() as http:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        for kind in TRANSPORTS:  # what comes with the first use of each is not the line's doing
            async with kind(server.url, ("small",), http=http) as reader:
                await reader.learns()
        before = process.memory_info().rss
        for kind in TRANSPORTS:
            async with kind(server.url, ("s",), http=http) as reader:
                await reader.learns()
            assert len(reader.log.lines) == 4
            assert b'"bytes":67108864,"reason":"too-long"' in reader.log.lines[1]
        for target in ("/summary", "?tail=2", "?since=2026-01-01T12:00:00Z"):
            async with http.get(f"{server.url}/v1/stream/s{target}") as answer:
                assert answer.status == 200
                await answer.read()
        with path.open("ab") as file:  # and live
            async with websocket(server.url, "/v1/stream/s/ws?offset=now&wait=1") as raw:
                file.write(b"y" * MIB)
                await raw.frame()
        assert process.memory_info().rss - before < 16 * MIB


@pytest.mark.slow
async def test_ten_thousand_streams_with_256_descriptors(tmp_path: Path) -> None:
    """A socket follows them all, each with a line that is there and one that comes; the server needs no more for it."""
    count = 10_000
    names = [f"s-{number:05}" for number in range(count)]
    for name in names:
        (tmp_path / f"{name}.jsonl").write_bytes(EVENT + b"\n")
    async with ServerProcess(tmp_path, descriptors=256) as server, aiohttp.ClientSession() as http:
        reader = Multiplexed(server.url, (), options="match=s-*")
        async with reader:
            await reader.until(lambda: len(reader.logs) == count and all(log.lines for log in reader.logs.values()), 60)
            written = names[::97]
            for name in written:
                with (tmp_path / f"{name}.jsonl").open("ab") as file:
                    file.write(FINAL)
            await reader.until(lambda: all(reader.logs[name].told == "end" for name in written), 60)
        assert all(log.lines == [EVENT, *[FINAL[:-1]] * (name in written)] for name, log in reader.logs.items())
        async with http.get(f"{server.url}/v1/streams?limit=1000") as answer:
            assert len((await answer.json())["streams"]) == 1000


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_folder_that_vanishes_and_comes_back(tmp_path: Path, kind: Any) -> None:
    """Who reads is told that the stream is gone; made anew, the folder is read like one that was always there."""
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "s.jsonl").write_bytes(EVENT + b"\n")
    async with served(folder) as server:
        async with kind(server.url, ("s",), http=server.session) as reader:
            await reader.until(lambda: reader.log.lines == [EVENT])
            shutil.rmtree(folder)
            await reader.learns()
            assert reader.log.told == "deleted"
        assert (await server.get("/v1/streams"))[2] == b'{"streams":[],"next":null}'
        folder.mkdir()
        (folder / "s.jsonl").write_bytes(EVENT + b"\n" + FINAL)
        async with kind(server.url, ("s",), http=server.session) as reader:
            await reader.learns()
        assert (reader.log.told, reader.log.lines) == ("end", [EVENT, FINAL[:-1]])


async def test_a_frozen_mtime(tmp_path: Path) -> None:
    """Times that stand still hide nothing: growth, a cut, another file and a new stream are all noticed."""
    path, other = tmp_path / "s.jsonl", tmp_path / "t.jsonl"

    def freeze() -> None:
        for frozen in (path, other, tmp_path):
            if frozen.exists():
                os.utime(frozen, ns=(0, 0))

    path.write_bytes(EVENT + b"\n")
    freeze()
    async with served(tmp_path) as server:
        readers = [kind(server.url, ("s",), http=server.session) for kind in TRANSPORTS]
        for reader in readers:
            await reader.join()
        with path.open("ab") as file:
            file.write(EVENT + b"\n")
        freeze()
        for reader in readers:
            await reader.until(lambda reader=reader: len(reader.log.lines) == 2)  # type: ignore[misc]
        other.write_bytes(FINAL)
        freeze()
        assert (await server.get("/v1/stream/t"))[0] == 200
        path.write_bytes(b"")
        freeze()
        for reader in readers:
            await reader.learns()
            assert reader.log.told == "reset", reader
            await reader.leave()


def test_a_clock_that_jumps_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day ahead, back, two back and ahead again: no event is lost, and no time is before the one above it."""
    day, real, shift = 86_400_000_000_000, time.time_ns, 0
    monkeypatch.setattr(time, "time_ns", lambda: real() + shift)
    with Emitter("m", "s", tmp_path) as stream:
        for jump in (0, day, -day, -day, day, 0):
            shift += jump
            for number in range(50):
                stream.signal("n", number)
    events = [decode(line) for line in stream.path.read_bytes().split(b"\n")[:-1]]
    stamps = [event.timestamp for event in events]
    assert (len(events), stream.dropped) == (301, 0)
    assert stamps == sorted(stamps)


async def test_a_file_of_another_day(tmp_path: Path) -> None:
    """Files whose times lie a day ahead of the clock, or behind it, are read and followed like others."""
    now = time.time()
    for name, shift in (("ahead", 86_400), ("behind", -86_400)):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(EVENT + b"\n")
        os.utime(path, (now + shift, now + shift))
    async with served(tmp_path) as server:
        readers = [
            kind(server.url, (name,), http=server.session) for kind in TRANSPORTS for name in ("ahead", "behind")
        ]
        for reader in readers:
            await reader.join()
        for name, shift in (("ahead", 86_400), ("behind", -86_400)):
            path = tmp_path / f"{name}.jsonl"
            with path.open("ab") as file:
                file.write(FINAL)
            os.utime(path, (now + shift, now + shift))
        await asyncio.gather(*(reader.learns() for reader in readers))
        for reader in readers:
            assert (reader.log.told, reader.log.lines) == ("end", [EVENT, FINAL[:-1]]), reader
            await reader.leave()


async def test_an_inode_that_is_used_again(tmp_path: Path) -> None:
    """Deleted and made anew with the same inode and the same first line: who reads is told, and reads nothing twice."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(EVENT + b"\n" + EVENT + b"\n")
    async with served(tmp_path) as server:
        readers = [kind(server.url, ("s",), http=server.session) for kind in TRANSPORTS]
        for reader in readers:
            await reader.join()
            await reader.until(lambda reader=reader: len(reader.log.lines) == 2)  # type: ignore[misc]
        path.unlink()
        path.write_bytes(EVENT + b"\n")
        for reader in readers:
            await reader.learns()
            assert reader.log.told in {"reset", "deleted"}, reader
            assert reader.log.lines == [EVENT, EVENT], reader
            await reader.leave()
