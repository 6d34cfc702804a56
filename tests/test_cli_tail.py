from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from streamhub.cli import remote
from tests.client.between import between
from tests.commands import Outcome, command, end_of, line_of, started
from tests.servers import Server, ServerProcess, Stream, free_port, served, until
from tests.terminals import on_terminal

if TYPE_CHECKING:
    from pathlib import Path


async def tail(where: Path | Server, *arguments: str) -> Outcome:
    """Read stream ``s`` of a folder or of a server, in this process."""
    place = ("--url", where.url) if isinstance(where, Server) else ("--dir", str(where))
    return await asyncio.to_thread(command, "tail", "s", *place, *arguments)


@pytest.fixture(params=["folder", "server"])
def where(request: pytest.FixtureRequest, server: Server) -> Path | Server:
    """A folder, or the server that serves it."""
    return server if request.param == "server" else server.directory


@pytest.fixture
def twenty(server: Server) -> list[bytes]:
    """The lines of a stream of twenty."""
    with Stream(server.directory) as stream:
        return [stream.line(number) for number in range(20)]


# --- What there is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "first"),
    [
        ([], 10),
        (["-n", "3"], 17),
        (["-n", "0"], 20),
        (["--lines", "50"], 0),
        (["-n", "all"], 0),
        (["--offset", "-1"], 0),
        (["--offset", "now"], 20),
        (["--since", "2026-01-01T00:00:15Z"], 15),
        (["--since", "2026-01-01 00:00:14.5"], 15),
        (["--since", "2027-01-01"], 20),
        (["--after-cursor", "now"], 20),
    ],
)
async def test_where_to_start(where: Path | Server, twenty: list[bytes], flags: list[str], first: int) -> None:
    """The last ten lines, or the last so many, or all, or those from an offset or a time on: byte for byte."""
    outcome = await tail(where, *flags)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.lines == twenty[first:]


@pytest.mark.parametrize(
    ("flags", "first", "last"),
    [
        (["--until", "2026-01-01T00:00:15Z"], 6, 15),
        (["-n", "3", "--until", "2026-01-01T00:00:15Z"], 13, 15),
        (["-n", "0", "--until", "2026-01-01T00:00:15Z"], 16, 15),
        (["-n", "all", "--until", "2026-01-01T00:00:02.5Z"], 0, 2),
        (["-n", "3", "--until", "2025-01-01"], 0, -1),
    ],
)
async def test_where_to_end(where: Path | Server, twenty: list[bytes], flags: list[str], first: int, last: int) -> None:
    """The last lines up to a time: those before it count, as in the whole stream."""
    outcome = await tail(where, *flags)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.lines == twenty[first : last + 1]


async def test_until_when(where: Path | Server, twenty: list[bytes]) -> None:
    """What is followed has no end."""
    outcome = await tail(where, "-f", "--until", "2026-01-01")
    assert outcome.code == 2
    assert "--until says where to stop" in outcome.complaint


async def test_from_an_offset(where: Path | Server, twenty: list[bytes]) -> None:
    """A token that the list gave is a place in the stream, on every transport."""
    entry = json.loads(command("ls", "--dir", _folder(where), "-o", "json").out)
    with Stream(_folder(where)) as stream:
        line = stream.line(20)
    assert (await tail(where, "--offset", entry["tail"])).lines == [line]


async def test_torn_and_malformed_lines(where: Path | Server) -> None:
    """A line that has not ended yet is not shown; in the place of one that is no event comes its stand-in."""
    with Stream(_folder(where)) as stream:
        stream.write(b"nonsense\n\n")
        line = stream.line(1)
        stream.write(b'{"torn')
    stand_in, event = (await tail(where)).lines
    assert json.loads(stand_in)["payload"]["reason"] == "json"
    assert event == line


async def test_pretty(where: Path | Server, twenty: list[bytes]) -> None:
    """For people there is a line of text for each event."""
    outcome = await tail(where, "-n", "1", "-o", "pretty")
    assert outcome.out == b"2026-01-01 00:00:19.000  signal      n = 19\n"


async def test_longer_than_a_page(where: Path | Server) -> None:
    """A stream that takes several reads comes whole."""
    with Stream(_folder(where)) as stream:
        lines = [stream.line(number) for number in range(20_000)]
    outcome = await tail(where, "-n", "all")
    assert outcome.lines == lines


@pytest.fixture
def mixed(server: Server) -> list[bytes]:
    """The lines of a stream, every other one of which is of another type; the last one closes it."""
    with Stream(server.directory) as stream:
        lines = [stream.line(0)]
        for number in range(1, 9):
            line = b'{"timestamp":"2026-01-01T00:01:%02d.000000Z","mission_id":"m","event_type":"%s","payload":{}}' % (
                number,
                (b"navigation", b"extraction")[number % 2],
            )
            stream.write(line + b"\n")
            lines.append(line)
        return [*lines, stream.final()]


@pytest.mark.parametrize("follow", [[], ["-f"]], ids=["what there is", "followed"])
@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (["-n", "all", "-e", "navigation"], [2, 4, 6, 8]),
        (["-n", "all", "--event-type", "signal", "-e", "status"], [0, 9]),
        (["-n", "all", "--contains", "00:01:03"], [3]),
        (["-n", "all", "--contains", "NAVIGATION", "-e", "navigation", "-e", "signal"], [2, 4, 6, 8]),
        (["-n", "4", "-e", "navigation"], [6, 8]),
        (["--since", "2026-01-01T00:01:05Z", "-e", "extraction"], [5, 7]),
        (["-n", "all", "-e", "nothing"], []),
    ],
)
async def test_only_some(
    where: Path | Server, mixed: list[bytes], flags: list[str], numbers: list[int], follow: list[str]
) -> None:
    """Only events of some types, or that hold some text; -n counts before that, as a server does."""
    outcome = await tail(where, *flags, *follow)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.lines == [mixed[number] for number in numbers]


async def test_only_some_up_to_a_time(where: Path | Server, mixed: list[bytes]) -> None:
    """Here, too, -n counts before that."""
    until = ("--until", "2026-01-01T00:01:07Z")
    assert (await tail(where, *until, "-n", "4", "-e", "navigation")).lines == [mixed[4], mixed[6]]
    assert (await tail(where, *until, "-n", "all", "-e", "navigation")).lines == [mixed[2], mixed[4], mixed[6]]


@pytest.mark.slow
@pytest.mark.parametrize("remote", [False, True])
async def test_only_some_of_what_comes(server: Server, remote: bool) -> None:
    """Also of events that come, and of streams that appear, what is not asked for is left out; in raw too."""
    place = ("--url", server.url) if remote else ("--dir", server.directory, "-o", "raw")
    with Stream(server.directory, "m-1") as first:
        async with started(
            "tail", "-f", "--match", "m-*", "--contains", '"value":1}', "--no-prefix", *place
        ) as process:
            first.line(0)
            lines = [first.line(1)]
            assert await line_of(process.stdout) == lines[0]
            with Stream(server.directory, "m-2") as second:
                second.line(2)
                wanted = second.line(1)
                assert await line_of(process.stdout) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["-n", "x"], 2, "'x' is no count"),
        (["-n", "-1"], 2, "'-1' is no count"),
        (["--offset", "x"], 2, "offset 'x' is malformed"),
        (["--since", "x"], 2, "time 'x' is not ISO 8601"),
        (["--since", "2026-01-01", "--offset", "now"], 2, "contradict each other"),
        (["-n", "1", "--offset", "now"], 2, "contradict each other"),
        (["-n", "all", "--offset", "now"], 2, "contradict each other"),
        (["-n", "2", "--since", "1h"], 2, "lines='2' and since='1h' contradict each other: give one of them"),
        (["--offset", "now", "--since", "1h"], 2, "offset='now' and since='1h' contradict"),
        (["--after-cursor", "now", "-n", "2"], 2, "after-cursor='now' and lines='2' contradict"),
        (["--since", "1h", "--until", "2d"], 2, "since='1h' is after until='2d'"),
        (["--wait"], 2, "give -f too"),
        (["--offset", "00000001_0000000000000000"], 4, "another generation"),
        (["--offset", "00000001_0000000000000000", "-f"], 4, "another generation"),
    ],
)
async def test_bad_start(where: Path | Server, twenty: list[bytes], flags: list[str], code: int, said: str) -> None:
    """A place that there is not is said in one line, with an exit code that tells why."""
    outcome = await tail(where, *flags)
    assert outcome.code == code
    assert said in outcome.complaint


async def test_places_that_do_not_fit(where: Path | Server, twenty: list[bytes]) -> None:
    """An offset in the middle of a line is wrong usage; one past the tail may be of a copy that is further on."""
    generation = json.loads(command("ls", "--dir", _folder(where), "-o", "json").out)["tail"].partition("_")[0]
    outcome = await tail(where, "--offset", f"{generation}_{7:016d}")
    assert outcome.code == 2
    assert "not at the start of a line" in outcome.complaint
    outcome = await tail(where, "--offset", f"{generation}_{10**9:016d}")
    assert outcome.code == 1
    assert "this copy lags" in outcome.complaint


@pytest.mark.parametrize("flags", [[], ["-f"]])
async def test_no_such_stream(where: Path | Server, flags: list[str]) -> None:
    """A stream that is not there has an exit code of its own; what can be no stream is wrong usage."""
    outcome = await tail(where, *flags)
    assert outcome.code == 3
    assert "there is no stream 's'" in outcome.complaint
    (_folder(where) / "s.jsonl").symlink_to("/etc/hostname")
    assert (await tail(where, *flags)).code == 3
    place = ["--url", where.url] if isinstance(where, Server) else ["--dir", str(where)]
    outcome = await asyncio.to_thread(command, "tail", "../s", *place, *flags)
    assert outcome.code == 2
    assert "is malformed" in outcome.complaint


def test_missing_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was named has to be there; without the default one, there is no stream."""
    outcome = command("tail", "s", "--dir", tmp_path / "missing")
    assert outcome.code == 2
    monkeypatch.chdir(tmp_path)
    assert command("tail", "s").code == 3
    assert not list(tmp_path.iterdir())


async def test_refused_by_a_server(tmp_path: Path) -> None:
    """What a server does not allow is a failure, in the server's own words."""
    async with served(tmp_path) as server:
        outcome = await asyncio.to_thread(command, "tail", "s", "--url", server.url.replace("127.0.0.1", "127.1"))
    assert outcome.code == 1
    assert "host '127.1:" in outcome.complaint


# --- What comes ----------------------------------------------------------------------------------------------------


async def test_follow(where: Path | Server) -> None:
    """History, then each line as it is written, until the stream is closed: that is a success."""
    place = _place(where)
    with Stream(_folder(where)) as stream:
        history = [stream.line(number) for number in range(5)]
        async with started("tail", "-f", "s", *place) as process:
            assert [await line_of(process.stdout) for _line in history] == history
            for number in range(5, 10):
                line = stream.line(number)
                assert await line_of(process.stdout) == line
            stream.write(b'{"torn":')
            stream.write(b"1}\n")
            assert await line_of(process.stdout) == b'{"torn":1}'
            final = stream.final()
            outcome = await end_of(process)
    assert (outcome.code, outcome.lines, outcome.err) == (0, [final], "")


async def test_follow_a_burst(where: Path | Server) -> None:
    """However fast it comes, each line is printed once, in order."""
    with Stream(_folder(where)) as stream:
        async with started("tail", "-f", "-n", "all", "s", *_place(where)) as process:
            ending = asyncio.create_task(end_of(process))
            lines = []
            for number in range(20_000):
                lines.append(stream.line(number))
                if number % 500 == 0:
                    await asyncio.sleep(0)
            lines.append(stream.final())
            outcome = await ending
    assert outcome.code == 0
    assert outcome.lines == lines


async def test_follow_what_is_closed(where: Path | Server, twenty: list[bytes]) -> None:
    """A stream that has ended is shown, and that is it."""
    with Stream(_folder(where)) as stream:
        final = stream.final()
    outcome = await tail(where, "-f", "-n", "2")
    assert (outcome.code, outcome.lines) == (0, [twenty[-1], final])


@pytest.mark.parametrize("flags", [[], ["-n", "all"], ["--since", "2025-01-01"], ["--offset", "-1"]])
async def test_wait(where: Path | Server, flags: list[str]) -> None:
    """A stream that is not there yet can be waited for."""
    async with started("tail", "-f", "--wait", "s", *_place(where), *flags) as process:
        sign = "socket:" if isinstance(where, Server) else str(where)
        await until(lambda: _has_open(process.pid, sign))
        with Stream(_folder(where)) as stream:
            line = stream.line(1)
            assert await line_of(process.stdout) == line
            final = stream.final()
        outcome = await end_of(process)
    assert (outcome.code, outcome.lines, outcome.err) == (0, [final], "")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["cut", "replace", "delete"])
async def test_lost(where: Path | Server, change: str) -> None:
    """When the file is cut, replaced or deleted, that is said, and nothing is read again in silence."""
    with Stream(_folder(where)) as stream:
        lines = [stream.line(number) for number in range(3)]
        async with started("tail", "-f", "s", *_place(where)) as process:
            assert [await line_of(process.stdout) for _line in lines] == lines
            _lose(stream, change)
            outcome = await end_of(process)
    assert outcome.code == (3 if change == "delete" else 4)
    assert "stream" in outcome.complaint


async def test_interrupted(where: Path | Server, twenty: list[bytes]) -> None:
    """Ctrl-C ends it quietly, with the code that shells have for it."""
    async with started("tail", "-f", "-n", "1", "s", *_place(where)) as process:
        await line_of(process.stdout)
        process.send_signal(signal.SIGINT)
        outcome = await end_of(process)
    assert (outcome.code, outcome.out, outcome.err.strip()) == (130, b"", "")


@pytest.mark.slow
async def test_nobody_reads(where: Path | Server, twenty: list[bytes]) -> None:
    """``tail -f … | head -1`` ends once the line was read, though nothing more is ever written."""
    place = " ".join(map(str, _place(where)))
    script = f"{sys.executable} -m streamhub tail -f s {place} | head -1; exit ${{PIPESTATUS[0]}}"
    ended = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", script], capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, twenty[10] + b"\n", b"")


@pytest.mark.slow
async def test_server_restarts(tmp_path: Path) -> None:
    """A server that goes and comes back is said once, on stderr; no line is lost, none comes twice."""
    async with ServerProcess(tmp_path) as server, started("tail", "-f", "--wait", "s", "--url", server.url) as process:
        with Stream(tmp_path) as stream:
            lines = [stream.line(number) for number in range(3)]
            assert [await line_of(process.stdout) for _line in lines] == lines
            await server.stop(signal.SIGKILL)
            lines = [stream.line(number) for number in range(3, 6)]
            assert b"trying again" in await line_of(process.stderr)
            await server.start()
            assert [await line_of(process.stdout) for _line in lines] == lines
            final = stream.final()
            outcome = await end_of(process)
    assert (outcome.code, outcome.lines, outcome.err) == (0, [final], "")


async def test_a_server_that_is_busy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 and 503 are waited out, for as long as they ask for, or a while when they do not say; that is said once."""
    pauses: list[float] = []
    monkeypatch.setattr(remote, "pause", pauses.append)
    with Stream(server.directory) as stream:
        lines = [stream.line(0), stream.line(1)]
    answers = iter([(0, ""), (429, "7"), (503, "8"), (429, ""), (503, "soon"), (503, "9" * 400)])

    def refuse(_request: web.Request) -> web.Response | None:
        status, seconds = next(answers, (0, ""))
        if status == 0 and pauses:
            with Stream(server.directory) as stream:
                lines.append(stream.final())
        headers = {"Retry-After": seconds} if seconds else {}
        return web.Response(status=status, headers=headers) if status else None

    async with between(server, refuse) as proxy:
        outcome = await asyncio.to_thread(command, "tail", "-f", "s", "--url", proxy.url)
    assert (outcome.code, outcome.lines) == (0, lines)
    assert outcome.err == f"streamhub: {proxy.url} answered 429: trying again\n"
    assert pauses[:2] == [7, 8]
    assert 0.5 <= pauses[2] <= 1
    assert 1 <= pauses[3] <= 2
    assert pauses[4:] == [3600]


async def test_no_server() -> None:
    """A server that was never there is not waited for."""
    outcome = await asyncio.to_thread(command, "tail", "-f", "s", "--url", f"http://127.0.0.1:{free_port()}")
    assert outcome.code == 1
    assert "cannot reach" in outcome.complaint


# --- On a terminal -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "env", "shown"),
    [
        ([], {}, b"\x1b[2m2026-01-01 00:00:00.000\x1b[0m  \x1b[33msignal    \x1b[0m  n = 0\r\n"),
        ([], {"NO_COLOR": "1"}, b"2026-01-01 00:00:00.000  signal      n = 0\r\n"),
        ([], {"TERM": "dumb"}, b"2026-01-01 00:00:00.000  signal      n = 0\r\n"),
        (["-o", "json"], {}, None),
    ],
)
def test_on_a_terminal(tmp_path: Path, flags: list[str], env: dict[str, str], shown: bytes | None) -> None:
    """A terminal gets the form for people, in colour unless NO_COLOR says otherwise, or else the lines themselves."""
    with Stream(tmp_path) as stream:
        line = stream.line(0)
    screen = on_terminal("tail", "s", "--dir", str(tmp_path), *flags, env=env).screen
    assert screen.encode() == (shown or line + b"\r\n")


def test_json_on_a_terminal(tmp_path: Path) -> None:
    """What JSON may hold as it is, and a terminal would obey, a terminal gets escaped; a pipe gets the bytes."""
    with Stream(tmp_path) as stream:
        stream.write('{"a":"\x9b2J\u202e"}\n'.encode())
    shown = on_terminal("tail", "s", "-o", "json", "--dir", str(tmp_path)).screen
    assert shown == '{"a":"\\u009b2J\\u202e"}\r\n'
    assert command("tail", "s", "--dir", tmp_path).out == '{"a":"\x9b2J\u202e"}\n'.encode()


def _folder(where: Path | Server) -> Path:
    return where.directory if isinstance(where, Server) else where


def _place(where: Path | Server) -> tuple[str, str]:
    return ("--url", where.url) if isinstance(where, Server) else ("--dir", str(where))


def _has_open(pid: int, what: str) -> bool:
    """Whether a process has something of this kind open."""
    links = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return any(link.startswith(what) for link in links)


def _lose(stream: Stream, change: str) -> None:
    match change:
        case "cut":
            os.truncate(stream.path, 0)
        case "replace":
            other = stream.path.with_suffix(".new")
            other.write_bytes(b'{"other":1}\n')
            other.rename(stream.path)
        case _:
            stream.path.unlink()
