"""JetStream's stream that holds the lines of all of ours: made if need be, and asked what it has."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import nats.js.errors
from nats.js import api

from streamhub.errors import ConfigError, StreamNotFoundError
from streamhub.relay.backoff import Backoff
from streamhub.relay.piece import HEADERS_ROOM, piece_of
from streamhub.relay.reader import Reader
from streamhub.relay.subject import EVERY, subject_of

if TYPE_CHECKING:
    from nats.js.api import RawStreamMsg, StreamInfo

    from streamhub.relay.link import Link
    from streamhub.relay.piece import Piece

_log: Final = logging.getLogger("streamhub.relay")

#: Less than this a message must not be limited to.
_SMALLEST: Final = 1024
#: The name is taken: another relay was faster, or it has other subjects.
_NAME_IN_USE: Final = 10058


class Store:
    """JetStream's stream.

    Attributes:
        name: what it is called.
        room: the most bytes of a file that one message can carry.
        max_age: how long it keeps a message, in seconds; 0: for good.
        first_sequence, last_sequence: those of its first and last message, as of the last look.
        bytes: how much it holds, as of then.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.name = link.settings.store
        self.room = link.settings.piece_bytes
        self.max_age = 0.0
        self.first_sequence = 1
        self.last_sequence = 0
        self.bytes = 0
        self._direct = False

    async def ensure(self) -> None:
        """See to it that it is there; what it is like is said by whoever makes it.

        Raises:
            ConfigError: it cannot be made like that, or there is one that does not hold our subjects.
        """
        try:
            await self.look()
        except StreamNotFoundError:
            await self._create()
            await self.look()

    async def wait_for(self) -> None:
        """Wait until somebody has made it.

        Raises:
            StreamNotFoundError: with ``once``: nobody has.
        """
        backoff = Backoff(most=1.0)
        while True:
            try:
                await self.look()
            except StreamNotFoundError as error:
                if self.link.settings.once:
                    raise
                if backoff.is_fresh:
                    _log.warning("%s; waiting", error)
            else:
                return
            await asyncio.sleep(backoff.next())

    async def look(self) -> None:
        """Take in what it is like.

        Raises:
            StreamNotFoundError: there is none.
            ConfigError: it does not hold our subjects.
        """
        try:
            info = await self.link.call("look at JetStream's stream", lambda: self.link.js.stream_info(self.name))
        except nats.js.errors.NotFoundError:
            raise StreamNotFoundError(
                f"JetStream has no stream {self.name!r} at {self.link.where}: streamhub relay push makes it"
            ) from None
        self._take_in(info)

    async def last(self, stream: str) -> Piece | None:
        """The last message of a stream, from JetStream's leader: nothing later has been acknowledged.

        Raises:
            ConfigError: there is a message that is none of ours.
        """
        js, subject = self.link.js, subject_of(stream)
        try:
            found = await self.link.call("ask for a last message", lambda: js.get_last_msg(self.name, subject))
        except nats.js.errors.NotFoundError:
            return None
        piece = _piece_of(found)
        if piece is None:
            raise ConfigError(f"the last message on {subject} is not from a relay: purge the subject, or name another")
        return piece

    async def next(self, stream: str, sequence: int) -> Piece | None:
        """The first message of a stream that has this sequence or a later one."""
        found: RawStreamMsg | None
        while (found := await self._next(subject_of(stream), sequence)) is not None:
            piece = _piece_of(found)
            if piece is not None:
                return piece
            sequence = (found.seq or sequence) + 1  # none of ours
        return None

    async def _next(self, subject: str, sequence: int) -> RawStreamMsg | None:
        js = self.link.js
        try:
            return await self.link.call(
                "ask for a message",
                lambda: js.get_msg(self.name, seq=sequence, subject=subject, next=True, direct=self._direct),
            )
        except nats.js.errors.NotFoundError:
            return None

    async def heads(self, subject: str = EVERY) -> list[Piece]:
        """The last message of each stream, without its bytes."""
        reader = Reader(self.link, self.name, subject, heads=True)
        heads: dict[str, Piece] = {}
        async with reader:
            while not await reader.is_done():
                heads.update((piece.stream, piece) for piece in await reader.read())
        return list(heads.values())

    async def locate(self, stream: str, byte: int, low: int, high: int) -> Piece | None:
        """The last message of a stream that starts at this byte or before it, by bisection.

        Args:
            stream: its id.
            byte: the byte.
            low: the first sequence that it can have.
            high: the last one.
        """
        best: Piece | None = None
        while low <= high:
            middle = (low + high) // 2
            piece = await self.next(stream, middle)
            if piece is None or piece.sequence > high or piece.start > byte:
                high = middle - 1
            else:
                best, low = piece, piece.sequence + 1
        return best

    def _take_in(self, info: StreamInfo) -> None:
        config = info.config
        if config.mirror is None and EVERY not in (config.subjects or []):  # a mirror has none of its own
            raise ConfigError(
                f"JetStream's stream {self.name!r} does not hold {EVERY}: name another with --stream-name, or add it"
            )
        self._direct = bool(config.allow_direct)
        self.max_age = config.max_age or 0.0
        self.first_sequence, self.last_sequence = max(1, info.state.first_seq), info.state.last_seq
        self.bytes = info.state.bytes
        limits = [limit for limit in (self.link.client.max_payload, config.max_msg_size or 0) if limit > 0]
        self.room = min(self.link.settings.piece_bytes, min(limits) - HEADERS_ROOM)
        if self.room < _SMALLEST:
            raise ConfigError(
                f"NATS takes messages of {min(limits)} bytes: allow {HEADERS_ROOM + _SMALLEST} at least (max_payload)"
            )

    async def _create(self) -> None:
        settings, js = self.link.settings, self.link.js
        config = api.StreamConfig(
            name=self.name,
            description="Lines of streamhub's streams",
            subjects=[EVERY],
            max_age=settings.max_age,
            max_bytes=settings.max_bytes or -1,
            num_replicas=settings.replicas,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.OLD,
            allow_direct=True,
        )
        refusals = (nats.js.errors.BadRequestError, nats.js.errors.ServerError)
        try:
            await self.link.call("make JetStream's stream", lambda: js.add_stream(config), final=refusals)
        except refusals as error:
            if error.err_code != _NAME_IN_USE:
                raise ConfigError(
                    f"JetStream refuses the stream {self.name!r}: {error.description}: see to --replicas, --max-bytes"
                ) from None
        _log.info("made JetStream's stream %s: %d replicas", self.name, settings.replicas)


def _piece_of(message: RawStreamMsg) -> Piece | None:
    time = message.time.timestamp() if message.time else 0.0
    return piece_of(message.subject or "", message.headers, message.data or b"", sequence=message.seq or 0, time=time)
