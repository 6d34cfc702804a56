"""The guides for those who write programs: their code, run as it stands, block after block in an empty folder."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.servers import served


def blocks(name: str, address: str) -> Iterator[str]:
    """The code of a guide, for a server that is at another address than it says."""
    text = (ROOT / "docs" / f"{name}.md").read_text().replace("127.0.0.1:8765", address)
    yield from re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", ["emit", "clients"])
async def test_the_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block does what it says, with what the blocks above it left, and a server that runs as it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMHUB_DIR", raising=False)
    streams = tmp_path / "outputs" / "execution_streams"
    streams.mkdir(parents=True)
    names: dict[str, object] = {}

    def run(address: str) -> None:
        for number, block in enumerate(blocks(name, address)):
            exec(compile(block, f"{name}.md, block {number + 1}", "exec"), names)
        assert number >= 4

    async with served(streams) as server:
        try:
            await asyncio.to_thread(run, server.url.removeprefix("http://"))
        finally:
            logging.getLogger("shop").handlers.clear()
