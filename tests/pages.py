"""The dashboard in a browser: Debian's Chromium, driven by Playwright.

A page that a test opens is watched to its end: whatever the test is about, nothing may be asked of another host,
nothing but GET and HEAD may be sent, no socket may send anything, and the console must stay clean.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from playwright.async_api import async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, Request, WebSocket

FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: The browser itself says so in the console when an answer is no 2xx, or none comes: tests that provoke it allow it.
REFUSED: Final = "Failed to load resource"
BROKEN: Final = "WebSocket connection to"

# Machines that run tests are busy.
expect.set_options(timeout=20_000)


@contextlib.asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def visiting(browser: Browser, url: str, **settings: Any) -> AsyncIterator[Dashboard]:
    """The dashboard of a server, in a window of its own; nothing that should not happen may have happened in it."""
    defaults = {"viewport": {"width": 1280, "height": 800}, "timezone_id": "Asia/Kolkata", "locale": "en-GB"}
    context = await browser.new_context(**{**defaults, **settings})
    dashboard = Dashboard(await context.new_page(), url)
    dashboard.watch()
    yield dashboard
    await context.close()
    assert not dashboard.problems, "\n".join(dashboard.problems)


@dataclass
class Dashboard:
    """The dashboard of a server, in a page of its own.

    Attributes:
        page: the page.
        url: the server's.
        allowed: what the console may say.
        problems: what should not have happened.
    """

    page: Page
    url: str
    allowed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def open(self, stream: str | None = None, query: str = "", path: str | None = None) -> None:
        """Go to the list of streams, to one stream, or to another place in the page."""
        place = path if path is not None else "/" if stream is None else f"/s/{quote(stream)}{query}"
        await self.page.goto("about:blank")
        await self.page.goto(f"{self.url}/#{place}")

    @property
    def rows(self) -> Locator:
        """The rows that are elements just now, notes left out."""
        return self.page.locator(".row:not(.note)")

    def row(self, text: str) -> Locator:
        """The rows in sight that hold a text."""
        return self.rows.filter(has_text=text)

    @property
    def notes(self) -> Locator:
        """The notes among the rows."""
        return self.page.locator(".row.note")

    @property
    def connection(self) -> Locator:
        """What the page says of its connection."""
        return self.page.locator("connection-state > span")

    @property
    def detail(self) -> Locator:
        """The pane that shows one event."""
        return self.page.locator("event-detail")

    async def held(self, pane: int = 0) -> list[str]:
        """The sentences of all rows that the list holds, whether they are elements or not."""
        script = """pane => document.querySelectorAll("event-rows")[pane].source.rows.filter((row) => !row.isNote)
            .map((row) => row.parts.map((part) => part.text).join(" "))"""
        sentences: list[str] = await self.page.evaluate(script, pane)
        return sentences

    async def texts(self) -> list[str]:
        """The sentences in sight."""
        return [text.strip() for text in await self.page.locator(".row:not(.note) .words").all_inner_texts()]

    async def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate in the page."""
        return await self.page.evaluate(script, argument)

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def search(self, text: str) -> None:
        """Search, and wait for the end of it."""
        field = self.page.get_by_label("Find in the whole stream")
        await field.fill(text)
        await field.press("Enter")  # at once: the end of an earlier search is not the end of this one
        await expect(self.page.locator(".progress")).to_contain_text("in all")

    async def rest(self) -> None:
        """Wait until the rows have come to rest: browsers scroll smoothly."""
        await self.page.evaluate(
            """() => new Promise((done) => {
                const view = document.querySelector("event-rows .view");
                let [place, still] = [view.scrollTop, 0];
                const look = () => {
                    still = view.scrollTop === place ? still + 1 : 0;
                    place = view.scrollTop;
                    if (still < 12) requestAnimationFrame(look);
                    else done();
                };
                look();
            })"""
        )

    def watch(self) -> None:
        """Note whatever should not happen."""
        self.page.on("console", self._said)
        self.page.on("pageerror", self._failed)
        self.page.on("request", self._asked)
        self.page.on("websocket", self._connected)
        self.page.on("dialog", lambda dialog: self.problems.append(f"a dialog: {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(text in message.text for text in self.allowed):
            self.problems.append(f"console: {message.text}")

    def _failed(self, error: Error) -> None:
        self.problems.append(f"exception: {error.stack or error.message}")

    def _asked(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme in {"blob", "data", "about"}:
            return
        if f"{place.scheme}://{place.netloc}" != self.url:
            self.problems.append(f"asked another host: {request.url}")
        if request.method not in {"GET", "HEAD"}:
            self.problems.append(f"sent {request.method} {request.url}")

    def _connected(self, socket: WebSocket) -> None:
        if urlsplit(socket.url).netloc != urlsplit(self.url).netloc:
            self.problems.append(f"connected to another host: {socket.url}")
        socket.on("framesent", lambda frame: self.problems.append(f"sent over the socket: {frame!r}"))


def line(number: int, kind: str = "signal", mission: str = "m", second: int | None = None, **payload: Any) -> bytes:
    """An event's line, with its newline; its time is ``second`` (by default its number) seconds into a day."""
    second = number if second is None else second
    time = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{number % 1_000_000:06}Z"
    payload = payload or {"name": f"event-{number}"}
    event = {"timestamp": time, "mission_id": mission, "event_type": kind, "payload": payload}
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def signals(*numbers: int) -> list[str]:
    """The sentences of the lines that ``line`` makes."""
    return [f"event-{number}" for number in numbers]


def token(lines: list[bytes], index: int) -> str:
    """The offset of the line at an index."""
    generation = hashlib.sha256(lines[0].rstrip(b"\n")[:4096]).hexdigest()[:8]
    return f"{generation}_{sum(map(len, lines[:index])):016}"


async def linked(dashboard: Dashboard) -> str:
    """The offset in the page's address, once it is there."""
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]o="))
    return parse_qs(dashboard.page.url.partition("?")[2])["o"][0]
