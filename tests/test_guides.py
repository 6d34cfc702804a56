"""The guides for those who write programs: their code, run as it stands, block after block in an empty folder."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize("name", ["emit", "clients"])
def test_the_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block does what it says, with what the blocks above it left."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / f"{name}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 4
    names: dict[str, object] = {}
    try:
        for number, block in enumerate(blocks):
            exec(compile(block, f"{name}.md, block {number + 1}", "exec"), names)
    finally:
        logging.getLogger("shop").handlers.clear()
        if "server" in names:
            names["server"].kill()  # type: ignore[attr-defined]
