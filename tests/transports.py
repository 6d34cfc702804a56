"""Readers for every transport, as a client's author would write them from the protocol alone."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from abc import abstractmethod
from typing import ClassVar

import aiohttp

from tests.readers import Reader, Session
from tests.wires import CLOSE, TEXT, Event, Events, Frames, Wire, elements

#: Where an empty stream stands, and one that is waited for.
ZERO = "00000000_0000000000000000"
_CLOSED = {1000: "end", 4410: "reset", 4404: "deleted"}


class _Streaming(Reader):
    """One connection that keeps giving."""

    async def ask(self) -> None:
        wire = Wire(self.url, self._receive_buffer)
        try:
            sessions = self.sessions()
            status, _fields = await wire.request(self.target(), self.headers())
            if status == 503 and self._reconnects:  # the server stops: another one comes
                self.turned_away = True
                return
            if status not in {101, 200}:
                for session in sessions:
                    self.refused(session, status)
                self.answered(status)
                return
            if not self.waits:
                for session in sessions:
                    self.opened(session)
            self.answered(status)
            await self._read(wire)
        finally:
            wire.close()

    async def _read(self, wire: Wire) -> None:
        self.reset_parser()
        while True:
            await self._going.wait()
            data = await wire.read()
            if not data:
                self.lost()
                return
            farewell = self.feed(data)
            if farewell is not None:
                if farewell:
                    with contextlib.suppress(OSError):
                        await wire.hang_up(farewell)
                return

    def sessions(self) -> list[Session]:
        """The sessions that this connection begins."""
        (stream,) = self.logs
        return [self.begin(stream, self.asked())]

    def asked(self) -> str:
        """Where this connection is to start."""
        return self.start if self.log.offset is None else f"offset={self.log.offset}"

    def headers(self) -> dict[str, str]:
        """The request's fields."""
        return {}

    @property
    def session(self) -> Session:
        """The present one, of the one stream."""
        return self.log.sessions[-1]

    @abstractmethod
    def target(self) -> str:
        """What is asked for."""

    @abstractmethod
    def reset_parser(self) -> None:
        """A new connection begins."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes | None:
        """Take bytes. None: go on; else it is over, and this is the code to answer with."""


class PlainWebSocket(_Streaming):
    """One text message per line. Nothing says where to resume: after a loss it starts anew and skips what it has."""

    def reset_parser(self) -> None:
        self._frames = Frames()
        self._known = len(self.log.lines)

    def asked(self) -> str:
        return self.start

    def target(self) -> str:
        return f"/v1/stream/{self.session.stream}/ws?{self.query(self.session.asked)}"

    def headers(self) -> dict[str, str]:
        return handshake()

    def feed(self, data: bytes) -> bytes | None:
        session = self.session
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self.opened(session)
                if self._known:
                    self._known -= 1
                else:
                    session.lines.append(payload)
            elif opcode == CLOSE:
                session.told = _CLOSED.get(int.from_bytes(payload[:2]), "lost")
                return payload[:2]
        return None


class Multiplexed(_Streaming):
    """Many streams on one socket."""

    def reset_parser(self) -> None:
        self._frames = Frames()

    def sessions(self) -> list[Session]:
        named = [stream for stream, log in self.logs.items() if not log.sessions or log.told is None]
        return [self.begin(stream, self._asked(stream)) for stream in named]

    def _asked(self, stream: str) -> str:
        offset = self.logs[stream].offset
        return self.start if offset is None else f"offset={offset}"

    def target(self) -> str:
        live = [log.sessions[-1] for log in self.logs.values() if log.told is None]
        named = [f"stream={session.stream}{_at(session.asked)}" for session in live]
        default = self.start if self.start.startswith("tail=") else ""
        return f"/v1/ws?{self.query(*named, default)}"

    def headers(self) -> dict[str, str]:
        return handshake()

    def refused(self, session: Session, status: int) -> None:
        super().refused(session, status)
        if len(self.logs) > 1:
            session.told = "refused"

    def feed(self, data: bytes) -> bytes | None:
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self._take(payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2])
                told = [log.told for log in self.logs.values()]
                if None in told and self._reconnects and code == 1001:
                    self.turned_away = True
                    return payload[:2]
                assert None not in told, f"{self!r} was closed with {code} though it was told only {told}"
                expected = 1000 if "end" in told else 4410
                assert code == expected, f"{self!r} was closed with {code} after {told}"
                return payload[:2]
        return None

    def _take(self, payload: bytes) -> None:
        head, found, tail = payload.partition(b',"events":[')
        message = json.loads(head + b"}" if found else payload)
        match message:
            case {"type": "open", "streams": streams}:
                for stream in streams:
                    self._open(stream["stream"], stream["offset"])
            case {"type": "events", "stream": stream, "next": token}:
                session = self.logs[stream].sessions[-1]
                assert session.told is None, f"{self!r} was given more of {stream} after {session.told}"
                assert session.opened_at is not None, f"{self!r} was given lines of {stream} before it was opened"
                session.lines += elements(b"[" + tail[:-1])
                session.offset = token
            case {"type": "heartbeat", "next": places}:
                for stream, token in places.items():
                    self.logs[stream].sessions[-1].offset = token
            case {"type": "end", "stream": stream, "next": token}:
                session = self.logs[stream].sessions[-1]
                session.offset, session.told = token, "end"
            case {"type": "reset", "stream": stream, "earliest": earliest}:
                self.logs[stream].sessions[-1].told = "deleted" if earliest is None else "reset"
            case _:
                raise AssertionError(f"{self!r} got {payload[:200]!r}")

    def _open(self, stream: str, token: str) -> None:
        if stream not in self.logs:  # it matches a glob: from its beginning, or where the address said
            self.begin(stream, self.start)
        session = self.logs[stream].sessions[-1]
        self.opened(session)
        session.offset = token


class PlainEventStream(_Streaming):
    """Server-sent events, resumed with ``Last-Event-ID`` as browsers do."""

    def reset_parser(self) -> None:
        self._events = Events()

    def target(self) -> str:
        asked = self.session.asked if not self.headers() else ""
        return f"/v1/stream/{self.session.stream}/sse?{self.query(asked)}"

    def headers(self) -> dict[str, str]:
        name, _, token = self.session.asked.partition("=")
        return {"Last-Event-ID": token} if name == "offset" and token != "now" else {}

    def refused(self, session: Session, status: int) -> None:
        if status == 204:
            self.opened(session)
            session.offset, session.told = session.asked.removeprefix("offset="), "end"
        else:
            super().refused(session, status)

    def feed(self, data: bytes) -> bytes | None:
        for event in self._events.feed(data):
            if self._take(event):
                return b""
        return None

    def _take(self, event: Event) -> bool:
        session = self.session
        session.offset = event.id or session.offset
        match event.name:
            case "" if event.data:
                self.opened(session)
                session.lines.append(event.data)
            case "closed":
                session.told = "end"
                assert json.loads(event.data) == {"next": event.id}
            case "reset":
                session.told = "deleted" if json.loads(event.data)["earliest"] is None else "reset"
            case name:
                assert not name, f"{self!r} got {event}"
        return session.told is not None


class DurableEventStream(_Streaming):
    """Durable Streams over server-sent events: when a response ends, it asks again where it stood."""

    asks_again = True

    def reset_parser(self) -> None:
        self._events = Events()
        self._data: list[bytes] = []  # counts once its control event is there

    def target(self) -> str:
        return f"/v1/stream/{self.session.stream}?{self.query('live=sse', self.session.asked or 'offset=-1')}"

    def headers(self) -> dict[str, str]:
        return {"Accept": "text/event-stream"}

    def lost(self) -> None:
        """It asks again."""

    def feed(self, data: bytes) -> bytes | None:
        session = self.session
        for event in self._events.feed(data):
            if event.name == "data":
                self._data = elements(event.data)
            else:
                assert event.name == "control", f"{self!r} got {event}"
                control = json.loads(event.data)
                if self._data:
                    self.opened(session)
                session.lines += self._data
                session.offset = control["streamNextOffset"]
                self._data = []
                if control.get("streamClosed"):
                    session.told = "end"
                    return b""
        return None


class _Requests(Reader):
    """One request after the other."""

    asks_again = True
    accept: ClassVar[str]
    live: ClassVar[str] = ""

    async def ask(self) -> None:
        await self._going.wait()
        (stream,) = self.logs
        first = not self.log.sessions
        session = self.begin(stream, self.start if self.log.offset is None else f"offset={self.log.offset}")
        query = self.query("" if first else self.live, session.asked)
        assert self._http is not None
        async with self._http.get(f"{self.url}/v1/stream/{stream}?{query}", headers=self.fields()) as answer:
            body = await answer.read()
            if answer.status == 503 and (self.waits or self._reconnects):
                self.turned_away = not self.waits
                self.opened(session)
            elif answer.status in {200, 204, 304}:
                self._take(session, answer, body)
            else:
                self.refused(session, answer.status)
            self.answered(answer.status)

    def _take(self, session: Session, answer: aiohttp.ClientResponse, body: bytes) -> None:
        self.opened(session)
        session.lines += self.split(body) if answer.status == 200 else []
        session.offset = answer.headers["Stream-Next-Offset"]
        self.taken(answer)
        if "Stream-Closed" in answer.headers:
            session.told = "end"

    def taken(self, answer: aiohttp.ClientResponse) -> None:
        """Remember of an answer what the next request is to say."""

    @abstractmethod
    def fields(self) -> dict[str, str]:
        """The request's fields."""

    @abstractmethod
    def split(self, body: bytes) -> list[bytes]:
        """A body's lines."""


class LongPoll(_Requests):
    """Catches up, then has each request wait for news; JSON."""

    live = "live=long-poll"

    def fields(self) -> dict[str, str]:
        return {"Accept": "application/json"}

    def split(self, body: bytes) -> list[bytes]:
        return elements(body)


class CatchUp(_Requests):
    """Asks again and again, with what it knows as ``If-None-Match``; the raw lines."""

    _tag: tuple[str, str] | None = None

    def fields(self) -> dict[str, str]:
        fields = {"Accept": "application/x-ndjson"}
        if self._tag is not None and self._tag[0] == self.log.sessions[-1].asked:
            fields["If-None-Match"] = self._tag[1]
        return fields

    def split(self, body: bytes) -> list[bytes]:
        return body.split(b"\n")[:-1]

    def taken(self, answer: aiohttp.ClientResponse) -> None:
        tag = answer.headers.get("ETag")
        self._tag = None if tag is None else (f"offset={self.log.sessions[-1].offset}", tag)


TRANSPORTS: tuple[type[Reader], ...] = (
    PlainWebSocket,
    Multiplexed,
    PlainEventStream,
    DurableEventStream,
    LongPoll,
    CatchUp,
)


def handshake() -> dict[str, str]:
    """The fields of a WebSocket handshake."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }


def _at(asked: str) -> str:
    """The ``@`` of a stream's name for where it was asked to start."""
    name, _, token = asked.partition("=")
    return f"@{token}" if name == "offset" else ""
