"""A hundred texts that want to be script, in a real browser: none of them is anything but text."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.pages import BROKEN, REFUSED, chromium, token, visiting
from tests.payloads import PAYLOADS
from tests.servers import served
from tests.test_dashboard_hostile import FOREIGN, hostile_events, hostile_line

#: In a page without a policy, each in a frame of its own.
_SPRING = """texts => Promise.all(texts.map((text) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.srcdoc = text;
    frame.onload = () => setTimeout(done, 500);
    document.body.append(frame);
})))"""

#: Dialogs of many frames at once are more than a browser and its driver agree on: one that stays holds up the page.
_DIALOGS = """top.dialogs ??= [];
for (const name of ["alert", "confirm", "prompt"]) window[name] = () => void top.dialogs.push(name);"""


@pytest.mark.slow
async def test_a_hundred_payloads_are_text(chromium_path: str, tmp_path: Path) -> None:
    """In rows, details, lists, addresses and searches: no dialog, no foreign request, no element, and nothing runs.

    The same texts, put into a page as they are, run by the dozen: that they are text is the page's doing.
    """
    assert len(set(PAYLOADS)) >= 100
    lines = [hostile_line(text, hostile_events(text)[number % 5]) for number, text in enumerate(PAYLOADS)]
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    for number, text in enumerate(PAYLOADS):
        (tmp_path / f"s-{number}.jsonl").write_bytes(hostile_line(text, hostile_events(text)[2]))
    async with chromium(chromium_path) as browser, served(tmp_path) as server:
        async with visiting(browser, server.url) as dashboard:
            dashboard.allowed += [BROKEN, REFUSED]  # a stream that is called like that is not there
            page = dashboard.page
            await dashboard.open("s")
            await expect(page.locator(".facts")).to_contain_text(f"{len(lines)} events")
            await dashboard.press("g")
            for index in range(1, len(lines), 2):
                await dashboard.press("j", "j")
                await expect(dashboard.detail.locator("dl")).to_contain_text(token(lines, index))
                if index % 10 == 1:
                    assert await dashboard.run(FOREIGN) == 0
            await dashboard.open()
            await expect(page.locator(".streams .size", has_text="1 event").first).to_be_visible()
            assert await dashboard.run(FOREIGN) == 0
            for text in PAYLOADS[::10]:
                place = quote(text, safe="")
                await dashboard.run("place => { location.hash = place; }", f"/s/{place}?contains={place}&since={place}")
                await dashboard.run("() => new Promise(requestAnimationFrame)")
                assert await dashboard.run(FOREIGN) == 0
            assert await dashboard.run("window.hit") is None
        sprung = await browser.new_page()
        foreign: list[str] = []
        await sprung.add_init_script(_DIALOGS)
        await sprung.route("**/*", lambda route: route.abort())
        sprung.on("request", lambda request: foreign.append(request.url))
        await sprung.evaluate(_SPRING, PAYLOADS)
        assert await sprung.evaluate("window.hit") > 30
        assert {"alert", "confirm", "prompt"} <= set(await sprung.evaluate("window.dialogs"))
        assert len([url for url in foreign if "evil.example" in url]) > 5
