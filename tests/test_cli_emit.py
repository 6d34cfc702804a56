from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streamhub.events import decode
from tests.commands import Outcome, command, end_of, line_of, started

if TYPE_CHECKING:
    from pathlib import Path


def emit(folder: Path, *arguments: str, stdin: bytes = b"") -> Outcome:
    """Emit to stream ``s`` of mission ``m``."""
    return command("emit", "--dir", folder, "--mission-id", "m", "--stream-id", "s", *arguments, stdin=stdin)


def payloads(folder: Path, stream: str = "s") -> list[tuple[str, dict[str, Any]]]:
    """Type and payload of a stream's events, each of which is one, of mission ``m``."""
    lines = (folder / f"{stream}.jsonl").read_bytes().splitlines()
    assert all(decode(line).mission_id == "m" for line in lines)
    return [(event["event_type"], event["payload"]) for event in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("arguments", "payload"),
    [
        ("navigation url=https://e.com/?a=b action=click", {"url": "https://e.com/?a=b", "action": "click"}),
        ("navigation url=u action=12 detail=", {"url": "u", "action": "12"}),
        ("extraction target=prices count=12", {"target": "prices", "count": 12}),
        ("signal name=captcha", {"name": "captcha"}),
        ("signal name=n value=true", {"name": "n", "value": True}),
        ("signal name=n value=1.5", {"name": "n", "value": 1.5}),
        ("signal name=n value=12", {"name": "n", "value": 12}),
        ('signal name=n value="12"', {"name": "n", "value": "12"}),
        ("signal name=n value=word", {"name": "n", "value": "word"}),
        ("signal name=n value={}", {"name": "n", "value": "{}"}),
        ("status state=running final=false", {"state": "running"}),
        ("status state=completed final=true", {"state": "completed", "final": True}),
    ],
)
def test_one_event(tmp_path: Path, arguments: str, payload: dict[str, Any]) -> None:
    """An event's fields are arguments; its stream's id is what stdout gets; the stream stays open."""
    event_type, *fields = arguments.split()
    outcome = emit(tmp_path, event_type, *fields)
    assert (outcome.code, outcome.out, outcome.err) == (0, b"s\n", "")
    assert payloads(tmp_path) == [(event_type, payload)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("sgnal name=n", "event_type 'sgnal' is unknown"),
        ("signal nme=n", "argument 'nme=n' is no field=value of signal: the fields are name, value, detail"),
        ("signal name", "argument 'name' is no field=value"),
        ("signal name=a name=b", "argument 'name=b' is given twice"),
        ("signal value=1", "missing required field `name`"),
        ("extraction target=t count=many", "`$.count`"),
        ("extraction target=t count=-1", "`$.count`"),
        ("status state=asleep", "`$.state`"),
    ],
)
def test_bad_event(tmp_path: Path, arguments: str, said: str) -> None:
    """What is no event is refused in one line, with exit code 2, before any stream is made."""
    outcome = emit(tmp_path, *arguments.split())
    assert outcome.code == 2
    assert said in outcome.complaint
    assert not list(tmp_path.iterdir())


def test_new_stream(tmp_path: Path) -> None:
    """Without an id the stream gets a new one; a folder that is missing is made, as for any emitter."""
    outcome = command("emit", "--mission-id", "m", "signal", "name=n", env={"STREAMHUB_DIR": str(tmp_path / "new")})
    assert outcome.code == 0
    assert payloads(tmp_path / "new", outcome.out.decode().strip()) == [("signal", {"name": "n"})]


def test_goes_on(tmp_path: Path) -> None:
    """Events of several runs come to stand in one stream, until one of them ends it."""
    emit(tmp_path, "signal", "name=a")
    emit(tmp_path, "signal", "name=b", "--close", "cancelled")
    assert payloads(tmp_path)[1:] == [
        ("signal", {"name": "b"}),
        ("status", {"state": "cancelled", "final": True}),
    ]
    outcome = emit(tmp_path, "signal", "name=c")
    assert outcome.code == 1
    assert "has ended" in outcome.complaint


def test_lines(tmp_path: Path) -> None:
    """Lines of JSON from stdin become events; blank ones are passed over, and so are fields that have no name here."""
    lines = (
        b'{"event_type":"signal","payload":{"name":"a","extra":1},"more":2}\r\n\n'
        b' {"timestamp":"2001-01-01T00:00:00Z","mission_id":"m","event_type":"status","payload":{"state":"running"}} \n'
        b'{"event_type":"extraction","payload":{"target":"\xc3\xbc","count":0}}'
    )
    outcome = emit(tmp_path, stdin=lines)
    assert (outcome.code, outcome.out, outcome.err) == (0, b"s\n", "")
    assert payloads(tmp_path) == [
        ("signal", {"name": "a"}),
        ("status", {"state": "running"}),
        ("extraction", {"target": "ü", "count": 0}),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"nonsense", "line 2: the line is no JSON"),
        (b"\xff", "line 2: the line is no JSON"),
        (b"[" * 99_999, "line 2: the line is no JSON"),
        (b"17", "line 2: the line is no JSON object"),
        (b"{}", "line 2: event_type 'None' is unknown"),
        (b'{"event_type":["signal"],"payload":{"name":"n"}}', "line 2: event_type"),
        (b'{"event_type":"signal"}', "line 2: signal payload: "),
        (b'{"event_type":"signal","payload":{"name":1}}', "`$.name`"),
        (b'{"event_type":"signal","payload":{"name":"n"},"mission_id":"x"}', "mission_id: 'x' is not 'm'"),
    ],
)
def test_bad_line(tmp_path: Path, line: bytes, said: str) -> None:
    """A line that is no event is named and passed over, since a mission must not end for it; the exit code tells."""
    good = b'{"event_type":"signal","payload":{"name":"%d"}}\n'
    outcome = emit(tmp_path, stdin=good % 1 + line + b"\n" + good % 3)
    assert outcome.code == 1
    assert outcome.out == b"s\n"
    complaint, summary = outcome.err.splitlines()
    assert said in complaint
    assert "1 lines were no events" in summary
    assert payloads(tmp_path) == [("signal", {"name": "1"}), ("signal", {"name": "3"})]


def test_nothing_to_emit(tmp_path: Path) -> None:
    """With an empty stdin the stream is made, so that its id can be handed out before the first event."""
    assert emit(tmp_path).out == b"s\n"
    assert payloads(tmp_path) == []


def test_no_stdin(tmp_path: Path) -> None:
    """Started without a stdin (``<&-``) there is nothing to emit either, and no stream is made."""
    flags = ("emit", "--mission-id", "m", "--dir", str(tmp_path))
    script = f'exec "{sys.executable}" -m streamhub "$@" <&-'
    ended = subprocess.run(["sh", "-c", script, "sh", *flags], capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("streamhub: there is nothing to emit")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--mission-id", "m", "--stream-id", "../x"], "'../x' is malformed"),
        (["--stream-id", "s"], "--mission-id"),
        (["--mission-id", "", "--stream-id", "s"], "mission_id"),
        (["--mission-id", "m", "--close", "asleep"], "--close"),
    ],
)
def test_bad_flag(tmp_path: Path, flags: list[str], said: str) -> None:
    """A bad flag is one line, and exit code 2."""
    outcome = command("emit", "--dir", tmp_path, *flags, "signal", "name=n")
    assert outcome.code == 2
    assert said in outcome.complaint


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Where no stream can be, that is said."""
    (tmp_path / "file").touch()
    outcome = emit(tmp_path / "file", "signal", "name=n")
    assert outcome.code == 2
    assert "cannot be opened as a stream" in outcome.complaint


async def test_live(tmp_path: Path) -> None:
    """The id comes before the first event, and each event is in the stream as soon as its line was piped in."""
    flags = ("emit", "--dir", tmp_path, "--mission-id", "m", "--close", "completed")
    async with started(*flags, stdin=asyncio.subprocess.PIPE) as process:
        stream = (await line_of(process.stdout)).decode()
        async with started("tail", "-f", "--dir", tmp_path, stream) as tail:
            assert process.stdin is not None
            for number in range(3):
                process.stdin.write(b'{"event_type":"signal","payload":{"name":"n","value":%d}}\n' % number)
                assert json.loads(await line_of(tail.stdout))["payload"]["value"] == number
            process.stdin.close()
            assert json.loads(await line_of(tail.stdout))["payload"] == {"state": "completed", "final": True}
            assert (await end_of(tail)).code == 0
        assert (await end_of(process)).code == 0


async def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends a stream that was to be closed as cancelled, quietly."""
    flags = ("emit", "--dir", tmp_path, "--mission-id", "m", "--stream-id", "s", "--close", "completed")
    async with started(*flags, stdin=asyncio.subprocess.PIPE) as process:
        await line_of(process.stdout)
        process.send_signal(2)
        outcome = await end_of(process)
    assert (outcome.code, outcome.err.strip()) == (130, "")
    assert payloads(tmp_path) == [("status", {"state": "cancelled", "final": True, "detail": "KeyboardInterrupt"})]
