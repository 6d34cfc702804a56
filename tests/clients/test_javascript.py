"""Our own JavaScript client, outside the dashboard: its types, and how it fares under a server that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from streamhub.wire import compact
from tests.clients.programs import Program
from tests.conftest import ROOT
from tests.servers import Server, ServerProcess, Stream, free_port, served, until
from tests.writers import writing

STATIC = ROOT / "streamhub" / "web" / "static"
JS = ROOT / "tests" / "js"
PARTS = ("address.js", "client.js", "follower.js", "lines.js", "polls.js", "query.js", "replays.js")


def following(url: str, *token: str, **options: Any) -> Program:
    """Follow something from Node."""
    return Program("node", str(JS / "follow.mjs"), url, json.dumps(options), *token)


def told(program: Program, kind: str, stream: str | None = None) -> list[dict[str, Any]]:
    """What it printed of one kind."""
    said = [json.loads(line) for line in program.lines]
    return [each for each in said if each["type"] == kind and stream in {None, each.get("stream")}]


def texts(program: Program, stream: str) -> list[bytes]:
    """The lines that it had of a stream."""
    return [each["text"].encode() for each in told(program, "line", stream)]


# --- what it says of itself ---


@pytest.mark.slow
def test_the_compiler_agrees_with_the_client(node_modules: Path) -> None:
    """The client's own files are consistent with the types that it publishes."""
    compiled = subprocess.run(
        [node_modules / ".bin" / "tsc", "-p", JS / "tsconfig.json"], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stdout


@pytest.mark.slow
def test_a_program_in_typescript_compiles(node_modules: Path) -> None:
    """Who uses every part of it, strictly typed, is told of no error, but of their own."""
    flags = (
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--lib",
        "es2022,dom",
        "--module",
        "nodenext",
    )
    compiled = subprocess.run(
        [node_modules / ".bin" / "tsc", *flags, JS / "user.ts"], capture_output=True, text=True, check=False
    )
    assert compiled.returncode == 0, compiled.stdout


@pytest.mark.slow
def test_the_types_name_what_there_is(node_modules: Path) -> None:
    """Each exported name, and each member of its classes, is described; nothing is described that is not there."""
    arguments = (JS / "client-types.mjs", STATIC / "client.js", STATIC / "client.d.ts")
    answer = subprocess.run(["node", *arguments], capture_output=True, text=True, check=True)
    found = json.loads(answer.stdout)
    assert found["offered"].keys() == found["said"].keys()
    inside = {"Client": {"hasSocket", "socket"}}  # what the follower asks the client for
    for name in ("Client", "Follower"):
        assert {*found["offered"][name]} - inside.get(name, set()) <= {*found["said"][name]}, name


async def test_it_is_served_and_packed(server: Server) -> None:
    """The server gives the module, its parts and its types, from what is installed with the package."""
    for name in (*PARTS, "client.d.ts"):
        status, headers, body = await server.get(f"/static/{name}")
        assert status == 200, name
        assert name.endswith(".d.ts") or headers["Content-Type"].startswith("text/javascript")
        assert body == (resources.files("streamhub.web") / "static" / name).read_bytes()


def test_the_parts_are_all_that_it_needs() -> None:
    """No part of the client imports what is not named among them, in the manual and in its own head."""
    head, manual = (STATIC / "client.js").read_text(), (ROOT / "docs" / "clients.md").read_text()
    for name in PARTS:
        imported = re.findall(r'^import .*"\./(.*)";$', (STATIC / name).read_text(), re.MULTILINE)
        assert {*imported} <= {*PARTS}
        assert name == "client.js" or name in head
        assert f"`{name}`" in manual


def test_a_glob_means_what_it_means_to_the_server(node_modules: Path) -> None:
    """Stars, single characters, sets and their opposites; what is no set stands for itself."""
    globs = [
        "*",
        "a*",
        "*b",
        "a?c",
        "[ab]*",
        "[!ab]*",
        "[a-c]?",
        "[c-a]?",
        "[!c-a]?",
        "[!-]x",
        "[]a]",
        "[!]a]b",
        "[a",
        "[]",
        "[!]",
        "a.c",
        "a+",
        "^a",
        "[\\\\a]",
        "[^a]",
    ]
    ids = ["a", "b", "ab", "abc", "a.c", "axc", "bx", "cx", "-x", "]b", "xb", "a+", "^a", "aa", "x"]
    cases = [(stream, glob) for stream in ids for glob in globs]
    program = f"""
        import {{ matches }} from {json.dumps((STATIC / "query.js").as_uri())};
        console.log(JSON.stringify({json.dumps(cases)}.map(([stream, glob]) => matches(stream, [glob]))));
    """
    command = ["node", "--input-type=module", "--eval", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == [fnmatchcase(*case) for case in cases]


# --- what it does ---


def evaluated(url: str, *expressions: str) -> Any:
    """What becomes of expressions with a client of that server: values, or the names and words of errors."""
    program = f"""
        import {{ Client }} from {json.dumps((STATIC / "client.js").as_uri())};
        const url = {json.dumps(url)};
        const client = new Client(url);
        const values = [];
        for (const action of [{", ".join(f"async () => {each}" for each in expressions)}])
          values.push(await action().catch(({{ name, message }}) => `${{name}}: ${{message}}`));
        console.log(JSON.stringify(values));
    """
    command = ["node", "--input-type=module", "--eval", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


async def test_from_now_on_nothing_is_there(server: Server, tmp_path: Path, node_modules: Path) -> None:
    """Who reads from the tail on has no line, and learns where the tail is."""
    with Stream(tmp_path) as stream:
        size = len(stream.line(0)) + 1
    (page,) = await asyncio.to_thread(evaluated, server.url, 'client.read("s", { offset: "now" })')
    assert (page["lines"], page["upToDate"], int(page["next"][9:])) == ([], True, size)


def test_whoever_breaks_off_is_told_so(node_modules: Path) -> None:
    """A time-out is the caller's own doing, as any other abort: the server is not said to be away."""
    late = 'AbortSignal.abort(new DOMException("it took too long", "TimeoutError"))'
    asked = (f'client.read("s", {{ signal: {late} }})', 'client.read("s", { signal: AbortSignal.abort() })')
    timed_out, aborted = evaluated("http://127.0.0.1:9", *asked)
    assert timed_out == "TimeoutError: it took too long"
    assert aborted.startswith("AbortError: ")


def test_a_token_that_no_header_can_carry(node_modules: Path) -> None:
    """It is refused at once, in words, rather than taken for a server that is away."""
    (refused, lines) = evaluated(
        "http://127.0.0.1:9", "new Client(url, { token: '1 €' })", "new Client(url, { token: 'a\\nb' })"
    )
    assert refused == lines
    assert refused.startswith("StreamhubError: the token has characters that no request can carry")


def event(number: int, second: int, **fields: Any) -> dict[str, Any]:
    """An event at a second of a day."""
    time = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return {"timestamp": time, "event_type": "signal", "payload": {"value": number}, **fields}


FILES = {
    "ordered": [event(number, number) for number in range(300)],
    "disordered": [event(number, number * 7919 % 3600) for number in range(300)],
    "no-times": [event(number, 0, timestamp="soon" if number % 2 else number) for number in range(300)],
    "strange-times": [event(number, 0, timestamp="1 January 2026") for number in range(300)],
}
PARTS_OF_FILES = [{"contains": "5}"}, {"eventTypes": ["signal"]}, {"tail": 7}, {"tail": 250, "contains": "1"}]


@pytest.mark.slow
@pytest.mark.parametrize("end", [b"\n", b"\n\n"])
async def test_a_line_is_located(server: Server, tmp_path: Path, node_modules: Path, end: bytes) -> None:
    """However a line was read, its offset can be had: also in a file with times out of order, or with empty lines."""
    files = {name: b"".join(compact(each) + end for each in events) for name, events in FILES.items()}
    for name, text in files.items():
        (tmp_path / f"{name}.jsonl").write_bytes(text)
    program = f"""
        import {{ Client, byteOf }} from {json.dumps((STATIC / "client.js").as_uri())};
        const client = new Client({json.dumps(server.url)});
        for (const name of {json.dumps([*files])}) for (const part of {json.dumps(PARTS_OF_FILES)}) {{
          const {{ lines }} = await client.read(name, part);
          for (const line of [lines[0], lines[1], lines[lines.length >> 1], lines.at(-2), lines.at(-1)]) {{
            const offset = await client.locate(line).catch((error) => error.message);
            console.log(JSON.stringify([name, line.text, offset]));
          }}
        }}
    """
    async with Program("node", "--input-type=module", "--eval", program) as located:
        assert await located.ended() == 0, located
    assert len(located.lines) == len(files) * len(PARTS_OF_FILES) * 5
    for name, line, offset in map(json.loads, located.lines):
        before, after = files[name][: int(offset[9:])], files[name][int(offset[9:]) :]
        assert after.lstrip(b"\n").startswith(line.encode() + b"\n")
        assert before == b"" or before.endswith(b"\n")


@pytest.mark.slow
async def test_each_event_once_of_more_streams_than_an_address_can_name(tmp_path: Path, node_modules: Path) -> None:
    """Those that find no room in it come again when the connection is lost, and what was had is thrown away."""
    names = [f"{number:0128}" for number in range(420)]
    for name in names:
        with Stream(tmp_path, name) as stream:
            stream.line(0)
            stream.line(1)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        following(url, match=["*"]) as plain,
        following(url, match=["*"], contains="SIGNAL") as filtered,
        following(url, match=["*"], tail=1) as late,
    ):
        programs = {plain: 840, filtered: 840, late: 420}
        async with served(tmp_path, port=port):
            for program, count in programs.items():
                await program.has(lambda: len(told(program, "line")) == count)  # noqa: B023 - awaited at once
        for name in names:
            with Stream(tmp_path, name) as stream:
                stream.line(2)
        async with served(tmp_path, port=port):
            for program, count in programs.items():
                await program.has(lambda: len(told(program, "line")) >= count + 420)  # noqa: B023 - awaited at once
            with Stream(tmp_path, names[0]) as stream:
                stream.line(3)
            for program in programs:
                await program.has(lambda: len(texts(program, names[0])) >= 3)  # noqa: B023 - awaited at once
                await program.has(lambda: b'"value":3' in texts(program, names[0])[-1])  # noqa: B023 - awaited at once
    for program, first in {plain: 0, filtered: 0, late: 1}.items():
        for name in names:
            truth = (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
            assert texts(program, name) == truth[first:]


@pytest.mark.slow
async def test_more_named_streams_than_an_address_can_name(server: Server, tmp_path: Path, node_modules: Path) -> None:
    """That is a failure in words, not an outage."""
    names = [f"{number:0128}" for number in range(400)]
    for name in names:
        (tmp_path / f"{name}.jsonl").touch()
    async with following(server.url, streams=names) as program:
        assert await program.ended() == 0
    (failure,) = told(program, "failed")
    assert failure["message"] == "400 streams are more than an address can name: follow fewer at once"


@pytest.mark.slow
async def test_a_server_that_is_away_ends_no_program(tmp_path: Path, node_modules: Path) -> None:
    """Nobody answers the socket, which the package `ws` takes for the program's own error; the follower waits."""
    with Stream(tmp_path) as stream:
        line = stream.line(0)
    port = free_port()
    async with following(f"http://127.0.0.1:{port}", match=["*"]) as program:
        await program.has(lambda: "waiting" in {state["name"] for state in told(program, "state")})
        async with served(tmp_path, port=port):
            await program.has(lambda: texts(program, "s") == [line])
    assert not program.errors


@pytest.mark.slow
async def test_each_event_once_over_a_server_that_is_killed(tmp_path: Path, node_modules: Path) -> None:
    """It comes back by itself, and has each line once, with its offset; what was over does not come again."""
    path, go_on = tmp_path / "s.jsonl", tmp_path / "go-on"
    go_on.touch()
    with Stream(tmp_path, "m-over") as over:
        lines = [over.line(0), over.final()]
    async with ServerProcess(tmp_path) as server, writing("emit", tmp_path, "s", 200, 0.004) as mission:
        await until(path.exists)
        async with (
            following(server.url, streams=["s"]) as one,
            following(server.url, streams=["s"], match=["m-*"]) as many,
        ):
            for number in (signal.SIGKILL, signal.SIGTERM):
                for program in (one, many):
                    had = len(texts(program, "s"))
                    await program.has(lambda: len(texts(program, "s")) > had + 20)  # noqa: B023 - awaited at once
                await server.stop(number)
                await server.start()
            with Stream(tmp_path, "m-late") as late:
                lines_late = [late.line(1), late.final()]
            go_on.unlink()
            assert await mission.wait() == 0
            assert await one.ended() == 0
            await many.has(lambda: len(told(many, "end")) >= 3)
            assert sorted(end["stream"] for end in told(many, "end")) == ["m-late", "m-over", "s"]
    truth = path.read_bytes().splitlines()
    for program in (one, many):
        assert texts(program, "s") == truth
        assert {"open", "waiting"} <= {state["name"] for state in told(program, "state")}
    assert texts(many, "m-over") == lines
    assert texts(many, "m-late") == lines_late
    places = [line["offset"] for line in told(one, "line")]
    sizes = [len(line) + 1 for line in truth]
    assert [int(place[9:]) for place in places] == [sum(sizes[:number]) for number in range(len(sizes))]
    assert [state["name"] for state in told(one, "state")][-1] == "ended"


@pytest.mark.slow
async def test_a_replaced_file_is_told_and_when_it_was_missed(tmp_path: Path, node_modules: Path) -> None:
    """Under the follower it is a reset; while the server was away, a reset that says that something may be missed."""
    for name in ("live", "away"):
        with Stream(tmp_path, name) as stream:
            stream.line(0)
    async with (
        ServerProcess(tmp_path) as server,
        following(server.url, streams=["live", "away"]) as program,
    ):
        await program.has(lambda: len(told(program, "line")) == 2)
        replaced = tmp_path / "new"
        replaced.write_bytes(b'{"new":1}\n')
        os.replace(replaced, tmp_path / "live.jsonl")
        await program.has(lambda: bool(told(program, "reset", "live")))
        await server.stop(signal.SIGKILL)
        (tmp_path / "away.jsonl").unlink()
        await server.start()
        await program.has(lambda: bool(told(program, "reset", "away")))
        assert await program.ended() == 0
    live, away = told(program, "reset")
    assert (live["stream"], live["missed"], live["earliest"][9:]) == ("live", False, "0" * 16)
    assert (away["stream"], away["missed"], away["earliest"]) == ("away", True, None)


@pytest.mark.slow
async def test_a_token_opens_the_way(tmp_path: Path, node_modules: Path) -> None:
    """With a token it reads over HTTP and the WebSocket; without one it fails for good."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(0), stream.final()]
    token = "a-token-that-is-long-enough-for-anybody"
    (tmp_path / "tokens").write_text(f"{token} s\n")
    os.chmod(tmp_path / "tokens", 0o600)
    async with ServerProcess(tmp_path, "--token-file", str(tmp_path / "tokens")) as server:
        async with following(server.url, token, streams=["s"]) as program:
            assert await program.ended() == 0
        assert texts(program, "s") == lines
        async with following(server.url, streams=["s"]) as refused:
            assert await refused.ended() == 0
        assert [failure["status"] for failure in told(refused, "failed")] == [401]
