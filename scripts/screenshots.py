"""The pictures in docs/images: an hour of the demo's missions, played at once, in the dashboard.

``python -m scripts.screenshots <folder>``; ``scripts/screenshots`` sets up what it needs.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from streamhub.config import Config
from streamhub.demo import MISSIONS
from streamhub.events import (
    ExecutionStreamEvent,
    Extraction,
    ExtractionEvent,
    Navigation,
    NavigationEvent,
    Payload,
    Signal,
    SignalEvent,
    State,
    Status,
    StatusEvent,
    encode,
)
from streamhub.web.server import running
from tests.pages import chromium

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

    from streamhub.demo import Stage


class _CurtainError(Exception):
    """The time to play is over."""


class Rehearsal:
    """What a mission of the demo works with, and the stream that it tells: no time passes but on this clock."""

    def __init__(self, mission: str, start: datetime, until: datetime, seed: int) -> None:
        self.stream = self
        self.chance = random.Random(seed)
        self.lines: list[bytes] = []
        self._mission = mission
        self._now = start
        self._until = until

    def happens(self, probability: float) -> bool:
        """As in the demo."""
        return self.chance.random() < probability

    def take(self, least: float, most: float) -> None:
        """As in the demo, but it takes no time."""
        self._now += timedelta(seconds=self.chance.uniform(least, most))
        if self._now > self._until:
            raise _CurtainError

    def navigation(self, url: str, action: str, detail: str | None = None) -> None:
        """As an emitter."""
        self._tell(Navigation(url, action, detail))

    def extraction(self, target: str, count: int, url: str | None = None, detail: str | None = None) -> None:
        """As an emitter."""
        self._tell(Extraction(target, count, url, detail))

    def signal(self, name: str, value: float | str | None = None, detail: str | None = None) -> None:
        """As an emitter."""
        self._tell(Signal(name, value, detail))

    def status(self, state: State, *, final: bool = False, detail: str | None = None) -> None:
        """As an emitter."""
        self._tell(Status(state, final, detail))

    def _tell(self, payload: Payload) -> None:
        self._now += timedelta(microseconds=self.chance.randint(80, 900))
        event: ExecutionStreamEvent
        match payload:
            case Navigation():
                event = NavigationEvent(self._now, self._mission, payload)
            case Extraction():
                event = ExtractionEvent(self._now, self._mission, payload)
            case Signal():
                event = SignalEvent(self._now, self._mission, payload)
            case Status():
                event = StatusEvent(self._now, self._mission, payload)
        self.lines.append(encode(event) + b"\n")


def play(directory: Path, stream: str, *, start: datetime, until: datetime, seed: int) -> None:
    """Write what a mission of the demo would have told from one time to another."""
    name = stream.rpartition("-")[0]
    rehearsal = Rehearsal(name, start, until, seed)
    rehearsal.status("started")
    with suppress(_CurtainError):
        try:
            dict(MISSIONS)[name](cast("Stage", rehearsal))  # it works like one
            rehearsal.status("completed", final=True)
        except TimeoutError:
            rehearsal.status("failed", final=True, detail="TimeoutError")
    (directory / f"{stream}.jsonl").write_bytes(b"".join(rehearsal.lines))


def fill(directory: Path) -> None:
    """An hour of missions, up to now."""
    now = datetime.now(UTC)

    def before(minutes: float) -> datetime:
        return now - timedelta(minutes=minutes)

    play(directory, "price-watch-1", start=before(58), until=now, seed=4)
    play(directory, "price-watch-2", start=before(9), until=before(4), seed=8)
    for number in range(1, 6):
        play(directory, f"checkout-{number}", start=before(11 * number), until=now, seed=number)
    for number in range(1, 9):
        play(directory, f"news-{number}", start=before(6 * number - 5.7), until=now, seed=20 + number)
    torn = directory / "price-watch-2.jsonl"
    torn.write_bytes(torn.read_bytes() + b'{"timestamp":"2026-01-01T00:00:0\n')


async def open_page(browser: Browser, url: str, scheme: Literal["dark", "light"], width: int, height: int) -> Page:
    """A page of the dashboard."""
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=1,
        timezone_id="UTC",
    )
    page = await context.new_page()
    await page.goto(url)
    return page


async def take_pictures(directory: Path, target: Path) -> None:
    """One stream with an event, dark; the list, light; a stream on a telephone."""
    program = shutil.which("chromium") or "chromium"
    async with running(Config(str(directory), port=0)) as url, chromium(program) as browser:
        page = await open_page(browser, f"{url}/#/s/price-watch-1", "dark", 1280, 760)
        await page.locator(".facts", has_text="events").wait_for()
        await page.locator(".row.extraction .time").nth(-3).click()
        await page.locator("event-detail .json").wait_for()
        await page.screenshot(path=target / "dashboard-dark.png", animations="disabled")

        page = await open_page(browser, f"{url}/", "light", 1280, 760)
        await page.locator(".streams .spark").nth(13).wait_for()
        await page.screenshot(path=target / "dashboard-light.png", animations="disabled")

        page = await open_page(browser, f"{url}/#/s/price-watch-1", "dark", 400, 760)
        await page.locator(".facts", has_text="events").wait_for()
        await page.locator("stream-timeline canvas").wait_for()
        await page.screenshot(path=target / "dashboard-narrow.png", animations="disabled")


def main() -> None:
    """Take them."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        fill(Path(directory))
        asyncio.run(take_pictures(Path(directory), target))


if __name__ == "__main__":
    main()
