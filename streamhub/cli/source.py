"""Where streams are read from: a folder on this machine, or a server."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from streamhub.catalog import Entry
    from streamhub.cli.query import Query
    from streamhub.offset import Offset


class Piece(Protocol):
    """Some lines of a stream that follow each other, without their newlines."""

    @property
    def lines(self) -> Sequence[bytes]:
        """The lines; some of those that the file has there may be left out."""

    @property
    def next(self) -> Offset:
        """The place after them, from which to read on."""


class Source(Protocol):
    """Streams that can be listed and read. Not thread-safe."""

    def again(self) -> Self:
        """The same streams for another thread."""

    def close(self) -> None:
        """Let go of what is open."""

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""

    def ids(self) -> Collection[str]:
        """The ids of the streams there are, in no order: less work than to list them."""

    def size(self, stream: str) -> int:
        """How many bytes of complete lines a stream has now.

        Raises:
            StreamhubError: there is no such stream.
        """

    def read(self, stream: str, query: Query) -> Iterator[Piece]:
        """The lines that are wanted, as far as they are there now, some at a time; at least one piece, maybe empty.

        Raises:
            StreamhubError: there is no such stream, or no such place in it.
        """

    def follow(self, stream: str, query: Query, *, wait: bool) -> Iterator[Piece]:
        """The lines that are wanted, some at a time, until the stream is closed.

        Args:
            stream: its id.
            query: what is wanted of it.
            wait: whether the stream may not be there yet.

        Raises:
            StreamhubError: there is no such stream, or no such place in it; or it was cut, replaced or deleted.
        """

    def summary(self, stream: str, query: Query, buckets: int, at: Callable[[int], None]) -> dict[str, Any]:
        """A stream's shape over time, as ``/v1/stream/{id}/summary`` has it.

        Args:
            stream: its id.
            query: from when to when its buckets are.
            buckets: how many of them, at most.
            at: told now and then up to which byte the stream is counted.

        Raises:
            StreamhubError: there is no such stream.
        """


def open_folder(directory: str) -> Source:
    """The streams of a folder."""
    source: Source = importlib.import_module("streamhub.cli.local").LocalSource(directory)
    return source


def open_server(url: str, token: str = "", ca: str | None = None) -> Source:
    """The streams of a server. Loaded only now, as it brings an HTTP client.

    Args:
        url: its address.
        token: what opens it, if it asks for one.
        ca: a file of certificates to trust in the place of the system's.

    Raises:
        ConfigError: the address is none, or the file holds no certificates.
    """
    server = importlib.import_module("streamhub.cli.server").Server(url, token, ca)
    source: Source = importlib.import_module("streamhub.cli.remote").RemoteSource(server)
    return source
