"""The truth: what stood in which file when; and checks that hold what readers got to it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests import naive
from tests.readers import Reader, Session
from tests.transports import ZERO, CatchUp, DurableEventStream, LongPoll, PlainEventStream

MAX_LINE = 16 * 1024
#: Seconds after which a server knows that a file was replaced, even if nobody reads it.
_NEWS = 3.0


@dataclass(frozen=True)
class Line:
    """A complete line of a file: where it is, what readers get, whether it closes the stream."""

    start: int
    end: int
    delivered: bytes
    final: bool


class File:
    """One file that bore a stream's name, from its birth to its end: it only grows.

    A file that is cut dies, and another is born in its place.

    Attributes:
        born: the world's clock when it came.
        died: the clock when it was cut, replaced or deleted; None while it lives.
        data: its bytes.
        sizes: how long it ever was.
        lines: its complete lines, empty ones left out.
        tail: the byte after its last newline.
        first_tail: the same when it was born.
    """

    def __init__(self, born: int, data: bytes = b"") -> None:
        self.born = born
        self.died: int | None = None
        self.data = bytearray()
        self.sizes: set[int] = set()
        self.lines: list[Line] = []
        self.tail = 0
        self.grow(data)
        self.first_tail = self.tail

    def __repr__(self) -> str:
        end = " closed" * self.closed
        return f"<file {self.born}-{self.died}: {len(self.lines)} lines to {self.tail} of {len(self.data)}{end}>"

    def grow(self, data: bytes) -> None:
        """More bytes were appended."""
        self.data += data
        self.sizes.add(len(self.data))
        while (newline := self.data.find(b"\n", self.tail)) >= 0:
            raw = bytes(self.data[self.tail : newline])
            if raw:
                self.lines.append(self._line(raw, newline + 1))
            self.tail = newline + 1

    def cut_torn(self) -> None:
        """What followed its last newline was cut off."""
        del self.data[self.tail :]
        self.sizes.add(len(self.data))

    @property
    def generation(self) -> str:
        """Its first line's hash."""
        return naive.generation(bytes(self.data[: self.data.find(b"\n") + 1]))

    @property
    def closed(self) -> bool:
        """Whether its last line says so."""
        return bool(self.lines) and self.lines[-1].final

    def place(self, asked: str) -> int | None:
        """The byte that an offset leads to; None when it is none of this file's."""
        token = asked.removeprefix("offset=")
        if token in {"", "-1", ZERO}:
            return 0
        generation, _, digits = token.partition("_")
        byte = int(digits)
        if not self.tail or generation != self.generation or byte > self.tail:
            return None
        return byte if byte == 0 or self.data[byte - 1] == 0x0A else None

    def index(self, byte: int) -> int:
        """The first line that starts at or after a byte."""
        low, high = 0, len(self.lines)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.lines[middle].start < byte else (low, middle)
        return low

    def last(self, count: int) -> int:
        """The byte at which the last so many lines begin."""
        if count == 0 or not self.lines:
            return self.tail if count == 0 else 0
        return self.lines[-count].start if count <= len(self.lines) else 0

    def _line(self, raw: bytes, end: int) -> Line:
        start = end - len(raw) - 1
        fault = naive.fault(raw, MAX_LINE)
        if fault is not None:
            head = bytes(self.data[: self.data.find(b"\n") + 1])
            return Line(start, end, naive.stand_in(head, start, raw, fault), final=False)
        return Line(start, end, raw, b'"final"' in raw and naive.closed(raw + b"\n", MAX_LINE))


@dataclass
class World:
    """All files there ever were, by stream, and a clock that moves with every change of them."""

    clock: int = 0
    files: dict[str, list[File]] = field(default_factory=dict)
    times: list[float] = field(default_factory=lambda: [0.0])

    def current(self, stream: str) -> File | None:
        """The file that bears a stream's name now."""
        files = self.files.get(stream)
        return files[-1] if files and files[-1].died is None else None

    def bury(self, stream: str) -> None:
        """The present file is no more."""
        self.clock += 1
        self.times.append(time.monotonic())
        file = self.current(stream)
        if file is not None:
            file.died = self.clock

    def bear(self, stream: str, data: bytes) -> None:
        """A file takes the name."""
        self.bury(stream)
        self.files.setdefault(stream, []).append(File(self.clock, data))

    def between(self, stream: str, first: int, last: int) -> list[File]:
        """The files that bore the name at some time from the one to the other."""
        return [
            file
            for file in self.files.get(stream, ())
            if file.born <= last and (file.died is None or file.died > first)
        ]

    def believed_since(self, stream: str, clock: int) -> int:
        """The clock from which on files may still be taken for the present one, by a server that looks now and then."""
        unseen = [
            file
            for file in self.files.get(stream, ())
            if file.died and self.times[file.died] > time.monotonic() - _NEWS
        ]
        return min([clock, *(file.died - 1 for file in unseen if file.died)])

    def absent_since(self, stream: str, clock: int) -> bool:
        """Whether there was no such stream at some time since then."""
        files = self.files.get(stream, [])
        births = {file.born for file in files}
        if not files or clock < files[0].born:
            return True
        gone = [file.died for file in files if file.died is not None and file.died not in births]
        came_back = [min((born for born in births if born > died), default=self.clock + 1) for died in gone]
        return any(back > clock for back in came_back)


class Check:
    """Holds one session to the truth.

    A session reads one file. As long as it cannot be known which (it waits for one, or its request was under way
    when a file was replaced), it has to agree with one of those it may be.

    Attributes:
        byte: where it starts, when an offset does not say so.
    """

    def __init__(self, world: World, reader: Reader, session: Session, byte: int | None = None) -> None:
        self.session = session
        self.byte = byte
        self._world = world
        self._reader = reader
        self._sse = isinstance(reader, (PlainEventStream, DurableEventStream))
        self._since = session.asked_at
        if session.asked in {"", f"offset={ZERO}"} and not isinstance(reader, (LongPoll, CatchUp)):
            self._since = world.believed_since(session.stream, session.asked_at)
        self._at: dict[File, int] = {}
        self._refuted: set[File] = set()
        self._checked = 0
        self._told: str | None = None
        self._stood: tuple[str, int] | None = None

    def __repr__(self) -> str:
        session = self.session
        files = {f"{file.born}-{file.died}": at for file, at in self._at.items()}
        return (
            f"{self._reader!r} asked for {session.stream} {session.asked!r} at {session.asked_at}, opened at "
            f"{session.opened_at}: {len(session.lines)} lines to {session.offset}, told {session.told}, in {files}"
        )

    def update(self) -> None:
        """Hold what came since the last time to the truth; an error when it does not agree."""
        session = self.session
        for file in self.candidates():
            if file not in self._at and file not in self._refuted:
                at = self._beginning(file)
                if at is not None and self._checked == 0:
                    self._at[file] = at
        for line in session.lines[self._checked :]:
            self._step(line)
        self._checked = len(session.lines)
        if session.offset is not None and session.told in {None, "end"}:
            stand = (session.offset, self._checked)
            if stand != self._stood:
                self._stood = stand
                self._check_offset(session.offset)
        if session.told != self._told:
            self._told = session.told
            assert self._justified(), f"wrongly told: {self!r}"

    def reads(self, file: File) -> bool:
        """Whether lines of this file have come."""
        return bool(self.session.lines) and file in self._at

    def candidates(self) -> list[File]:
        """The files that it may be reading."""
        session = self.session
        opened_at = self._world.clock if session.opened_at is None else session.opened_at
        return self._world.between(session.stream, self._since, opened_at)

    def settled(self) -> bool:
        """Whether it has all that it can have for now, and knows what became of its file."""
        session, file = self.session, self._world.current(self.session.stream)
        if session.told is not None:
            return True
        if file is None:
            return self._reader.waits and (session.opened_at is None or self._reader.asks_again)
        at = self._at.get(file)
        if at is None:
            return self._unplaced or (self._reader.waits and self._may_come(file))
        if session.offset is not None and file.place(session.offset) != file.tail:
            return False  # offsets advance past what is left out
        return not file.closed and not any(map(self._wanted, file.lines[at:]))

    def _may_come(self, file: File) -> bool:
        """Whether a stream that is there may yet grow to where a reader waits."""
        generation, _, byte = self.session.asked.removeprefix("offset=").partition("_")
        ahead = generation == file.generation and int(byte) > file.tail
        return self._stands_nowhere and (not file.tail or ahead)

    @property
    def _stands_nowhere(self) -> bool:
        """Whether it has been given nothing of any file: if it may wait, it waits where it asked to start."""
        return not (self._at or self._refuted or self.session.lines)

    @property
    def _unplaced(self) -> bool:
        """Whether only its first line can tell where it starts: it asked once more for the last so many lines."""
        return self.byte is None and self.session.asked.startswith(("tail=", "offset=now"))

    def _beginning(self, file: File) -> int | None:
        if self._unplaced:
            first = self.session.lines[:1]
            return next((at for at, line in enumerate(file.lines) if [self._shown(line)] == first), None)
        place = self._place(file)
        return None if place is None else file.index(place)

    def _step(self, line: bytes) -> None:
        for file, at in list(self._at.items()):
            place = self._next_wanted(file, at)
            if place < len(file.lines) and self._shown(file.lines[place]) == line:
                self._at[file] = place + 1
            else:
                self._refute(file)
        assert self._at, f"{line[:120]!r} is not what comes next: {self!r}"

    def _check_offset(self, token: str) -> None:
        for file in list(self._at):
            start, stop = self._beginning(file), file.place(token)
            if (
                start is None
                or stop is None
                or sum(map(self._wanted, file.lines[start : file.index(stop)])) != self._checked
            ):
                self._refute(file)
        waits = self._reader.waits and self._stands_nowhere and self.session.asked == f"offset={token}"
        assert self._at or self._unplaced or waits or not self.candidates(), f"{token} is not where it stands: {self!r}"

    def _refute(self, file: File) -> None:
        del self._at[file]
        self._refuted.add(file)

    def _place(self, file: File) -> int | None:
        return self.byte if self.byte is not None else file.place(self.session.asked)

    def _next_wanted(self, file: File, at: int) -> int:
        while at < len(file.lines) and not self._wanted(file.lines[at]):
            at += 1
        return at

    def _wanted(self, line: Line) -> bool:
        options = self._reader.options
        if "contains=7" in options:
            return b"7" in line.delivered
        return "event_type=malformed" not in options or line.delivered.startswith(b'{"event_type":"malformed"')

    def _shown(self, line: Line) -> bytes:
        return line.delivered.replace(b"\r", b" ") if self._sse else line.delivered

    def _justified(self) -> bool:
        session = self.session
        candidates = self.candidates()
        match session.told:
            case "end":
                return any(self._may_end(file, at) for file, at in self._at.items())
            case "reset":
                dead = any(
                    file.died is not None and self._world.files[session.stream][-1] is not file for file in candidates
                )
                return dead or any(self._place(file) is None or self._reached_later(file) for file in candidates)
            case "refused":
                return len(self._reader.logs) > 1
            case "deleted":
                return self._world.absent_since(session.stream, self._since)
        return False

    def _reached_later(self, file: File) -> bool:
        """Whether a file that was cut has grown past the place since: lines may end there again, by chance."""
        place = self._place(file)
        return place is not None and place > file.first_tail and file is not self._world.files[self.session.stream][0]

    def _may_end(self, file: File, at: int) -> bool:
        """Whether a final line was the last one when everything up to it had been given."""
        stop = None if self.session.offset is None else file.place(self.session.offset)
        reached = [at] if at else []
        while at < len(file.lines) and not self._wanted(file.lines[at]):
            at += 1
            reached.append(at)
        if stop is not None:
            reached = [place for place in reached if place == file.index(stop)]
        return any(file.lines[place - 1].final for place in reached)
