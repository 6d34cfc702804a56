from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streamhub.config import Config
from streamhub.folder import Folder
from streamhub.web.streams import Surveys

if TYPE_CHECKING:
    from pathlib import Path

    from streamhub.catalog import Page


class CountingFolder(Folder):
    """A folder that counts how often its names are read: once a pass."""

    scans = 0

    def scan(self) -> dict[str, int]:
        self.scans += 1
        return super().scan()


async def test_who_asks_for_the_list_at_once_shares_a_pass(tmp_path: Path) -> None:
    """Of many questions those that came before a pass began share it: each is answered, by two passes at most."""
    folder = CountingFolder(str(tmp_path))
    surveys = Surveys(folder, Config(directory=str(tmp_path)))
    (tmp_path / "a.jsonl").write_bytes(b"{}\n")

    def ask(asked: int) -> Page:
        return surveys.catalog.page(asked=asked)

    pages: list[Page] = await asyncio.gather(*(surveys.list(ask) for _ in range(40)))
    assert [[entry.id for entry in page.entries] for page in pages] == [["a"]] * 40
    assert folder.scans <= 2
    (tmp_path / "b.jsonl").write_bytes(b"{}\n")
    page: Page = await surveys.list(ask)
    assert len(page.entries) == 2
    surveys.close()
    folder.close()
