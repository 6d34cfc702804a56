"""What is measured without a server: emitting, and compressing."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark.events import SIZE
from streamhub import Emitter
from streamhub.batch import make_batch
from streamhub.deflate import Deflated
from streamhub.demo import Stage, check_out, read_news, watch_prices
from streamhub.wire import events_message, events_messages, line_messages, text_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.cases import Figures
    from streamhub.batch import Batch

_URL: Final = "https://example.com/catalogue/section-12/item-345?page=7"


def emitter(name: str, *, quick: bool) -> Figures:
    """What one event costs a mission, in microseconds: of the processor, and until it goes on."""
    count = 2_000 if quick else 50_000
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as folder:
        cpu, start = time.process_time(), time.perf_counter()
        _EMITTERS[name](Path(folder), count)
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return {"cpu_us_per_event": cpu_s / count * 1e6, "us_per_event": wall_s / count * 1e6}


def _emit(folder: Path, count: int) -> None:
    with Emitter("m-1", "s", folder) as stream:
        for _ in range(count):
            stream.navigation(_URL, "click", "next page")


def _append_json(folder: Path, count: int) -> None:
    """What a mission would write by itself: json.dumps, open, append, close."""
    path = str(folder / "s.jsonl")
    for _ in range(count):
        payload = {"url": _URL, "action": "click", "detail": "next page"}
        now = datetime.now(UTC).isoformat()
        event = {"timestamp": now, "mission_id": "m-1", "event_type": "navigation", "payload": payload}
        with open(path, "a") as file:
            file.write(json.dumps(event) + "\n")


_EMITTERS: Final[dict[str, Callable[[Path, int], None]]] = {"streamhub": _emit, "json-append": _append_json}


def wire(name: str, *, quick: bool) -> Figures:
    """What the kernel takes for a write and the read of it over loopback, in processor microseconds an event.

    No server can be cheaper than that for its clients and itself together.
    """
    together = WRITES[name]
    writes = (2_000 if quick else 100_000) // together
    data = bytes((SIZE + 4) * together)
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.process_time()
        for _ in range(writes):
            client.sendall(data)
            left = len(data)
            while left:
                left -= len(accepted.recv(left))
        return {"cpu_us_per_event": (time.process_time() - start) / writes / together * 1e6}


#: How ``wire`` is measured: events a write.
WRITES: Final = {"1-a-write": 1, "10-a-write": 10, "100-a-write": 100}


def compress(name: str, *, quick: bool) -> Figures:
    """What ``--compress`` saves of the bytes sent, and what it costs per mebibyte of lines."""
    together, multiplexed = FORMS[name]
    lines = _mission_lines(200 if quick else 5_000)
    data = [b"".join(lines[first : first + together]) for first in range(0, len(lines), together)]
    batches = [make_batch("price-watch", "0badcafe", 0, part, 1 << 20) for part in data]
    plain = events_message if multiplexed else text_frames
    deflated = Deflated(events_messages if multiplexed else line_messages)
    size = sum(len(plain(batch, True)) for batch in batches)  # noqa: FBT003 - an encoder takes it by position
    plain_s, _ = _timed(plain, batches)
    deflated_s, small = _timed(deflated, batches)
    return {
        "saved_percent": 100 * (1 - small / size),
        "bytes_per_event": small / len(lines),
        "cpu_ms_per_mib": (deflated_s - plain_s) * 1e3 / (sum(map(len, lines)) / 2**20),
    }


def _timed(encode: Callable[[Batch, bool], bytes], batches: list[Batch]) -> tuple[float, int]:
    start = time.process_time()
    size = sum(len(encode(batch, True)) for batch in batches)  # noqa: FBT003 - an encoder takes it by position
    return time.process_time() - start, size


#: How ``--compress`` is measured: events a batch, and whether on the multiplexed socket.
FORMS: Final = {
    "plain": (1, False),
    "multiplexed-1-a-batch": (1, True),
    "multiplexed-10-a-batch": (10, True),
    "multiplexed-100-a-batch": (100, True),
}


class _EnoughError(Exception):
    """There are enough events."""


class _FastStage(Stage):
    """A stage on which no time passes."""

    def __init__(self, stream: Emitter, size: int) -> None:
        super().__init__(stream, threading.Event())
        self.chance.seed(1)
        self._size = size

    def take(self, least: float, most: float) -> None:  # noqa: ARG002 - the names are those of its base class
        """Let no time pass."""
        if self.stream.path.stat().st_size > self._size:
            raise _EnoughError


def _mission_lines(count: int) -> list[bytes]:
    """The lines of the demo's missions, in turn."""
    lines: list[bytes] = []
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as folder:
        while len(lines) < count:
            for mission in (watch_prices, check_out, read_news):
                stream = Emitter(f"mission-{len(lines)}", directory=folder, closes_stream=False)
                with stream, contextlib.suppress(_EnoughError, TimeoutError):
                    mission(_FastStage(stream, 8_000))
                lines += stream.path.read_bytes().splitlines(keepends=True)
    return lines[:count]
