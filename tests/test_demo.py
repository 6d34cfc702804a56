from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.demo import called
from streamhub.demo import MISSIONS, Performance
from streamhub.errors import ConfigError
from streamhub.events import StatusEvent, decode
from tests.commands import command, end_of, line_of, started
from tests.servers import until

if TYPE_CHECKING:
    from pathlib import Path

    from streamhub.demo import Mission
    from streamhub.events import ExecutionStreamEvent


class Hurry(threading.Event):
    """Lets time pass at once, and is set after so many waits."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        self._waits -= 1
        return self._waits < 0


def events_of(folder: Path, stream: str) -> list[ExecutionStreamEvent]:
    """A stream's events; each line must be one. The last one may be in the middle of being written."""
    lines = (folder / f"{stream}.jsonl").read_bytes().rpartition(b"\n")[0]
    return [decode(line) for line in lines.splitlines()]


def perform(folder: Path, name: str, mission: Mission, waits: int) -> list[list[ExecutionStreamEvent]]:
    """Run a mission to the end of so many pauses; gives the events of each of its streams."""
    Performance(name, mission, str(folder), Hurry(waits)).run()
    numbers = range(1, 1 + len(list(folder.glob(f"{name}-*.jsonl"))))
    return [events_of(folder, f"{name}-{number}") for number in numbers]


def end_state(events: list[ExecutionStreamEvent]) -> str:
    """The state in which a stream was closed; nothing stands after it."""
    finals = [event for event in events if isinstance(event, StatusEvent) and event.payload.final]
    assert finals == events[-1:]
    return finals[0].payload.state


def test_how_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that can be typed, here and as it was started: by name only if the shell finds that program by it."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "my env" / "streamhub"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert called(str(program)) == f"'{program}'"
    assert called("./my env/streamhub") == "'./my env/streamhub'"
    assert called("/else/where/streamhub/__main__.py") == f"{sys.executable} -m streamhub"
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin")
    assert called(str(program)) == "streamhub"
    assert called("/another/bin/streamhub") == "/another/bin/streamhub"


@pytest.mark.parametrize(("name", "mission"), MISSIONS)
def test_missions(tmp_path: Path, name: str, mission: Mission) -> None:
    """A mission tells of itself in events of every type, all valid; when the demo stops, it is cancelled."""
    streams = perform(tmp_path, name, mission, 400)
    assert {event.event_type for events in streams for event in events} == {
        *("navigation", "extraction", "signal", "status")
    }
    for events in streams:
        assert isinstance(events[0], StatusEvent)
        assert events[0].payload.state == "started"
    assert [end_state(events) for events in streams[:-1]].count("cancelled") == 0
    assert end_state(streams[-1]) in {"cancelled", "completed", "failed"}


@pytest.mark.slow
def test_missions_differ(tmp_path: Path) -> None:
    """One goes on for ever; one completes and starts anew; one fails now and then, and starts anew all the same."""
    ends = {name: list(map(end_state, perform(tmp_path, name, mission, 4000))) for name, mission in MISSIONS}
    assert ends["price-watch"] == ["cancelled"]
    assert len(ends["checkout"]) > 3
    assert set(ends["checkout"][:-1]) == {"completed"}
    assert set(ends["news"][:-1]) == {"completed", "failed"}


def test_what_is_there_stays(tmp_path: Path) -> None:
    """In a folder with streams of an earlier demo, the missions take the numbers that are free."""
    (tmp_path / "checkout-1.jsonl").write_bytes(b"earlier\n")
    performance = Performance(*MISSIONS[1], str(tmp_path), Hurry(0))
    assert performance.stream.live_stream_id == "checkout-2"
    performance.run()
    assert (tmp_path / "checkout-1.jsonl").read_bytes() == b"earlier\n"


def test_nowhere_to_write(tmp_path: Path) -> None:
    """Where missions cannot write, that is said at the start."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError):
        Performance(*MISSIONS[0], str(tmp_path / "file"), Hurry(0))
    outcome = command("demo", "--dir", tmp_path / "file", "--port", "0")
    assert outcome.code == 2
    assert "cannot be opened as a stream" in outcome.complaint


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_demo(tmp_path: Path, number: signal.Signals) -> None:
    """One command serves missions at work, says where to look, and ends them all cleanly when it is stopped."""
    async with started("demo", "--port", "0", cwd=tmp_path) as process:
        url = (await line_of(process.stdout)).decode()
        assert url.startswith("http://127.0.0.1:")
        (folder,) = (tmp_path / "outputs" / "execution_streams").iterdir()
        assert folder.name in (await line_of(process.stderr)).decode()
        stream = "price-watch-1"
        assert await line_of(process.stderr) == f"  npx wscat -c ws{url[4:]}/v1/stream/{stream}/ws".encode()
        assert await line_of(process.stderr) == f"  curl -N {url}/v1/stream/{stream}/sse".encode()
        assert await line_of(process.stderr) == f"  {sys.executable} -m streamhub tail -f --url {url} {stream}".encode()
        with urllib.request.urlopen(f"{url}/v1/streams") as response:
            ids = {entry["id"] for entry in json.load(response)["streams"]}
        assert {"price-watch-1", "checkout-1", "news-1"} <= ids
        await until(lambda: all(len(events_of(folder, f"{name}-1")) > 2 for name, _mission in MISSIONS))
        process.send_signal(number)
        outcome = await end_of(process)
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "Ctrl-C ends it.\n")
    for path in folder.iterdir():
        assert end_state(events_of(folder, path.stem))


@pytest.mark.slow
async def test_demo_folder(tmp_path: Path) -> None:
    """The folder can be chosen; STREAMHUB_DIR only says where a new one is made, since it may hold what is real."""
    async with started("demo", "--port", "0", "--dir", "chosen", cwd=tmp_path) as process:
        await line_of(process.stdout)
        assert (tmp_path / "chosen" / "news-1.jsonl").exists()
    async with started("demo", "--port", "0", cwd=tmp_path, STREAMHUB_DIR="real") as process:
        await line_of(process.stdout)
        (folder,) = (tmp_path / "real").iterdir()
        assert folder.name.startswith("demo-")
        assert (folder / "news-1.jsonl").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])
def test_for_this_machine_only(host: str) -> None:
    """The demo is not for others, whatever is said."""
    outcome = command("demo", "--host", host)
    assert outcome.code == 2
    assert "is not loopback" in outcome.complaint
