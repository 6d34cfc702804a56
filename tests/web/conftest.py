"""What tests of the web layer share: a server inside the test, and a stream for it to serve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers import Stream
from tests.web.inside import Inside, inside


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Inside]:
    """A server that has nothing to say of its own accord."""
    async with inside(tmp_path) as server:
        yield server


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    """A stream with a line in it."""
    with Stream(tmp_path) as file:
        file.line(0)
        yield file
