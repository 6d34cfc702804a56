"""What the service manager hears, on a real socket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from streamhub.web.systemd import Manager
from tests.commands import line_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Listening:
    """A service manager that only listens."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(address)

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    async def heard(self) -> str:
        """The next message; a test that waits in vain fails."""
        async with asyncio.timeout(30):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()

    async def heard_but_signs_of_life(self) -> str:
        """The next message that says something."""
        while (message := await self.heard()) == "WATCHDOG=1":
            pass
        return message

    @property
    def silent(self) -> bool:
        """Whether there is no message."""
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[Listening, str]]:
    """A service manager, and its address."""
    address = str(tmp_path / "notify")
    listening = Listening(address)
    yield listening, address
    listening.close()


@pytest.mark.slow
async def test_ready_and_stopping(tmp_path: Path, manager: tuple[Listening, str]) -> None:
    """READY=1 once the server listens, STOPPING=1 when it is told to end: each once."""
    listening, address = manager
    async with started("serve", "--dir", tmp_path, "--port", "0", NOTIFY_SOCKET=address) as process:
        ready = await listening.heard()
        url = (await line_of(process.stdout)).decode()
        assert ready == f"READY=1\nSTATUS=serving {tmp_path} at {url}"
        process.send_signal(signal.SIGTERM)
        assert (await listening.heard()).startswith("STOPPING=1\n")
        assert await process.wait() == 0
    assert listening.silent


@pytest.mark.slow
async def test_watchdog(tmp_path: Path, manager: tuple[Listening, str]) -> None:
    """Signs of life come for as long as the event loop turns, and stop when the process does."""
    listening, address = manager
    flags = ("--dir", tmp_path, "--port", "0")
    async with started("serve", *flags, NOTIFY_SOCKET=address, WATCHDOG_USEC="200000") as process:
        assert (await listening.heard_but_signs_of_life()).startswith("READY=1")
        assert [await listening.heard() for _ in range(3)] == ["WATCHDOG=1"] * 3
        process.send_signal(signal.SIGSTOP)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.01)
        while not listening.silent:
            pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await listening.heard()
        process.send_signal(signal.SIGCONT)
        assert await listening.heard() == "WATCHDOG=1"


@pytest.mark.slow
async def test_workers(tmp_path: Path, manager: tuple[Listening, str]) -> None:
    """The parent speaks for its workers: once all are ready; and when one of them hangs, it gives no sign of life."""
    listening, address = manager
    flags = ("--dir", tmp_path, "--port", "0", "--workers", "2")
    async with started("serve", *flags, NOTIFY_SOCKET=address, WATCHDOG_USEC="600000") as process:
        ready = await listening.heard()
        assert ready.startswith("READY=1\n")
        assert ready.endswith("with 2 workers")
        assert await listening.heard() == "WATCHDOG=1"
        workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in child.cmdline()[-2]]
        assert len(workers) == 2
        workers[0].suspend()
        while True:  # what was said before it was known to hang
            try:
                async with asyncio.timeout(1.2):
                    await listening.heard()
            except TimeoutError:
                break
        workers[0].resume()
        assert await listening.heard() == "WATCHDOG=1"
        process.send_signal(signal.SIGTERM)
        assert (await listening.heard_but_signs_of_life()).startswith("STOPPING=1\n")
        assert await process.wait() == 0
    assert listening.silent


def test_the_environment_is_taken() -> None:
    """What systemd said is not handed on to children; a watchdog that is another process's is none of ours."""
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    assert Manager.from_environment(environment).patience == 30
    assert environment == {"A": "b"}
    for pid, period, patience in (("1", "30000000", 0), ("", "5000000", 5), ("", "x", 0), ("", "", 0)):
        named = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": period, "WATCHDOG_PID": pid}
        assert Manager.from_environment(named).patience == patience
    assert Manager.from_environment({"WATCHDOG_USEC": "5000000"}).patience == 0


async def test_an_abstract_socket() -> None:
    """An address that begins with @ is of the abstract namespace."""
    name = f"streamhub-test-{os.getpid()}"
    listening = Listening(f"\0{name}")
    Manager(f"@{name}").ready("one\ntwo")
    assert await listening.heard() == "READY=1\nSTATUS=one two"
    listening.close()


def test_nobody_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A manager that is not there is no reason not to serve; without one nothing is said at all."""
    Manager(str(tmp_path / "nowhere")).ready("x")
    assert "cannot be told READY=1" in caplog.text
    caplog.clear()
    Manager().ready("x")
    Manager().live()
    assert not caplog.text
