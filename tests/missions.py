"""Missions that are run in a process of their own, because they are killed, forked, starved or struck by signals.

``python -m tests.missions <name> <directory> [argument …]``; what they have to say is one JSON value on stdout.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamhub.emitter import Emitter
from streamhub.errors import ConfigError, EmitError


def run(name: str, directory: Path, *arguments: object, timeout: float = 120) -> Any:
    """Run a mission to its end, and give what it said."""
    command = [sys.executable, "-W", "error", "-m", "tests.missions", name, str(directory), *map(str, arguments)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, cwd=root, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def killed(directory: str, stream_id: str, kills: str, seed: str) -> list[int]:
    """Children emit one after the other, each until it is killed; how many events each knows to be written."""
    chance = random.Random(int(seed))
    acknowledged = mmap.mmap(-1, 8)
    counts = []
    for number in range(int(kills)):
        acknowledged[:] = bytes(8)
        pid = os.fork()
        if pid == 0:
            _emit_for_ever(directory, stream_id, number, acknowledged, random.Random(chance.random()))
        while acknowledged[:] == bytes(8):
            time.sleep(0)
        if number % 4 == 0:
            time.sleep(chance.random() * 0.002)
        else:
            _wait_until_it_grows(os.path.join(directory, f"{stream_id}.jsonl"))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        counts.append(int.from_bytes(acknowledged[:], "little"))
    return counts


def _wait_until_it_grows(path: str) -> None:
    size = os.stat(path).st_size
    while os.stat(path).st_size == size:
        pass


def _emit_for_ever(directory: str, stream_id: str, number: int, acknowledged: mmap.mmap, chance: random.Random) -> None:
    stream = Emitter("m", stream_id, directory, closes_stream=False)
    count = 0
    while True:
        # A long line takes long to write, so that the kill often strikes in the middle of one.
        stream.signal(f"child-{number}", count, "x" * chance.choice((0, 10, 1_000, 400_000)))
        count += 1
        acknowledged[:] = count.to_bytes(8, "little")


def limited(directory: str) -> int:
    """The file may not grow beyond each byte of an event in turn: one stream a byte, named by it."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    byte, size = 0, 1
    while byte <= size:
        stream = Emitter("m", f"byte-{byte}", directory)
        stream.signal("before")
        before = stream.path.stat().st_size
        stream.signal("limited")
        size = stream.path.stat().st_size - before
        os.truncate(stream.path, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (before + byte, hard))
        stream.signal("limited")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        stream.signal("after", stream.dropped)
        stream.close()
        byte += 1
    return size


def forked(directory: str, children: str, events: str) -> dict[str, int]:
    """A mission whose thread emits all the while forks children that emit too; one child leaves the ``with``."""
    done = threading.Event()
    count = 0

    def emit() -> None:
        nonlocal count
        while not done.is_set():
            stream.signal("thread", count)
            count += 1

    with Emitter("m", "forked", directory) as stream:
        thread = threading.Thread(target=emit)
        thread.start()
        for number in range(int(children)):
            pid = os.fork()
            if pid == 0:
                for event in range(int(events)):
                    stream.signal(f"child-{number}", event)
                os._exit(stream.dropped)
            _, code = os.waitpid(pid, 0)
            assert code == 0
        done.set()
        thread.join()
        if (pid := os.fork()) == 0:
            sys.exit(0)  # through the end of the with, as a mission's own child might
        os.waitpid(pid, 0)
        stream.signal("parent")
    return {"thread": count, "dropped": stream.dropped}


def struck(directory: str, events: str) -> dict[str, int]:
    """A timer's signal handler emits in the middle of emits, and at last closes the stream and leaves."""
    strikes = 0

    def strike(*_: object) -> None:
        nonlocal strikes
        strikes += 1
        stream.signal("strike", strikes)

    def leave(*_: object) -> None:
        stream.close("cancelled")
        sys.exit(0)

    stream = Emitter("m", "struck", directory)
    count = 0
    try:
        signal.signal(signal.SIGALRM, strike)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        for _ in range(int(events)):
            stream.signal("main", count)
            count += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, leave)
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        while True:
            stream.signal("main", count)
            count += 1
    except SystemExit:
        stream.close()
    return {"main": count, "strikes": strikes, "dropped": stream.dropped}


def starved(directory: str) -> dict[str, Any]:
    """No descriptor is left when the emitters are made; there is one again before the second event."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        Emitter("m", "strict", directory, strict=True)
    except EmitError as error:
        refused = str(error)
    stream = Emitter("m", "starved", directory)
    stream.signal("lost")
    dropped = stream.dropped
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    stream.signal("kept")
    stream.close()
    return {"refused": refused, "dropped": dropped}


def unwritable(directory: str) -> str:
    """A user who may not write the folder makes an emitter."""
    os.chmod(directory, 0o755)
    os.setresuid(65534, 65534, 65534)
    try:
        Emitter("m", "a", directory)
    except ConfigError as error:
        return str(error)
    return ""


def writes(directory: str, stream_id: str, name: str, threads: str, events: str) -> int:
    """Threads write one stream with one emitter, beside other processes; how many events were dropped."""

    def emit(thread: int) -> None:
        for event in range(int(events)):
            stream.signal(f"{name}-{thread}", event)

    with Emitter("m", stream_id, directory, closes_stream=False) as stream:
        workers = [threading.Thread(target=emit, args=(thread,)) for thread in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    return stream.dropped


MISSIONS: dict[str, Callable[..., Any]] = {
    mission.__name__: mission for mission in (killed, limited, forked, struck, starved, unwritable, writes)
}

if __name__ == "__main__":
    print(json.dumps(MISSIONS[sys.argv[1]](*sys.argv[2:])))
