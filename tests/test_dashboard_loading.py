"""How the dashboard is loaded, in a browser: all modules at once, kept until they change; rows before sums."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import Dashboard, line
from tests.servers import Server, served

if TYPE_CHECKING:
    from playwright.async_api import Route

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATIC = Path(str(resources.files("streamhub.web") / "static"))
IMPORT = re.compile(r"""^(?:import|export) (?:[^;"]* from )?"(\.[^"]+)";""", re.MULTILINE)


def reachable(name: str = "main.js") -> set[str]:
    """The modules that one leans on, itself included."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        module = waiting.pop()
        found.add(module)
        path = STATIC / module
        names = {(path.parent / other).resolve() for other in IMPORT.findall(path.read_text())}
        waiting |= {str(other.relative_to(STATIC.resolve())) for other in names} - found
    return found


async def page_of(server: Server) -> str:
    """The page's own text."""
    status, _, body = await server.get("/")
    assert status == 200
    return body.decode()


async def test_page_names_every_module(tmp_path: Path) -> None:
    """A browser learns of all modules from the page, so that none waits for another to be read; and of no other."""
    async with served(tmp_path) as server:
        text = await page_of(server)
    preloads = re.findall(r'<link rel="modulepreload" href="/static/\w{16}/([^"]+)">', text)
    assert len(preloads) > 20
    assert sorted(preloads) == sorted(reachable())


async def test_files_are_kept_until_they_change(tmp_path: Path) -> None:
    """Below an address that names their content browsers keep them for good; without it they ask each time."""
    async with served(tmp_path) as server:
        version = re.search(r"/static/(\w{16})/main\.js", await page_of(server))
        assert version
        _, headers, kept = await server.get(f"/static/{version[1]}/main.js")
        assert "immutable" in headers["Cache-Control"]
        assert "private" in headers["Cache-Control"]
        _, headers, asked = await server.get("/static/main.js")
        assert headers["Cache-Control"] == "no-cache"
        assert kept == asked == (STATIC / "main.js").read_bytes()
        status, _, _ = await server.get("/static/0123456789abcdef/main.js")
        assert status == 404


async def test_second_visit_asks_for_no_file(dashboard: Dashboard) -> None:
    """Whoever comes again has the page's files already."""
    sizes = """performance.getEntriesByType("resource").filter((entry) => /\\.(js|css)$/.test(entry.name))
        .map((entry) => entry.transferSize)"""
    await dashboard.open()
    await expect(dashboard.page.locator(".empty")).to_contain_text("No stream yet")
    first = await dashboard.run(sizes)
    assert min(first) > 0
    await dashboard.open()
    await expect(dashboard.page.locator(".empty")).to_contain_text("No stream yet")
    assert await dashboard.run(sizes) == [0] * len(first)


async def test_first_rows_wait_for_no_sum(dashboard: Dashboard, tmp_path: Path) -> None:
    """Rows are there after a handful of questions about the end, however long the sums over all of it take."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(20_000)))
    released = asyncio.Event()
    asked: list[str] = []

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await dashboard.page.route("**/summary?*", hold)
    dashboard.page.on("request", lambda request: asked.append(request.url))
    await dashboard.open("s")
    await expect(dashboard.row("event-19999")).to_be_in_viewport()
    before = [url for url in asked if "/v1/" in url and "/summary" not in url]
    assert len(before) <= 8
    assert not any(re.search(r"offset=\w+_0{16}&", url) for url in before)  # the beginning is of no interest yet
    await expect(dashboard.page.locator(".facts")).not_to_contain_text("events")
    released.set()
    await expect(dashboard.page.locator(".facts")).to_contain_text("20,000 events")
