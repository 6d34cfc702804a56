from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.commands import command
from tests.servers import Server, Stream, free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two streams, one of them closed and newer."""
    with Stream(tmp_path, "older") as stream:
        stream.line(1)
    with Stream(tmp_path, "newer") as stream:
        stream.line(2)
        stream.final()
    (tmp_path / "no stream.jsonl").touch()
    return tmp_path


def test_tsv(folder: Path) -> None:
    """In a pipe each stream is a line of fields between tabs, newest activity first, with nothing around it."""
    outcome = command("ls", "--dir", folder)
    assert outcome.code == 0
    assert [line.split(b"\t") for line in outcome.lines] == [
        [b"newer", b"m", b"closed", b"244", b"2026-01-01T00:00:02.000000Z", b"2026-01-02T00:00:00.000000Z"],
        [b"older", b"m", b"open", b"116", b"2026-01-01T00:00:01.000000Z", b"2026-01-01T00:00:01.000000Z"],
    ]
    assert command("ls", "--dir", folder, "-o", "tsv") == outcome


def test_table(folder: Path) -> None:
    """For people it is a table with headings."""
    head, *rows = command("ls", "--dir", folder, "-o", "table").out.decode().splitlines()
    assert head.split() == ["stream", "mission", "state", "size", "last", "event"]
    assert [" ".join(row.split()) for row in rows] == [
        "newer m closed 244 bytes 2026-01-02 00:00:00.000",
        "older m open 116 bytes 2026-01-01 00:00:01.000",
    ]


def test_json(folder: Path) -> None:
    """For programs each stream is a JSON object on a line of its own, the same as the server's list has."""
    outcome = command("ls", "--dir", folder, "-o", "json")
    assert [json.loads(line)["id"] for line in outcome.lines] == ["newer", "older"]
    assert set(json.loads(outcome.lines[0])) == {"id", "mission_id", "tail", "bytes", "first", "last", "closed"}


def test_long_and_hostile_names(tmp_path: Path) -> None:
    """An id is never cut short; what a line says of its mission cannot forge rows, nor steer the terminal."""
    with Stream(tmp_path, "x" * 128) as stream:
        stream.write(b'{"timestamp":"a\\tb","mission_id":"m\\n\\u001b[31m[red]%s","event_type":"x"}\n' % (b"y" * 150))
    table = command("ls", "--dir", tmp_path, "-o", "table").out.decode()
    assert len(table.splitlines()) == 2
    assert "x" * 128 + "  " + r"m\n\x1b[31m[red]yyy" in table
    assert "y" * 100 not in table
    assert len(command("ls", "--dir", tmp_path).lines[0].split(b"\t")) == 6


def test_no_streams(tmp_path: Path) -> None:
    """Where there are no streams nothing is printed, and that is no failure; a missing folder is, if it was named."""
    assert command("ls", "--dir", tmp_path).out == b""
    outcome = command("ls", "--dir", tmp_path / "missing")
    assert outcome.code == 2
    assert "there is no folder" in outcome.complaint


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking does not make the default folder."""
    monkeypatch.chdir(tmp_path)
    assert command("ls").code == 0
    assert not list(tmp_path.iterdir())


def test_some(tmp_path: Path) -> None:
    """Some of the streams: by id, by mission, or both; and as nothing but ids, for scripts."""
    for name, mission in (("team-1", b"m"), ("team-2", b"n"), ("other", b"m")):
        with Stream(tmp_path, name) as stream:
            stream.write(b'{"mission_id":"%s"}\n' % mission)
    for flags, ids in (
        (["--match", "team-*"], {"team-1", "team-2"}),
        (["--match", "*-1", "--match", "o*"], {"team-1", "other"}),
        (["--mission-id", "m"], {"team-1", "other"}),
        (["--mission-id", "m", "--match", "t*"], {"team-1"}),
        (["--match", "x"], set()),
    ):
        assert {line.decode() for line in command("ls", "-q", "--dir", tmp_path, *flags).lines} == ids
        assert {line.split(b"\t")[0].decode() for line in command("ls", "--dir", tmp_path, *flags).lines} == ids


async def test_of_a_server(folder: Path, server: Server) -> None:
    """A server's list is the same as that of its folder."""
    for form in ("tsv", "json", "table"):
        remote = await asyncio.to_thread(command, "ls", "--url", server.url, "-o", form)
        assert remote.code == 0, remote.err
        assert remote == command("ls", "--dir", folder, "-o", form)


@pytest.mark.slow
async def test_of_a_server_with_many(tmp_path: Path, server: Server) -> None:
    """A list of several pages comes whole."""
    for number in range(1500):
        (tmp_path / f"s{number}.jsonl").touch()
    remote = await asyncio.to_thread(command, "ls", "--url", server.url)
    assert len({line.split(b"\t")[0] for line in remote.lines}) == 1500


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1", "http://", "http://[::1", "http://a:b", "//x"])
def test_bad_url(url: str) -> None:
    """What names no server is refused with exit code 2."""
    outcome = command("ls", "--url", url)
    assert outcome.code == 2
    assert "names no server" in outcome.complaint


def test_no_server() -> None:
    """A server that is not there is a failure that names it."""
    url = f"http://127.0.0.1:{free_port()}"
    outcome = command("ls", "--url", url)
    assert outcome.code == 1
    assert f"cannot reach {url}" in outcome.complaint


async def test_some_other_server() -> None:
    """What answers but is no streamhub is said to be none."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as other:
        url = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        for arguments in (["ls"], ["tail", "s"]):
            outcome = await asyncio.to_thread(command, *arguments, "--url", url)
            assert outcome.code == 1
            assert f"{url} is no streamhub server" in outcome.complaint


def test_folder_or_server(folder: Path) -> None:
    """Both on the command line contradict each other; what stands there comes before the environment."""
    outcome = command("ls", "--dir", folder, "--url", "http://127.0.0.1:1")
    assert outcome.code == 2
    assert "--dir and --url contradict each other" in outcome.complaint
    assert len(command("ls", "--dir", folder, env={"STREAMHUB_URL": "http://127.0.0.1:1"}).lines) == 2
    url = f"http://127.0.0.1:{free_port()}"
    assert url in command("ls", "--url", url, env={"STREAMHUB_DIR": str(folder)}).complaint
