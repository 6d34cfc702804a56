"""A client on a bare socket: it sends what a library never would, and reads only when it is told to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Self
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(b"sixteen bytes ..").decode()
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}
_PIECE = 256 * 1024
_SO_ATTACH_FILTER = 26  # of Linux; the module socket does not name it


@dataclass(frozen=True)
class Head:
    """The head of a response; the fields' names are in lower case."""

    version: str
    status: int
    fields: dict[str, str]


class Frame(NamedTuple):
    """A WebSocket frame from the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """A close frame's code."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2])


class Raw:
    """One TCP connection.

    Args:
        url: the server.
        receive_buffer: of the socket, in bytes, for a client that is to be slow.
    """

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host = f"{parts.hostname}:{parts.port}"
        self._address = (parts.hostname, parts.port)
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._rest = b""

    async def __aenter__(self) -> Self:
        try:
            await asyncio.get_running_loop().sock_connect(self.socket, self._address)
        except OSError:
            self.socket.close()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.socket.close()

    @property
    def name(self) -> tuple[str, int]:
        """Its own address and port."""
        name: tuple[str, int] = self.socket.getsockname()
        return name

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def more(self) -> bytes:
        """Some bytes that were not read yet; none at the end.

        Raises:
            ConnectionError: the connection was cut.
        """
        rest, self._rest = self._rest, b""
        return rest or await asyncio.get_running_loop().sock_recv(self.socket, _PIECE)

    async def exactly(self, count: int) -> bytes:
        """The next so many bytes."""
        while len(self._rest) < count:
            data = await asyncio.get_running_loop().sock_recv(self.socket, _PIECE)
            if not data:
                raise EOFError(f"the connection ended after {self._rest[:200]!r}")
            self._rest += data
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    async def until(self, end: bytes) -> bytes:
        """What comes up to and with some bytes."""
        while end not in self._rest:
            data = await asyncio.get_running_loop().sock_recv(self.socket, _PIECE)
            if not data:
                raise EOFError(f"the connection ended after {self._rest[:200]!r}")
            self._rest += data
        return await self.exactly(self._rest.index(end) + len(end))

    async def everything(self) -> bytes:
        """What comes up to the end."""
        found = []
        while data := await self.more():
            found.append(data)
        return b"".join(found)

    async def cut(self) -> bool:
        """Read to the end; whether that came by force."""
        try:
            await self.everything()
        except ConnectionError:
            return True
        return False

    def half_close(self) -> None:
        """Say that no more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def vanish(self) -> None:
        """Be gone as a machine is whose cable was cut: nothing comes through any more, nothing is confirmed."""
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction: return 0
        program = struct.pack("HL", 1, ctypes.addressof(drop_all))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    async def ask(
        self, target: str, headers: dict[str, str] | None = None, *, method: str = "GET", version: str = "1.1"
    ) -> None:
        """Send a request's head; a field that is given as empty is left out."""
        fields = {"Host": self.host, **(headers or {})}
        lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items() if value)]
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def head(self) -> Head:
        """The head of the response."""
        status, *rows = (await self.until(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        pairs = [row.partition(": ") for row in rows]
        fields = {name.lower(): value for name, _, value in pairs}
        assert len(fields) == len(pairs), f"a field stands twice in {rows}"
        version, code, _ = status.split(" ", 2)
        return Head(version, int(code), fields)

    async def request(
        self, target: str, headers: dict[str, str] | None = None, *, method: str = "GET", version: str = "1.1"
    ) -> Head:
        """Ask, and wait for the head."""
        await self.ask(target, headers, method=method, version=version)
        return await self.head()

    # --- WebSocket ------------------------------------------------------------------------------------------------

    async def upgrade(self, target: str, headers: dict[str, str] | None = None) -> Head:
        """Ask for a WebSocket, and get it."""
        head = await self.request(target, {**HANDSHAKE, **(headers or {})})
        assert head.status == 101, head
        return head

    async def frame(self) -> Frame:
        """The next frame of the server's, which must be whole, unmasked and minimal."""
        first, size = await self.exactly(2)
        assert first & 0xF0 == 0x80, f"a frame begins with {first:#x}"
        assert size < 128, "a server's frame is not masked"
        if size == 126:
            size = int.from_bytes(await self.exactly(2))
            assert size > 125
        elif size == 127:
            size = int.from_bytes(await self.exactly(8))
            assert size > 65535
        return Frame(first & 0x0F, await self.exactly(size))

    async def frames(self) -> list[Frame]:
        """All frames up to and with the close."""
        found = [await self.frame()]
        while found[-1].opcode != CLOSE:
            found.append(await self.frame())
        return found

    async def say(self, opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True) -> None:
        """Send a frame."""
        await self.send(client_frame(opcode, payload, fin=fin, masked=masked))

    async def say_close(self, code: int = 1000) -> None:
        """Send a close frame."""
        await self.say(CLOSE, code.to_bytes(2))


def client_frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame as clients send it."""
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65536:
        length = bytes([bit | 126]) + size.to_bytes(2)
    else:
        length = bytes([bit | 127]) + size.to_bytes(8)
    mask = os.urandom(4) if masked else b""
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if masked else payload
    return bytes([fin << 7 | opcode]) + length + mask + body


@contextlib.asynccontextmanager
async def websocket(url: str, target: str, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
    """A WebSocket on a bare socket."""
    async with Raw(url, receive_buffer) as raw:
        await raw.upgrade(target)
        yield raw
