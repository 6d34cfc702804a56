from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from streamhub.folder import Folder
from streamhub.poller import Poller
from streamhub.tailer import Tailer
from tests.servers import until

if TYPE_CHECKING:
    from pathlib import Path

    from streamhub.tail import Tail

FLOOR = 0.005


async def test_a_look_is_due_at_the_next_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look begins a little after its tick, and the next is due a floor later: at the next tick, not the one after."""
    ticks: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def noting(when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        ticks.append(when)
        return call_at(when, *args, **kwargs)

    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=FLOOR, ceiling=1.0)
    poller = Poller(tailer, floor=FLOOR, tell=lambda _changes: None, rest=lambda: None)
    tick = (loop.time() // FLOOR + 10_000) * FLOOR
    monkeypatch.setattr(loop, "call_at", noting)
    tailer.next_due = tick + 0.0003 + FLOOR
    poller.schedule()
    monkeypatch.undo()
    await poller.close()
    assert [round(when / FLOOR) for when in ticks] == [round(tick / FLOOR) + 1]


@pytest.mark.slow
async def test_a_look_that_fails_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody foresaw in a look is logged, and by nobody else: the next look comes all the same."""
    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=FLOOR, ceiling=1.0)
    looked = asyncio.Event()
    outcomes = iter([RuntimeError("nobody foresaw this")])

    def poll_due() -> list[Any]:
        for error in outcomes:
            raise error
        tailer.next_due = None
        return []

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    tailer.poll_due = poll_due  # type: ignore[method-assign]
    tailer.next_due = 0.0
    poller = Poller(tailer, floor=FLOOR, tell=lambda _changes: looked.set(), rest=lambda: None)
    poller.schedule()
    await asyncio.wait_for(looked.wait(), 30)
    await poller.close()
    gc.collect()
    await asyncio.sleep(0)
    assert [record.message for record in caplog.records] == ["polling failed, will try again"]
    assert not complaints


async def test_a_look_in_between_has_what_moved_looked_at_soon(tmp_path: Path) -> None:
    """A stream that slept, and was found to have grown by a look made for one who came, is looked at again at once."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"{}\n")
    os.utime(path, (0, 0))
    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=FLOOR, ceiling=3600)
    told: list[int] = []
    poller = Poller(tailer, floor=FLOOR, tell=lambda changes: told.append(len(changes)), rest=lambda: None)
    tail = await poller.run(tailer.watch, "s")
    poller.schedule()
    await until(lambda: tailer.next_due is not None and tailer.next_due > time.monotonic() + 60)
    path.write_bytes(b"{}\n{}\n")
    await poller.look(tailer.poll, tail)
    path.write_bytes(b"{}\n{}\n{}\n")
    await until(lambda: sum(told) == 2)
    await poller.close()


async def test_a_glance_is_told_before_who_asked_goes_on(tmp_path: Path) -> None:
    """What was found is told first."""
    (tmp_path / "s.jsonl").write_bytes(b"{}\n")
    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=60, ceiling=60)
    said: list[str] = []
    poller = Poller(tailer, floor=60, tell=lambda changes: said.append(f"told {len(changes)}"), rest=lambda: None)
    tail = await poller.run(tailer.watch, "s")
    (tmp_path / "s.jsonl").write_bytes(b"{}\n{}\n")
    poller.glance(tail, lambda: said.append("went on"))
    await until(lambda: len(said) == 2)
    assert said == ["told 1", "went on"]
    await poller.close()


async def test_a_glance_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and whoever asked for it goes on all the same; after the end nobody looks, and nobody goes on."""
    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=60, ceiling=60)
    poller = Poller(tailer, floor=60, tell=lambda _changes: None, rest=lambda: None)
    tail = await poller.run(tailer.watch, "s")

    def glance(_tail: Tail) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(tailer, "glance", glance)
    said: list[str] = []
    poller.glance(tail, lambda: said.append("went on"))
    await until(lambda: bool(said))
    assert [record.message for record in caplog.records] == ["polling failed, will try again"]
    poller.glance(tail, lambda: said.append("went on"))
    await poller.close()
    poller.glance(tail, lambda: said.append("went on"))
    await asyncio.sleep(0.01)
    assert said == ["went on"]


@pytest.mark.slow
async def test_a_look_that_is_put_off_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick that a glance made needless does not come."""
    (tmp_path / "s.jsonl").write_bytes(b"{}\n")
    tailer = Tailer(Folder(str(tmp_path)), max_line=1024, floor=0.25, ceiling=60)
    poller = Poller(tailer, floor=0.25, tell=lambda _changes: None, rest=lambda: None)
    tail = await poller.run(tailer.watch, "s")
    ticks = Counter[str]()

    def poll_due() -> list[Any]:
        ticks["made"] += 1
        return Tailer.poll_due(tailer)

    monkeypatch.setattr(tailer, "poll_due", poll_due)
    poller.schedule()
    glances = asyncio.Queue[None]()
    for _ in range(40):
        poller.glance(tail, lambda: glances.put_nowait(None))
        await glances.get()
        await asyncio.sleep(0.02)
    assert ticks["made"] <= 1  # in place of three; one, if the machine held us up for a floor
    await poller.close()
