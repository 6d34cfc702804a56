"""``/metrics``: what the server counts, as Prometheus text. No stream's id is ever a label.

Hot paths count plain numbers; they are carried over into the exported ones once a second, and at each scrape.
With several workers the numbers lie in files that all of them see (``PROMETHEUS_MULTIPROC_DIR``), and any of
them answers for all.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client import Counter as Total
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from streamhub.meter import ENDS, LIVE, REFUSALS, SOURCES, TRANSPORTS
from streamhub.web.keys import CONNECTIONS, HUB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from streamhub.hub import Hub
    from streamhub.web.connections import Connections

_M = TypeVar("_M", Total, Histogram)
_Mode = Literal["livesum", "livemax"]

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PERIOD: Final = 1.0
_STATUSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
#: Set by the parent of several workers, before any of them imports prometheus_client.
MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"

# A second series for each, that says when the first began: they would be half of the text, and nobody asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The exported numbers of one server."""

    def __init__(self, hub: Hub, connections: Connections) -> None:
        self._hub = hub
        self._connections = connections
        self._carried: dict[tuple[str, str], float] = {}
        self._registry = registry = CollectorRegistry()

        def total(name: str, text: str, label: str = "", values: Sequence[str] = ()) -> Total:
            made = Total(f"streamhub_{name}", text, (label,) if label else (), registry=registry)
            return _begun(made, values)

        def gauge(name: str, text: str, *labels: str, mode: _Mode = "livesum") -> Gauge:
            return Gauge(f"streamhub_{name}", text, labels, registry=registry, multiprocess_mode=mode)

        by_transport = ("transport", TRANSPORTS)
        self._totals = {
            "bytes": total("sent_bytes", "Bytes handed to clients, those of polling before gzip.", *by_transport),
            "events": total("sent_events", "Events handed to clients.", *by_transport),
            "slow": total("slow_clients", "Times that a client fell behind the tail.", "transport", LIVE[:-1]),
            "ended": total("ended_connections", "Live connections that ended, by cause.", "cause", ENDS),
            "refused": total("refused", "Connections and requests turned away, by cause.", "cause", REFUSALS),
            "requests": total("requests", "Requests answered, by class of status.", "status", _STATUSES),
            "malformed": total("malformed_lines", "Lines that came and were no events."),
            "reads": total("file_reads", "Pieces read from files, by what read them.", "source", SOURCES),
            "read_bytes": total("file_read_bytes", "Bytes read from files, by what read them.", "source", SOURCES),
            "polls": total("polls", "Looks at the ends of watched streams."),
            "poll_seconds": total("poll_seconds", "Time spent looking at watched streams and for new ones."),
        }
        self._clients = gauge("clients", "Live connections.", "transport")
        self._blocked = gauge("blocked_clients", "Live connections that take nothing for now.", "transport")
        self._streams = gauge("watched_streams", "Streams that somebody follows or waits for.")
        gauge("build_info", "The version that serves.", "version", mode="livemax").labels(version("streamhub")).set(1)
        lag = Histogram(
            "streamhub_lag_seconds",
            "From the arrival of lines in the file to their send to all who stand at the tail.",
            ("transport",),
            buckets=_LAGS,
            registry=registry,
        )
        self._lag = _begun(lag, LIVE)
        hub.meter.lag = lambda transport, seconds: self._lag.labels(transport).observe(seconds)
        ProcessCollector(registry=registry)

    def carry(self) -> None:
        """Bring the exported numbers up to date."""
        meter, history, tailer = self._hub.meter, self._hub.history, self._hub.tailer
        counts: dict[str, Mapping[str, float]] = {
            "bytes": meter.bytes,
            "events": meter.events,
            "slow": meter.slow,
            "ended": meter.ended,
            "refused": meter.refused,
            "requests": meter.requests,
            "reads": {**meter.reads, "history": history.reads},
            "read_bytes": {**meter.read_bytes, "history": history.read_bytes},
            "malformed": {"": meter.malformed},
            "polls": {"": tailer.polls},
            "poll_seconds": {"": tailer.seconds},
        }
        for name, values in counts.items():
            self._add(name, values)
        self._count_clients()
        self._streams.set(self._hub.watched)

    def text(self) -> bytes:
        """The exposition of this server, or of all its workers."""
        self.carry()
        registry = self._registry
        if os.environ.get(MULTIPROCESS_DIR):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _add(self, name: str, values: Mapping[str, float]) -> None:
        for label, value in values.items():
            growth = value - self._carried.get((name, label), 0)
            if growth > 0:
                (self._totals[name].labels(label) if label else self._totals[name]).inc(growth)
                self._carried[name, label] = value

    def _count_clients(self) -> None:
        clients = Counter(connection.transport_name for connection in self._connections.open)
        clients["long-poll"] = self._hub.meter.long_polls
        blocked = Counter(connection.transport_name for connection in self._connections.open if connection.blocked)
        for name in LIVE:
            self._clients.labels(name).set(clients[name])
            self._blocked.labels(name).set(blocked[name])


def _begun(metric: _M, values: Sequence[str]) -> _M:
    """A metric whose series are there from the start, at zero: a rate cannot tell the first of them from a restart."""
    for value in values:
        metric.labels(value)
    return metric


METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)


async def export(app: web.Application) -> AsyncIterator[None]:
    """Carry numbers over for as long as the application runs."""
    metrics = app[METRICS] = Metrics(app[HUB], app[CONNECTIONS])

    async def keep() -> None:
        while True:
            await asyncio.sleep(_PERIOD)
            metrics.carry()

    task = asyncio.create_task(keep())
    yield
    task.cancel()
    metrics.carry()


async def show_metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    return web.Response(
        body=request.app[METRICS].text(), headers={"Content-Type": _CONTENT_TYPE, "Cache-Control": "no-store"}
    )
