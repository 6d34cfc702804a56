"""What is measured with a server and clients."""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmark.client import Plan
from benchmark.events import event, events
from benchmark.peers import PEERS, Streamhub
from benchmark.processes import BenchError, Process, Usage, python
from benchmark.profiling import profiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark.peer import Peer

    Measure = Callable[["Peer", "Size", Path | None], "Figures"]

#: What a run gives: a name and a figure each.
Figures = dict[str, float]

#: Events that are handed over with one write in a burst.
_AT_ONCE: Final = 100
#: After a steady pace so many times as many come at once.
_THEN: Final = 200
#: Seconds for which an idle server is watched.
_WATCH: Final = 5.0
#: Seconds after which a stream that nobody writes is looked at no more than once a second, and then some.
_COLD: Final = 20.0


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        clients: how many there are.
        events: how many each of them gets.
        rate: events a second; 0: all at once.
        streams: how many streams there are, in the case of quiet ones.
    """

    clients: int
    events: int
    rate: float = 0.0
    streams: int = 1


class Session:
    """A server and its clients, connected.

    Attributes:
        before: what the server had used before they were.
        connected: what it had used then.
    """

    def __init__(self, peer: Peer, client: Process, before: Usage) -> None:
        self._client = client
        client.line()
        self.before = before
        self.connected = peer.process.usage()

    def result(self, size: Size, history: int, live: int) -> dict[str, Any]:
        """What the clients saw, once they have seen everything.

        Raises:
            BenchError: it was not that.
        """
        tally: dict[str, Any] = json.loads(self._client.line())
        expected = size.clients * (history + live)
        if tally["events"] != expected or tally["wrong"] or tally["disordered"] or tally["closed"]:
            raise BenchError(
                f"incomplete: {tally['events']} of {expected} events, {tally['wrong']} clients with a wrong count, "
                f"{tally['disordered']} events out of order, {tally['closed']} connections lost"
            )
        return tally


@contextlib.contextmanager
def session(
    peer: Peer, size: Size, *, history: int, live: int, sample: int, path: str = "", stalled: int = 0
) -> Iterator[Session]:
    """Connect clients to a server; ``path`` is what they ask for instead of the usual, with a place for a number."""
    plan = Plan(
        port=peer.port,
        path=path or peer.path,
        clients=size.clients,
        history=history,
        live=live,
        sample=sample,
        ordered=size.streams == 1 or "{}" in path,
        sse=peer.sse,
        opening=peer.opening,
        opened=peer.opened,
        streams=size.streams,
        stalled=stalled,
    )
    before = peer.process.usage()
    with Process(python("benchmark.client", json.dumps(asdict(plan))), peer.folder / "client.log") as client:
        yield Session(peer, client, before)


def run(measure: Measure, name: str, size: Size, profile: Path | None) -> Figures:
    """Start a server, measure, and end it.

    Raises:
        BenchError: it could not be measured, or something was lost.
    """
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as folder, PEERS[name](Path(folder)) as peer:
        return measure(peer, size, profile)


def burst(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Everything at once: how many events a second reach the clients."""
    lines = events(0, size.events, 0)
    with session(peer, size, history=0, live=size.events, sample=50) as run:
        with profiled(peer.process.pid, profile):
            start = time.monotonic_ns()
            for first in range(0, size.events, _AT_ONCE):
                peer.publish(lines[first : first + _AT_ONCE])
            tally = run.result(size, 0, size.events)
        return {
            "deliveries_per_s": tally["events"] / (tally["done"] - start) * 1e9,
            "server_cpu_s": peer.process.usage().cpu_s - run.connected.cpu_s,
            "client_cpu_s": tally["cpu_s"],
        }


def paced(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """A steady pace: how long an event takes to the clients, and what that costs the server."""
    with session(peer, size, history=0, live=size.events, sample=10) as run:
        with profiled(peer.process.pid, profile):
            _publish_paced(peer, size)
            tally = run.result(size, 0, size.events)
        return {
            **_latencies(tally),
            "server_cpu_s": peer.process.usage().cpu_s - run.connected.cpu_s,
            "client_cpu_s": tally["cpu_s"],
        }


def relay(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """A steady pace, for the latency; then many lines at once, for how many a second come through."""
    figures = paced(peer, size, profile)
    count = size.events * _THEN
    with session(peer, Size(1, count), history=size.events, live=count, sample=1) as run:
        start = time.monotonic_ns()
        for first in range(size.events, size.events + count, _AT_ONCE):
            peer.publish(events(first, _AT_ONCE, 0))
        tally = run.result(Size(1, count), size.events, count)
    return {**figures, "lines_per_s": count / (tally["done"] - start) * 1e9}


def idle(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Clients to whom nothing happens: what each of them holds; then now and then one event to all of them."""
    with session(peer, size, history=0, live=size.events, sample=1) as run:
        with profiled(peer.process.pid, profile):
            time.sleep(1.0)
            idle = peer.process.usage()
            _publish_paced(peer, size)
            tally = run.result(size, 0, size.events)
        return {
            "kib_per_client": (idle.rss - run.before.rss) / size.clients / 1024,
            **_latencies(tally),
            "server_cpu_s": peer.process.usage().cpu_s - idle.cpu_s,
        }


def replay(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Clients that come late, all at once, and read the history."""
    peer.preload(events(0, size.events, 0))
    with profiled(peer.process.pid, profile):
        before = peer.process.usage()
        with session(peer, size, history=size.events, live=0, sample=50) as run:
            tally = run.result(size, size.events, 0)
            after = peer.process.usage()
    return {
        "lines_per_s": tally["events"] / (tally["ready"] - tally["started"]) * 1e9,
        "server_cpu_s": after.cpu_s - before.cpu_s,
        "grown_mib": (after.rss - before.rss) / 2**20,
    }


def replays(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Clients that read the history, then five times as many: what each further one holds, beside what all share."""
    peer.preload(events(0, size.events, 0))
    held = []
    with profiled(peer.process.pid, profile):
        for clients in (size.clients, 5 * size.clients):
            crowd = Size(clients, size.events)
            with session(peer, crowd, history=size.events, live=0, sample=50) as run:
                run.result(crowd, size.events, 0)
                held.append(peer.process.usage().rss)
    return {"kib_per_further_client": (held[1] - held[0]) / (4 * size.clients) / 1024, "rss_mib": held[1] / 2**20}


def quiet(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Streams that are watched and that nobody writes: what looking at them costs, and when a change is seen."""
    assert isinstance(peer, Streamhub)
    peer.publish([event(0, 0)])
    for number in range(1, size.streams):
        (peer.streams / f"quiet-{number}.jsonl").write_bytes(event(0, 0) + b"\n")
    with session(peer, size, history=size.streams, live=1, sample=1) as run:
        time.sleep(_COLD)
        with profiled(peer.process.pid, profile):
            before = peer.process.usage()
            time.sleep(_WATCH)
            spent = peer.process.usage().cpu_s - before.cpu_s
        start = time.monotonic_ns()
        peer.publish([event(1, start)])
        tally = run.result(size, size.streams, 1)
        return {"core_percent": 100 * spent / _WATCH, "seen_after_ms": (tally["done"] - start) / 1e6}


def many(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """Many streams at a pace of their own: whether what is late grows later."""
    assert isinstance(peer, Streamhub)
    with contextlib.ExitStack() as files:
        paths = [peer.streams / f"many-{number}.jsonl" for number in range(size.streams)]
        streams = [files.enter_context(path.open("ab", buffering=0)) for path in paths]
        path = "/v1/stream/many-{}/ws"
        with session(peer, size, history=0, live=size.events, sample=7, path=path) as run:
            with profiled(peer.process.pid, profile):
                for number in _paced(size.events * size.streams, size.rate * size.streams):
                    stream = streams[number % size.streams]
                    stream.write(event(number // size.streams, time.monotonic_ns()) + b"\n")
                tally = run.result(size, 0, size.events)
            spent = peer.process.usage().cpu_s - run.connected.cpu_s
    fifth = len(tally["latencies"]) // 5
    first, last = (statistics.median(part) for part in (tally["latencies"][:fifth], tally["latencies"][-fifth:]))
    return {"drift_ms": (last - first) / 1e6, **_latencies(tally), "server_cpu_s": spent}


def stalled(peer: Peer, size: Size, profile: Path | None = None) -> Figures:
    """A burst with a tenth more clients, which read nothing, beside the same one without them."""
    path = f"{peer.path}?offset=now" if peer.keeps else peer.path
    lines, rates = events(0, size.events, 0), []
    for count in (0, size.clients // 9):
        with session(peer, size, history=0, live=size.events, sample=10, path=path, stalled=count) as run:
            with profiled(peer.process.pid, profile):
                start = time.monotonic_ns()
                for first in range(0, size.events, _AT_ONCE):
                    peer.publish(lines[first : first + _AT_ONCE])
                tally = run.result(size, 0, size.events)
            rates.append(tally["events"] / (tally["done"] - start) * 1e9)
            grown = peer.process.usage().rss - run.connected.rss
    return {"kept_percent": 100 * rates[1] / rates[0], "deliveries_per_s": rates[1], "grown_mib": grown / 2**20}


def start(name: str, size: Size) -> Figures:
    """How long a server takes until it listens, with streams in its folder and without."""
    taken = []
    for count in (0, size.streams):
        with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as folder:
            streams = Path(folder) / "streams"
            streams.mkdir()
            for number in range(count):
                (streams / f"{number}.jsonl").write_bytes(event(0, 0) + b"\n")
            begin = time.monotonic()
            with PEERS[name](Path(folder)):
                taken.append(1e3 * (time.monotonic() - begin))
    return {"listening_ms": taken[1], "empty_ms": taken[0]}


def _paced(count: int, rate: float) -> Iterator[int]:
    """Count, each number at its time."""
    start = time.monotonic_ns() + 10_000_000
    for number in range(count):
        due = start + int(number * 1e9 / rate)
        while (left := due - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        yield number


def _publish_paced(peer: Peer, size: Size) -> None:
    for seq in _paced(size.events, size.rate):
        peer.publish([event(seq, time.monotonic_ns())])


def _latencies(tally: dict[str, Any]) -> Figures:
    latencies: list[int] = sorted(tally["latencies"])
    return {f"p{share}_ms": latencies[len(latencies) * share // 100] / 1e6 for share in (50, 99)}
