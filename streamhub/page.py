"""One bounded read of a stream: what a single polling response carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, islice, takewhile
from typing import TYPE_CHECKING, Final

from streamhub.filters import EVERYTHING, Filter
from streamhub.offset import Offset
from streamhub.seek import Start, locate
from streamhub.stream import StreamFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.batch import Batch
    from streamhub.folder import Folder
    from streamhub.stream import Look

#: One page looks at no more of the file than this many times its room, however few lines a filter lets through.
SEARCH_FACTOR: Final = 16
#: With a limit, a page begins with a read of so many bytes, and begins again with so many times more while these hold
#: too few lines: few are cheap then, and many cost a third more than with one read for the whole room.
_FIRST_READ: Final = 64 * 1024
_GROWTH: Final = 4


@dataclass(slots=True)
class Page:
    """Lines from one place of a stream to another.

    Attributes:
        look: where the stream stood.
        start: the byte it begins at.
        end: the byte it ends at: where to read on.
        lines: what is delivered.
    """

    look: Look
    start: int
    end: int
    lines: list[bytes] = field(default_factory=list)

    @property
    def next(self) -> Offset:
        """Where to read on."""
        return Offset(self.look.generation, self.end)

    @property
    def up_to_date(self) -> bool:
        """Whether it reaches the tail."""
        return self.end == self.look.tail

    @property
    def closed(self) -> bool:
        """Whether there will be nothing after it."""
        return self.up_to_date and self.look.closed


def read_page(  # noqa: PLR0913 - the words of one question
    folder: Folder,
    stream: str,
    start: Start,
    *,
    max_line: int,
    room: int,
    wanted: Filter = EVERYTHING,
    limit: int | None = None,
    seen: Offset | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Page:
    """Read from a place on, as the file is now.

    Args:
        folder: where the stream is.
        stream: its id.
        start: where to begin.
        max_line: the longest line that is an event, in bytes.
        room: the most bytes of lines to deliver (one line at least).
        wanted: which lines.
        limit: the most lines to deliver.
        seen: the longest tail known of the stream.
        stopped: asked between the blocks of a long search; once it is true, the search is given up.

    Raises:
        StreamNotFoundError, InvalidOffsetError, OffsetGoneError, OffsetAheadError: see :func:`seek.locate`.
        StreamReplacedError: the file was cut or replaced while it was read.
        StreamhubError: it was given up.
        OSError: the descriptors have run out, or the disk failed.
    """
    with StreamFile.open(folder, stream, max_line, stopped) as file:
        look = file.look()
        place = locate(file, look, start, seen)
        page = Page(look, place, place)
        stop = place + SEARCH_FACTOR * room
        reach = room if limit is None else min(room, _FIRST_READ)
        while page.end < min(stop, look.tail):
            batch = file.read(page.end, look.tail, reach, look.generation).filtered(wanted)
            taken = batch.cut(_fitting(batch, room, page.lines, limit))
            # Where no line was too many, the page ends only where a read for the whole room would.
            if taken is batch and reach < room and batch.end < min(look.tail, page.end + room):
                reach = min(room, reach * _GROWTH)
                continue
            page.lines += taken.lines
            page.end = taken.end
            # Unfiltered, one read fills the page.
            if taken is not batch or len(page.lines) == limit or (page.lines and not wanted):
                break
        return page


def _fitting(batch: Batch, room: int, delivered: list[bytes], limit: int | None) -> int:
    """How many of the batch's lines there is room for; one at least in a page, so that a reader gets on."""
    sizes = accumulate((len(line) + 1 for line in batch.lines), initial=sum(map(len, delivered)) + len(delivered))
    count = sum(1 for _ in takewhile(lambda size: size <= room, islice(sizes, 1, None)))
    count = count if delivered else max(1, count)
    return count if limit is None else min(count, limit - len(delivered))
