"""What a relay counts, as plain numbers, and how far each stream lags."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Lag:
    """How far a stream is behind.

    Attributes:
        bytes: what it lacks, as far as is known.
        since: since when, in seconds since 1970.
    """

    bytes: int
    since: float


class Meter:
    """Counts since the relay started. One thread writes; others may read.

    Attributes:
        messages: what JetStream has acknowledged (push), or appends to files (pull).
        bytes, lines: what was in them.
        repeats: messages that carried nothing new.
        foreign: messages on our subjects that are none of ours.
        retries: what had to be tried again, by cause.
        pending: messages that JetStream has for a puller beside those it has read.
        delay: how old the last message was when it was written, in seconds.
        reconnects: connections that were lost and made again.
        connected: whether there is a connection.
        streams: how many there are, in all.
        refused: streams that are not what the other end has, and why.
        lags: streams that are behind; those that are not are not in it.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.lines = 0
        self.repeats = 0
        self.foreign = 0
        self.retries: Counter[str] = Counter()
        self.pending = 0
        self.delay = 0.0
        self.reconnects = 0
        self.connected = False
        self.streams = 0
        self.refused: dict[str, str] = {}
        self.lags: dict[str, Lag] = {}

    def sent(self, data: bytes) -> None:
        """Note a message that JetStream has acknowledged."""
        self.messages += 1
        self.bytes += len(data)
        self.lines += data.count(b"\n")

    def wrote(self, size: int, lines: int, repeats: int) -> None:
        """Note what was appended to a file, and messages that were there already."""
        self.messages += size > 0
        self.bytes += size
        self.lines += lines
        self.repeats += repeats

    def behind(self, stream: str, lacking: int, since: float | None = None) -> None:
        """Note how many bytes a stream lacks.

        Args:
            stream: its id.
            lacking: how many; none: it is not behind any more.
            since: when the first of them came to be, if that is known; else it is taken for now.
        """
        if lacking <= 0:
            self.lags.pop(stream, None)
            return
        lag = self.lags.get(stream)
        if lag is None:
            self.lags[stream] = Lag(lacking, time.time() if since is None else since)
        else:
            lag.bytes = lacking
            lag.since = lag.since if since is None else since

    def worst(self, count: int) -> Iterable[tuple[str, Lag]]:
        """The streams that are furthest behind, that many at most."""
        lags = list(self.lags.items())  # in one go: another thread may read while this one's loop writes
        return sorted(lags, key=lambda item: item[1].bytes, reverse=True)[:count]

    @property
    def lacking(self) -> int:
        """Bytes that all streams lack together."""
        return sum(lag.bytes for lag in list(self.lags.values()))

    @property
    def longest(self) -> float:
        """Since how many seconds the stream is behind that has been for longest."""
        since = min((lag.since for lag in list(self.lags.values())), default=None)
        return 0.0 if since is None else max(0.0, time.time() - since)
