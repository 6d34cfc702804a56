from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from streamhub.folder import Folder
from streamhub.poller import Poller
from streamhub.tailer import Tailer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

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
