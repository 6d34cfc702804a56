"""What comes over the wire, taken apart by hand: it shares no code with the server that it judges."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
#: Bytes taken from a socket at once.
_PIECE = 256 * 1024

_decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


class Wire:
    """One request over a socket of its own. What is not read stays in the kernel: nothing is buffered here.

    Args:
        url: the server.
        receive_buffer: the socket's, in bytes; small for a reader that is to block its writer.
    """

    def __init__(self, url: str, receive_buffer: int | None = None) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._rest = b""

    async def request(self, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        """Ask; gives the status and the head's fields, their names in lower case.

        Raises:
            OSError: nobody answers.
        """
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._address)
        fields = {"Host": f"{self._address[0]}:{self._address[1]}", **headers}
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        await loop.sock_sendall(self._socket, "\r\n".join(lines).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = await loop.sock_recv(self._socket, _PIECE)
            if not data:
                raise ConnectionError("the server hung up before it answered")
            head += data
        head, _, self._rest = head.partition(b"\r\n\r\n")
        status, *rows = head.decode("latin-1").split("\r\n")
        pairs = (row.partition(":") for row in rows)
        return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def read(self) -> bytes:
        """Some bytes of the body; none when it has ended.

        Raises:
            OSError: the connection was cut.
        """
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        return await asyncio.get_running_loop().sock_recv(self._socket, _PIECE)

    async def hang_up(self, code: bytes) -> None:
        """Answer a close frame, masked as a client's has to be."""
        mask = os.urandom(4)
        payload = bytes(byte ^ key for byte, key in zip(code, mask, strict=False))
        frame = bytes((0x80 | CLOSE, 0x80 | len(code))) + mask + payload
        await asyncio.get_running_loop().sock_sendall(self._socket, frame)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class Frames:
    """Splits a server's bytes into WebSocket frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that are whole by now: opcode and payload."""
        data = self._rest + data
        frames: list[tuple[int, bytes]] = []
        place, end = 0, len(data)
        while place + 2 <= end:
            first, size, start = data[place], data[place + 1], place + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if start > end:
                    break
                size = int.from_bytes(data[place + 2 : start])
            if start + size > end:
                break
            assert first & 0xF0 == 0x80, f"a frame begins with {first:#x}: every message is one frame"
            frames.append((first & 0x0F, data[start : start + size]))
            place = start + size
        self._rest = data[place:]
        return frames


class Event(NamedTuple):
    """A server-sent event as a client gets it; a field that was not sent is empty."""

    id: str
    name: str
    data: bytes


class Events:
    """Splits a server's bytes into server-sent events, comments left out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are whole by now."""
        assert b"\r" not in data, "a lone CR would end a line"
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        return [event for event in map(_event, blocks) if any(event)]


def _event(block: bytes) -> Event:
    fields: dict[bytes, bytes] = {}
    for row in block.split(b"\n"):
        name, _, value = row.partition(b":")
        assert name not in fields, f"{name!r} stands twice in {block[:80]!r}"
        fields[name] = value.removeprefix(b" ")
    return Event(fields.get(b"id", b"").decode(), fields.get(b"event", b"").decode(), fields.get(b"data", b""))


def elements(array: bytes) -> list[bytes]:
    """The elements of a JSON array, each in its own bytes, white space around it included."""
    text = array.decode()
    assert (text[0], text[-1]) == ("[", "]"), f"no array: {text[:80]!r}"
    if text == "[]":
        return []
    found: list[bytes] = []
    start = 1
    while start < len(text):
        end = _past_space(text, _decode(text, _past_space(text, start))[1])
        assert text[end] in ",]", f"no array: {text[start : end + 10]!r}"
        found.append(text[start:end].encode())
        start = end + 1
    return found


def _past_space(text: str, place: int) -> int:
    while text[place] in " \t\r\n":
        place += 1
    return place
