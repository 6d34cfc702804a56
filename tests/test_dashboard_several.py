"""Several streams in the dashboard, in a browser: side by side, and merged by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import Dashboard, line, signals
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_streams_side_by_side_and_merged(dashboard: Dashboard, tmp_path: Path) -> None:
    """Chosen in the list, several streams are shown side by side, or as one by time; both are live on one socket."""
    with Stream(tmp_path, "a") as first, Stream(tmp_path, "b") as second:
        for number in range(0, 40, 2):
            first.write(line(number, mission="ma"))
            second.write(line(number + 1, mission="mb"))
        await dashboard.open()
        for stream in ("a", "b"):
            await dashboard.page.get_by_label(f"Choose {stream}, ").check()
        sockets: list[str] = []
        dashboard.page.on("websocket", lambda socket: sockets.append(socket.url))
        await dashboard.page.get_by_role("link", name="Side by side").click()
        await expect(dashboard.page.locator("stream-pane")).to_have_count(2)
        await expect(dashboard.row("event-39")).to_have_count(1)
        assert await dashboard.held(0) == signals(*range(0, 40, 2))
        assert await dashboard.held(1) == signals(*range(1, 40, 2))
        second.write(line(41, mission="mb"))
        await expect(dashboard.row("event-41")).to_have_count(1)
        await dashboard.page.get_by_role("link", name="Merged by time").click()
        await expect(dashboard.page.locator("stream-pane")).to_have_count(1)
        await expect(dashboard.row("event-41")).to_have_count(1)
        assert await dashboard.held() == signals(*range(40), 41)
        first.write(line(42, mission="ma"))
        second.write(line(43, mission="mb"))
        for number in (42, 43):  # each comes with its own stream's next look, in either order
            await expect(dashboard.row(f"event-{number}")).to_be_in_viewport()
        assert await dashboard.held() == signals(*range(40), 41, 42, 43)
        await expect(dashboard.page.locator(".row .tag").last).to_have_text("mb")
        assert all(url.count("stream=") == 2 for url in sockets if "%40" in url or "@" in url)
