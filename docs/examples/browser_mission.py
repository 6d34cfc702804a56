"""A mission that walks through a shop with a browser, and tells what it does.

    python browser_mission.py http://127.0.0.1:8000/

It needs Playwright and a Chromium (``playwright install chromium``, or the path of one in ``CHROMIUM``). Watch it with
``streamhub serve``, or with ``streamhub tail -f`` and the id that it prints.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from playwright.async_api import Locator, Page, async_playwright

from streamhub import AsyncEmitter, EmitterHandler, current_stream

log = logging.getLogger("shop")


async def walk(page: Page, url: str) -> int:
    """Read the prices of each page of the shop; gives how many there were."""
    stream = current_stream()
    stream.navigation(url, "open")
    await page.goto(url)
    total = 0
    while True:
        prices = await page.locator(".price").all_inner_texts()
        stream.extraction("prices", len(prices), url=page.url)
        total += len(prices)
        following = page.get_by_role("link", name="next")
        if not await following.count():
            return total
        stream.navigation(page.url, "click", detail="next")
        await click(page, following)


async def click(page: Page, link: Locator) -> None:
    """Click on a link, and wait until another page is there."""
    before = page.url
    await link.click()
    await page.wait_for_url(lambda now: now != before)


async def mission(url: str) -> None:
    """Walk through the shop with a browser of its own."""
    async with AsyncEmitter(mission_id="shop-prices") as stream, async_playwright() as playwright:
        print(stream.live_stream_id, flush=True)
        stream.status("running")
        browser = await playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"))
        page = await browser.new_page()
        page.on("console", lambda message: log.warning("the page says: %s", message.text))
        stream.signal("prices_found", await walk(page, url))
        await browser.close()


if __name__ == "__main__":
    logging.getLogger().addHandler(EmitterHandler(level=logging.WARNING))
    asyncio.run(mission(sys.argv[1]))
