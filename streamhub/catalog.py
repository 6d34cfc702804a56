"""The list of streams: one short entry for each, newest activity first, in pages.

Each pass costs one ``stat`` per file; a file is opened only when its device, inode, size or modification time
is not what it was, and then only its two ends are read.
"""

from __future__ import annotations

import base64
import bisect
import errno
import hashlib
import re
import threading
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from streamhub.ends import read_ends
from streamhub.errors import InvalidRequestError, StreamNotFoundError
from streamhub.stream import StreamFile
from streamhub.stream_id import STREAM_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from streamhub.folder import Folder

#: Entries in a page when nobody says, and at most.
DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000

_CURSOR: Final = re.compile(rf"(-?[0-9]{{1,19}}) ({STREAM_ID_PATTERN})", re.ASCII)
#: Then nothing can be opened at all: leaving streams out one by one would pass for an answer.
_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What the list tells of one stream.

    Attributes:
        id: the stream's id.
        mission_id: the mission of the first event near the beginning that names one.
        tail: the token of the tail.
        bytes: how many bytes of complete lines there are.
        first: the time of the first line that has one, near the beginning, as it is written there.
        last: the time of the last line that has one, near the end, as it is written there.
        closed: whether the stream has its final status.
    """

    id: str
    mission_id: str | None
    tail: str
    bytes: int
    first: str | None
    last: str | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the list.

    Attributes:
        entries: the streams, newest activity first.
        next: the cursor that the next page begins after; None on the last.
        body: the answer of ``/v1/streams``, as JSON.
        etag: a strong entity tag, quoted: two answers have the same one if and only if they are the same.
    """

    entries: list[Entry]
    next: str | None
    body: bytes
    etag: str


class _Rank(NamedTuple):
    """A stream's place in the list: minus the microseconds since 1970 of its last activity, then its id."""

    age: int
    stream: str


@dataclass(frozen=True, slots=True)
class _Known:
    key: tuple[int, int, int, int]
    rank: _Rank
    entry: Entry


def _rank_of(known: _Known) -> _Rank:
    return known.rank


class Catalog:
    """The list of a folder's streams. Safe to use from several threads; each question looks at the folder.

    Args:
        folder: where the streams are.
        max_line: the longest line that is an event, in bytes.

    Attributes:
        begun: how many passes over the folder have begun.
    """

    def __init__(self, folder: Folder, max_line: int) -> None:
        self._folder = folder
        self._max_line = max_line
        self._lock = threading.Lock()
        self.begun = 0
        self._done = 0  # the last pass that came to its end
        self._known: dict[str, _Known] = {}
        self._ranked: list[_Known] = []
        self._ranked_is_stale = False

    def entries(
        self, prefix: str = "", mission_id: str | None = None, visible: Callable[[str], bool] | None = None
    ) -> list[Entry]:
        """All streams, newest activity first.

        Args:
            prefix: only ids that begin with it.
            mission_id: only streams of this mission.
            visible: only ids for which it is true.

        Raises:
            OSError: the descriptors or the memory have run out.
        """
        return [known.entry for known in _select(self._look(self.begun), prefix, mission_id, visible)]

    def page(
        self,
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
        prefix: str = "",
        mission_id: str | None = None,
        visible: Callable[[str], bool] | None = None,
        asked: int | None = None,
    ) -> Page:
        """At most ``limit`` streams, those after the cursor ``after``; else like :meth:`entries`.

        ``asked`` is what :attr:`begun` was when the question was asked, if it had to wait for its turn since.

        A stream that stays as it is comes exactly once in a walk from page to page; one that is written to
        meanwhile moves to the front, and may be missed.

        Raises:
            InvalidRequestError: the limit is out of range, or the cursor is malformed.
            OSError: the descriptors or the memory have run out.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequestError(f"limit {limit} is out of range: give 1 to {MAX_LIMIT}")
        cursor = None if after is None else _parse_cursor(after)
        ranked = self._look(self.begun if asked is None else asked)
        start = 0 if cursor is None else bisect.bisect_right(ranked, cursor, key=_rank_of)
        found = list(islice(_select(islice(ranked, start, None), prefix, mission_id, visible), limit + 1))
        more = len(found) > limit
        return _make_page([known.entry for known in found[:limit]], _cursor(found[limit - 1].rank) if more else None)

    def _look(self, asked: int) -> list[_Known]:
        """The streams as they are now, in order. Who waited for a pass that began after they asked shares it."""
        with self._lock:
            if self._done <= asked:
                self.begun += 1
                self._refresh()
                self._done = self.begun
            return self._ranked

    def _refresh(self) -> None:
        # Kept as they come, so that a pass that fails half-way is not for nothing.
        found = {stream for stream in self._folder.scan() if self._update(stream)}
        for stream in self._known.keys() - found:
            del self._known[stream]
            self._ranked_is_stale = True
        if self._ranked_is_stale:
            self._ranked = sorted(self._known.values(), key=_rank_of)
            self._ranked_is_stale = False

    def _update(self, stream: str) -> bool:
        """Know the stream as it is now; False when there is none that may be read."""
        try:
            status = self._folder.status(stream)
            if status is None:
                return False
            # Taken before the file is read: what is appended meanwhile shows in the next pass's key.
            key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._known.get(stream)
            if known is None or known.key != key:
                self._known[stream] = self._read(stream, key)
                self._ranked_is_stale = True
        except StreamNotFoundError:
            return False
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            return False
        return True

    def _read(self, stream: str, key: tuple[int, int, int, int]) -> _Known:
        with StreamFile.open(self._folder, stream, self._max_line) as file:
            look = file.look()
            ends = read_ends(file, look.tail)
        entry = Entry(stream, ends.mission_id, str(look.next), look.tail, ends.first, ends.last, look.closed)
        active = key[3] // 1000 if ends.last_micros is None else ends.last_micros
        return _Known(key, _Rank(-active, stream), entry)


def _select(
    ranked: Iterable[_Known], prefix: str, mission_id: str | None, visible: Callable[[str], bool] | None
) -> Iterator[_Known]:
    for known in ranked:
        entry = known.entry
        wanted = entry.id.startswith(prefix) and (mission_id is None or entry.mission_id == mission_id)
        if wanted and (visible is None or visible(entry.id)):
            yield known


def _make_page(entries: list[Entry], cursor: str | None) -> Page:
    body = msgspec.json.encode({"streams": entries, "next": cursor})
    return Page(entries, cursor, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _cursor(rank: _Rank) -> str:
    return base64.urlsafe_b64encode(f"{rank.age} {rank.stream}".encode()).decode().rstrip("=")


def _parse_cursor(token: str) -> _Rank:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        text = ""
    match = _CURSOR.fullmatch(text)
    rank = match and _Rank(int(match[1]), match[2])
    if not rank or _cursor(rank) != token:
        raise InvalidRequestError(
            f"after {token[:64]!r} is malformed: use the 'next' of the page before, or leave it out"
        )
    return rank
