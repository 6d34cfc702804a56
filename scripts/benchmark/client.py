"""The load: many clients in one process of its own, the same for every server that is measured.

``python -m benchmark.client <plan as JSON>``. It says one line of JSON when all clients are connected and have read
the history, and one when they have everything. It ends when its standard input does, at the latest.

Clients count events by a mark that stands in each of them once; a sample of the clients reads each event's number
and time too. This is one thread around one ``epoll``: a read costs a few microseconds, less than with asyncio.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Final

from benchmark.events import MARK, SIZE, STAMP

#: Handshakes that may be under way at once: fewer than the smallest backlog among the servers.
_WINDOW: Final = 64
_BUFFER: Final = 256 * 1024


@dataclass(frozen=True)
class Plan:
    """What the clients are to do.

    Attributes:
        port: where the server listens, on loopback.
        path: what to ask for; ``{}`` in it stands for the client's number, modulo ``streams``.
        clients: how many there are.
        history: events that each of them gets before it is ready.
        live: events that each of them gets after that.
        sample: each so manieth client looks into the events.
        ordered: whether the events are numbered through, so that their order can be checked.
        sse: server-sent events; else a WebSocket.
        opening: a message to send first, if any.
        opened: what the server says to it.
        streams: how many streams the clients are spread over.
        stalled: so many further clients, which read nothing once they are connected.
        timeout: seconds until it gives up.
    """

    port: int
    path: str
    clients: int
    history: int
    live: int
    sample: int
    ordered: bool = True
    sse: bool = False
    opening: str = ""
    opened: str = ""
    streams: int = 1
    stalled: int = 0
    timeout: float = 120.0


@dataclass
class Tally:
    """What the clients saw.

    Attributes:
        events: all events of all clients.
        wrong: clients that got too few or too many.
        disordered: sampled events that did not come in their turn.
        closed: connections that ended early.
        started: when the first client connected, in nanoseconds of the monotonic clock.
        ready: when all were connected and had read the history.
        done: when the last had everything.
        latencies: of the sampled events, as they came, in nanoseconds.
        cpu_s: processor seconds of this process since all were ready.
    """

    events: int = 0
    wrong: int = 0
    disordered: int = 0
    closed: int = 0
    started: int = 0
    ready: int = 0
    done: int = 0
    latencies: list[int] = field(default_factory=list)
    cpu_s: float = 0.0


class Client:
    """One connection, and how many events it got."""

    __slots__ = ("count", "greeting", "next_seq", "rest", "sampled", "sock", "steps")

    def __init__(self, plan: Plan, number: int, *, sampled: bool) -> None:
        self.count = 0
        self.next_seq = 0
        self.rest = b""
        self.sampled = sampled
        #: What ends each step of the greeting that is still to come.
        self.steps = [b"\r\n\r\n", *([plan.opened.encode()] if plan.opening else [])]
        self.greeting = b""
        self.sock = socket.create_connection(("127.0.0.1", plan.port))
        self.sock.sendall(_request(plan, number))
        self.sock.settimeout(0)

    def greet(self, data: bytes, plan: Plan) -> bytes:
        """Go on with the greeting; gives what came after it."""
        self.greeting += data
        while self.steps and self.steps[0] in self.greeting:
            step, _, self.greeting = self.greeting.partition(self.steps.pop(0))
            if step.startswith(b"HTTP/1.1 ") and step[9:12] not in {b"101", b"200"}:
                sys.exit(f"client: the server answered {step[:200]!r}")
            if self.steps:
                self.sock.sendall(_masked(plan.opening.encode()))
        if self.steps:
            return b""
        rest, self.greeting = self.greeting, b""
        return rest

    def tally(self, buffer: bytearray, size: int) -> int:
        """Count the events in what was read; one cut in two counts when its second part comes."""
        found = buffer.count(MARK, 0, size)
        cut = len(MARK) - 1
        found += (self.rest + buffer[: min(size, cut)]).count(MARK)
        self.rest = bytes(buffer[size - cut : size]) if size >= cut else (self.rest + buffer[:size])[-cut:]
        self.count += found
        return found


def _request(plan: Plan, number: int) -> bytes:
    lines = [f"GET {plan.path.format(number % plan.streams)} HTTP/1.1", "Host: localhost"]
    if plan.sse:
        lines.append("Accept: text/event-stream")
    else:
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines.append("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    return "\r\n".join([*lines, "", ""]).encode()


def _masked(message: bytes) -> bytes:
    """A short message as a client has to send it; the mask of zeros leaves it as it is."""
    assert len(message) < 126
    return bytes((0x82, 0x80 | len(message), 0, 0, 0, 0)) + message


def _stalled(plan: Plan) -> socket.socket:
    """A client that reads nothing once it is connected, and has little room for what comes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", plan.port))
    sock.sendall(_request(plan, 0))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return sock


class Load:
    """All clients of a run."""

    def __init__(self, plan: Plan) -> None:
        self.tally = Tally()
        self._plan = plan
        self._clients: dict[int, Client] = {}
        self._epoll = select.epoll()
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._connected = 0
        self._stalled: list[socket.socket] = []
        self._deadline = time.monotonic() + plan.timeout

    def connect(self) -> None:
        """Connect all clients, and let them read the history."""
        plan = self._plan
        self.tally.started = time.monotonic_ns()
        while self._connected < plan.clients and self._in_time():
            while len(self._clients) < min(plan.clients, self._connected + _WINDOW):
                number = len(self._clients)
                client = Client(plan, number, sampled=number % plan.sample == 0)
                self._clients[client.sock.fileno()] = client
                self._epoll.register(client.sock, select.EPOLLIN)
            self._read(0.1)
        self._stalled = [_stalled(plan) for _ in range(plan.stalled)]
        self.read_until(plan.clients * plan.history)
        self.tally.ready = time.monotonic_ns()

    def read_until(self, events: int) -> None:
        """Read until all clients together have so many events, and note when that was."""
        while self.tally.events < events and self._in_time():
            self._read(0.1)
        self.tally.done = time.monotonic_ns()

    def finish(self) -> None:
        """Wait for what should not come any more, and compare."""
        self._read(0.05)
        expected = self._plan.history + self._plan.live
        self.tally.wrong = sum(client.count != expected for client in self._clients.values())

    def _in_time(self) -> bool:
        return time.monotonic() < self._deadline and self.tally.closed < self._plan.clients

    def _read(self, seconds: float) -> None:
        for fd, _ in self._epoll.poll(seconds):
            client = self._clients[fd]
            size = 0
            with contextlib.suppress(ConnectionError):
                size = client.sock.recv_into(self._view)
            if not size:
                self.tally.closed += 1
                self._epoll.unregister(fd)  # it stays among the clients, so that its descriptor is not another's
                continue
            if client.steps:
                rest = client.greet(bytes(self._view[:size]), self._plan)
                self._connected += not client.steps
                size = len(rest)
                self._buffer[:size] = rest
            self.tally.events += self._look(client, size) if client.sampled else client.tally(self._buffer, size)

    def _look(self, client: Client, size: int) -> int:
        """Count the events, and look into each."""
        now = time.monotonic_ns()
        data = client.rest + self._view[:size]
        end, found = 0, 0
        for match in STAMP.finditer(data):
            at, seq = int(match[1]), int(match[2])
            if at:
                self.tally.latencies.append(now - at)
            if self._plan.ordered:
                self.tally.disordered += seq != client.next_seq
                client.next_seq = seq + 1
            end, found = match.end(), found + 1
        client.rest = data[max(end, len(data) - SIZE) :]
        client.count += found
        return found


def main() -> None:
    """Do what the plan says."""
    plan = Plan(**json.loads(sys.argv[1]))
    load = Load(plan)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load.connect()
    print(json.dumps(asdict(load.tally)), flush=True)
    before = time.process_time()
    load.read_until(plan.clients * (plan.history + plan.live))
    load.tally.cpu_s = time.process_time() - before
    load.finish()
    print(json.dumps(asdict(load.tally)), flush=True)
    os.read(0, 1)


if __name__ == "__main__":
    main()
