"""Where streams are read from: a folder on this machine, or a server."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamhub.catalog import Entry
    from streamhub.seek import Start


class Source(Protocol):
    """Streams that can be listed and read."""

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""

    def read(self, stream: str, start: Start) -> Iterator[Sequence[bytes]]:
        """The lines from a place to the tail, some at a time.

        Raises:
            StreamhubError: there is no such stream, or no such place in it.
        """

    def follow(self, stream: str, start: Start, *, wait: bool) -> Iterator[Sequence[bytes]]:
        """The lines from a place on, some at a time, until the stream is closed.

        Args:
            stream: its id.
            start: the place.
            wait: whether the stream may not be there yet.

        Raises:
            StreamhubError: there is no such stream, or no such place in it; or it was cut, replaced or deleted.
        """


def open_folder(directory: str) -> Source:
    """The streams of a folder."""
    source: Source = importlib.import_module("streamhub.cli.local").LocalSource(directory)
    return source


def open_server(url: str) -> Source:
    """The streams of a server. Loaded only now, as it brings an HTTP client."""
    source: Source = importlib.import_module("streamhub.cli.remote").RemoteSource(url)
    return source
