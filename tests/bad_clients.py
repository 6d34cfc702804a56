"""Clients as no client should be, in a process of their own, so that the healthy ones of a test are not slowed by them.

``python -m tests.bad_clients <url> <stream> <count>``: so many of each kind at once. Prints as JSON, by kind, what
became of them and of how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, client_frame

PINGS = 2_000
#: They come so many seconds apart, lest one that means to ask at once be late because this process has so much to do.
_APART = 0.002
_SMALL = 4096
_QUIET = "/v1/ws?match=nothing-is-called-like-this"


class Target:
    """Whom a client is after, and what it has for dice."""

    def __init__(self, url: str, stream: str, seed: int) -> None:
        self.url = url
        self.path = f"/v1/stream/{stream}"
        self.dice = random.Random(seed)


async def takes_nothing(target: Target) -> str:
    """Asks for a long stream and takes not a byte of it."""
    async with Raw(target.url, _SMALL) as raw:
        await raw.upgrade(f"{target.path}/ws")
        return await _cut(raw)


async def takes_no_events(target: Target) -> str:
    """The same, with server-sent events."""
    async with Raw(target.url, _SMALL) as raw:
        await raw.request(f"{target.path}/sse")
        return await _cut(raw)


async def takes_no_answer(target: Target) -> str:
    """Asks for as much as one answer holds, and takes none of it."""
    async with Raw(target.url, _SMALL) as raw:
        await raw.ask(target.path)
        return await _cut(raw)


async def says_nothing(target: Target) -> str:
    """Connects, and that is all."""
    async with Raw(target.url) as raw:
        return await _answer(raw)


async def dribbles_its_head(target: Target) -> str:
    """Sends a byte of a head now and then."""
    async with Raw(target.url) as raw:
        answer = asyncio.create_task(_answer(raw))
        for byte in f"GET {target.path}/ws HTTP/1.1\r\nHost: {raw.host}\r\n" + "X: y\r\n" * 1000:
            if answer.done():
                break
            try:
                await raw.send(byte.encode())
            except ConnectionError:
                break
            await asyncio.sleep(0.1)
        return await answer


async def sends_garbage(target: Target) -> str:
    """Sends noise in the place of a request."""
    async with Raw(target.url) as raw:
        await raw.send(b"\xf0" + target.dice.randbytes(500))
        return await _answer(raw)


async def sends_garbage_frames(target: Target) -> str:
    """Sends noise where a frame is to begin, with a reserved bit set so that it can be none."""
    return await _upgraded(target, b"\xf0" + target.dice.randbytes(500))


async def sends_oversized_frames(target: Target) -> str:
    """Sends more in one message than it may."""
    return await _upgraded(target, client_frame(BINARY, target.dice.randbytes(target.dice.randrange(1025, 5_000))))


async def announces_exabytes(target: Target) -> str:
    """Announces a frame that nobody has room for."""
    return await _upgraded(target, b"\x82\xff" + (1 << 62).to_bytes(8) + b"mask" + bytes(1000))


async def sends_fragments(target: Target) -> str:
    """Sends a message in more pieces, each of a byte, than a message may have bytes."""
    pieces = [client_frame(TEXT, b"x", fin=False), *[client_frame(CONTINUATION, b"x", fin=False)] * 1100]
    return await _upgraded(target, b"".join(pieces))


async def floods_with_pings(target: Target) -> str:
    """Pings two thousand times without waiting, then hangs up; hears no more answers than it asked for."""
    async with Raw(target.url) as raw:
        await raw.upgrade(_QUIET)
        await raw.send(client_frame(PING, b"x" * 125) * PINGS)
        await raw.say_close(1000)
        pongs = 0
        while (frame := await raw.frame()).opcode != CLOSE:
            pongs += frame.opcode == PONG
        return str(frame.code) if pongs <= PINGS else f"{pongs} pongs"


async def says_no_more(target: Target) -> str:
    """Closes its half of the connection, and waits."""
    async with Raw(target.url) as raw:
        await raw.upgrade(_QUIET)
        raw.half_close()
        return await _ending(raw)


async def leaves_by_force(target: Target) -> str:
    """Resets the connection in the middle of what it is given."""
    raw = Raw(target.url, _SMALL)
    await raw.__aenter__()
    await raw.upgrade(f"{target.path}/ws")
    raw.reset()
    return "gone"


Kind = Callable[[Target], Awaitable[str]]

#: After so many seconds those that nobody has ended are told as such.
PATIENCE = 60

#: What becomes of each kind.
KINDS: dict[Kind, str] = {
    takes_nothing: "cut",
    takes_no_events: "cut",
    takes_no_answer: "cut",
    says_nothing: "ended",
    dribbles_its_head: "408",
    sends_garbage: "400",
    sends_garbage_frames: "1002",
    sends_oversized_frames: "1009",
    announces_exabytes: "1009",
    sends_fragments: "1009",
    floods_with_pings: "1000",
    says_no_more: "ended",
    leaves_by_force: "gone",
}


def count_of(kind: Kind, count: int) -> int:
    """How many of a kind there are: a quarter of those that take nothing."""
    return count if kind is takes_nothing else count // 4


async def misbehave(url: str, stream: str, count: int) -> dict[str, dict[str, int]]:
    """All of them at once; by kind, what became of how many."""

    async def one(kind: Kind, number: int, place: int) -> tuple[str, str]:
        await asyncio.sleep(place * _APART)
        try:
            async with asyncio.timeout(PATIENCE):
                return kind.__name__, await kind(Target(url, stream, number))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told: it is not what is expected
            return kind.__name__, repr(error)

    told: dict[str, Counter[str]] = {kind.__name__: Counter() for kind in KINDS}
    crowd = [(kind, number) for kind in KINDS for number in range(count_of(kind, count))]
    random.Random(count).shuffle(crowd)
    for name, became in await asyncio.gather(*(one(*client, place) for place, client in enumerate(crowd))):
        told[name][became] += 1
    return {name: dict(found) for name, found in told.items()}


@contextlib.asynccontextmanager
async def let_loose(url: str, stream: str, count: int) -> AsyncIterator[asyncio.Task[bytes]]:
    """Have them misbehave within the block; gives what will have become of them, as JSON."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bad_clients", url, stream, str(count)),
        cwd=Path(__file__).resolve().parent.parent,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield asyncio.create_task(process.stdout.read())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _ending(raw: Raw) -> str:
    """How a socket ends: the close frame's code, or that it was cut, or just ended."""
    try:
        while (frame := await raw.frame()).opcode != CLOSE:
            pass
    except ConnectionError:
        return "cut"
    except EOFError:
        return "ended"
    return str(frame.code)


async def _answer(raw: Raw) -> str:
    """The status that a request gets, or that the connection was cut, or just ended."""
    try:
        return str((await raw.head()).status)
    except ConnectionError:
        return "cut"
    except EOFError:
        return "ended"


async def _cut(raw: Raw) -> str:
    """Wait until the connection is cut, without reading."""
    while not raw.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        await asyncio.sleep(0.1)
    return "cut"


async def _upgraded(target: Target, data: bytes) -> str:
    async with Raw(target.url) as raw:
        await raw.upgrade(_QUIET)
        await raw.send(data)
        return await _ending(raw)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(misbehave(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
