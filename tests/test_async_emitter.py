from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import streamhub
from streamhub.async_emitter import AsyncEmitter
from streamhub.current import current_stream
from streamhub.errors import ConfigError, InvalidEventError, InvalidStreamIdError, StreamClosedError
from streamhub.events import Extraction, Navigation, Payload, Signal, Status, decode
from tests.conftest import ROOT


def payloads(path: Path) -> list[Payload]:
    """What a stream tells."""
    return [decode(line).payload for line in path.read_bytes().splitlines()]


async def test_a_mission(tmp_path: Path) -> None:
    """The same calls as an Emitter's, in their order; the end of the block is the end of the stream, and is awaited."""
    async with AsyncEmitter(mission_id="m-42", directory=tmp_path) as stream:
        stream.navigation(url="https://example.com", action="click", detail="next page")
        stream.extraction(target="prices", count=12)
        stream.signal(name="captcha", value=True)
        stream.status(state="running")
        stream.emit(Signal("last"))
    assert stream.path == tmp_path / f"{stream.live_stream_id}.jsonl"
    assert payloads(stream.path) == [
        Navigation("https://example.com", "click", "next page"),
        Extraction("prices", 12),
        Signal("captcha", True),
        Status("running"),
        Signal("last"),
        Status("completed", final=True),
    ]
    assert stream.dropped == 0


def test_it_is_a_public_name_that_costs_nothing() -> None:
    """``streamhub.AsyncEmitter`` is loaded when it is asked for; a name that is not there is said not to be."""
    assert streamhub.AsyncEmitter is AsyncEmitter
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = streamhub.Nothing


async def test_the_loop_does_not_wait_for_the_file(tmp_path: Path) -> None:
    """Somebody holds the file's lock: the mission goes on at once, and what it told is written when that is over."""
    async with AsyncEmitter("m", "s", tmp_path) as stream:
        with stream.path.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            for number in range(100):
                stream.signal("n", number)
            begun = asyncio.create_task(stream.flush())
            for _ in range(100):
                await asyncio.sleep(0)
            assert not begun.done()
            assert stream.path.read_bytes() == b""
            fcntl.flock(other, fcntl.LOCK_UN)
        await begun
        assert payloads(stream.path) == [Signal("n", number) for number in range(100)]
    assert stream.dropped == 0


async def test_what_finds_no_room_is_dropped_and_told(tmp_path: Path) -> None:
    """A disk that does not keep up never holds the mission up: the rest is counted, and the viewers are told."""
    async with AsyncEmitter("m", "s", tmp_path, capacity=10) as stream:
        with stream.path.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            stream.signal("first")
            while stream._worker.waiting:
                await asyncio.sleep(0)
            for number in range(30):
                stream.signal("n", number)
            assert stream.dropped == 20
            fcntl.flock(other, fcntl.LOCK_UN)
        await stream.flush()
        stream.signal("after")
    assert stream.dropped == 20
    assert payloads(stream.path) == [
        Signal("first"),
        *(Signal("n", number) for number in range(10)),
        Signal("events_dropped", 20),
        Signal("after"),
        Status("completed", final=True),
    ]


async def test_how_it_ends(tmp_path: Path) -> None:
    """An exception is a failure of its type, a cancellation is told as one; helpers do not end the stream."""
    with pytest.raises(ValueError, match="no"):
        async with AsyncEmitter("m", "failed", tmp_path):
            raise ValueError("no")
    async with AsyncEmitter("m", "open", tmp_path, closes_stream=False) as stream:
        stream.signal("n")

    async def mission() -> None:
        async with AsyncEmitter("m", "cancelled", tmp_path):
            begun.set()
            await asyncio.sleep(3600)

    begun = asyncio.Event()
    task = asyncio.create_task(mission())
    await begun.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert payloads(tmp_path / "failed.jsonl") == [Status("failed", final=True, detail="ValueError")]
    assert payloads(tmp_path / "open.jsonl") == [Signal("n")]
    assert payloads(tmp_path / "cancelled.jsonl") == [Status("cancelled", final=True, detail="CancelledError")]


async def test_after_the_end(tmp_path: Path) -> None:
    """What comes after it is dropped and counted; a second end does nothing."""
    async with AsyncEmitter("m", "s", tmp_path) as stream:
        pass
    stream.signal("late")
    await stream.flush()
    await stream.close("failed")
    assert stream.dropped == 1
    assert payloads(stream.path) == [Status("completed", final=True)]


async def test_what_cannot_be(tmp_path: Path) -> None:
    """A wrong name is refused at once, a wrong place when the block is entered, an event of no type is dropped."""
    with pytest.raises(InvalidEventError):
        AsyncEmitter("", directory=tmp_path)
    with pytest.raises(InvalidStreamIdError):
        AsyncEmitter("m", "../s", tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError):
        async with AsyncEmitter("m", "s", tmp_path / "file"):
            pass
    async with AsyncEmitter("m", "s", tmp_path) as stream:
        stream.extraction("prices", "many")  # type: ignore[arg-type]
    assert stream.dropped == 1
    with pytest.raises(StreamClosedError):
        async with AsyncEmitter("m", "s", tmp_path):
            pass
    lost = AsyncEmitter("m", "s", tmp_path / "file")
    lost.signal("n")
    await lost.flush()
    assert lost.dropped == 1
    await lost.close()


async def test_it_is_the_current_stream(tmp_path: Path) -> None:
    """Within the block, for the tasks that are begun there too."""

    async def crawl() -> None:
        current_stream().signal("crawled")

    async with AsyncEmitter("m", "s", tmp_path) as stream:
        await asyncio.create_task(crawl())
    assert not current_stream()
    assert payloads(stream.path)[0] == Signal("crawled")


async def test_from_threads_too(tmp_path: Path) -> None:
    """Whatever thread an event comes from, it is there once, and those of a thread in their order."""
    async with AsyncEmitter("m", "s", tmp_path) as stream:

        def tell(thread: int) -> None:
            for number in range(200):
                stream.signal(f"t{thread}", number)

        await asyncio.gather(*(asyncio.to_thread(tell, thread) for thread in range(4)))
    signals = [payload for payload in payloads(stream.path) if isinstance(payload, Signal)]
    for thread in range(4):
        assert [signal.value for signal in signals if signal.name == f"t{thread}"] == list(range(200))


async def test_its_thread_ends_with_it(tmp_path: Path) -> None:
    """Nothing is left of an emitter that is let go of, closed or not; what it was told is written."""
    stream = AsyncEmitter("m", "s", tmp_path)
    stream.signal("n")
    path = stream.path
    del stream
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "streamhub-emitter":
            await asyncio.to_thread(thread.join, 30)
    assert payloads(path) == [Signal("n")]
    assert not [thread for thread in threading.enumerate() if thread.name == "streamhub-emitter"]


def test_the_process_ends_with_everything_written(tmp_path: Path) -> None:
    """A mission that ends without closing its stream loses nothing that it told, and a forked child can go on."""
    program = """
import os, sys
from streamhub import AsyncEmitter
stream = AsyncEmitter("m", "s", sys.argv[1])
for number in range(1000):
    stream.signal("parent", number)
if (child := os.fork()) == 0:
    stream.signal("child")
    sys.exit(0)
os.waitpid(child, 0)
"""
    # From Python 3.12 on it is warned of forks beside threads; ours is one that a fork may leave behind.
    flags = ("-W", "error", "-W", "ignore::DeprecationWarning")
    subprocess.run([sys.executable, *flags, "-c", program, str(tmp_path)], check=True, cwd=ROOT, timeout=60)
    told = payloads(tmp_path / "s.jsonl")
    assert [payload for payload in told if payload != Signal("child")] == [Signal("parent", n) for n in range(1000)]
    assert told.count(Signal("child")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_child_of_multiprocessing(tmp_path: Path, method: str) -> None:
    """It leaves without the process's usual end, and has everything written all the same."""
    (tmp_path / "missions.py").write_text("""
import multiprocessing, sys
from streamhub import AsyncEmitter

kept = []

def mission(folder, stream):
    kept.append(AsyncEmitter("m", stream, folder))
    for number in range(1000):
        kept[0].signal("n", number)

if __name__ == "__main__":
    method, folder = sys.argv[1:]
    child = multiprocessing.get_context(method).Process(target=mission, args=(folder, "child"))
    child.start()
    child.join()
    sys.exit(child.exitcode)
""")
    arguments = [sys.executable, str(tmp_path / "missions.py"), method, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(arguments, check=True, env=environment, timeout=60)
    assert payloads(tmp_path / "child.jsonl") == [Signal("n", number) for number in range(1000)]


async def test_losses_without_number_are_told_at_once(tmp_path: Path) -> None:
    """However many found no room while the disk hung: they do not become as many jobs when it goes on."""
    async with AsyncEmitter("m", "s", tmp_path, capacity=10) as stream:
        other = stream.path.open("ab")
        fcntl.flock(other, fcntl.LOCK_EX)
        while stream.dropped < 50_000:
            stream.signal("n")
        other.close()
        while stream._worker.waiting >= 10:
            await asyncio.sleep(0.001)
        stream.signal("kept")
        assert stream._worker.waiting <= 12
        await stream.flush()
        assert stream.dropped == 50_000
    told = [payload for payload in payloads(stream.path) if isinstance(payload, Signal)]
    assert sum(signal.value for signal in told if signal.name == "events_dropped") == 50_000  # type: ignore[misc]
    assert told[-1] == Signal("kept")


async def test_a_mission_that_is_cancelled_while_it_begins(tmp_path: Path) -> None:
    """The file is there, and nobody comes to end it: it ends by itself, as cancelled."""
    (tmp_path / "s.jsonl").touch()
    stream = AsyncEmitter("m", "s", tmp_path)
    with stream.path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        entering = asyncio.create_task(stream.__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    await stream.flush()
    assert payloads(stream.path) == [Status("cancelled", True, "CancelledError")]


async def test_a_child_tells_of_its_own_losses_only(tmp_path: Path) -> None:
    """What the parent had no room for is the parent's to tell."""
    stream = AsyncEmitter("m", "s", tmp_path, capacity=0)
    stream.signal("n")
    assert stream.dropped == 1
    stream.after_fork()
    assert stream.dropped == 0


async def test_an_end_that_takes_too_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that hangs does not hold the mission for ever."""
    monkeypatch.setattr("streamhub.async_emitter._PATIENCE", 0.05)
    async with AsyncEmitter("m", "s", tmp_path) as stream:
        other = stream.path.open("ab")
        fcntl.flock(other, fcntl.LOCK_EX)
        stream.signal("n")
    assert "not waiting for it" in caplog.text
    other.close()
    await stream.flush()
    assert payloads(stream.path) == [Signal("n"), Status("completed", final=True)]
