"""``/metrics``: what the server counts, as Prometheus text. No stream's id is ever a label.

Hot paths count plain numbers; they are carried over into the exported ones once a second, and at each scrape.
With several workers the numbers lie in files that all of them see (``PROMETHEUS_MULTIPROC_DIR``), and any of
them answers for all.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Total
from prometheus_client.multiprocess import MultiProcessCollector

from streamhub.web.keys import CONNECTIONS, HUB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from streamhub.hub import Hub
    from streamhub.web.connection import Connections

_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PERIOD: Final = 1.0
_LAGS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
#: Set by the parent of several workers, before any of them imports prometheus_client.
MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The exported numbers of one server."""

    def __init__(self, hub: Hub, connections: Connections) -> None:
        self._hub = hub
        self._connections = connections
        self._carried: dict[tuple[str, str], float] = {}
        self._registry = registry = CollectorRegistry()

        def total(name: str, text: str, *labels: str) -> Total:
            return Total(f"streamhub_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"streamhub_{name}", text, labels, registry=registry, multiprocess_mode="livesum")

        self._totals = {
            "bytes": total("sent_bytes", "Bytes handed to clients.", "transport"),
            "events": total("sent_events", "Events handed to clients.", "transport"),
            "slow": total("slow_clients", "Times that a client fell behind the tail.", "transport"),
            "ended": total("ended_connections", "Live connections that ended, by cause.", "cause"),
            "malformed": total("malformed_lines", "Lines that came and were no events."),
            "reads": total("history_reads", "Pieces of history read from files."),
            "polls": total("polls", "Looks at the ends of watched streams."),
            "poll_seconds": total("poll_seconds", "Time spent looking at the ends of watched streams."),
            "requests": total("requests", "Requests answered, by status class.", "status"),
            "refused": total("refused", "Connections and requests that were turned away, by cause.", "cause"),
        }
        self._clients = gauge("clients", "Live connections.", "transport")
        self._streams = gauge("watched_streams", "Streams that somebody follows.")
        self._lag = Histogram(
            "streamhub_lag_seconds",
            "From seeing a batch of lines in the file to having handed it to all who stand at the tail.",
            ("transport",),
            buckets=_LAGS,
            registry=registry,
        )
        hub.meter.lag = lambda transport, seconds: self._lag.labels(transport).observe(seconds)

    def carry(self) -> None:
        """Bring the exported numbers up to date."""
        meter, tailer = self._hub.meter, self._hub.tailer
        self._add("bytes", meter.bytes)
        self._add("events", meter.events)
        self._add("slow", meter.slow)
        self._add("ended", meter.ended)
        self._add("requests", meter.requests)
        self._add("refused", meter.refused)
        plain = {"malformed": meter.malformed, "reads": self._hub.history.reads, "polls": tailer.polls}
        for name, value in {**plain, "poll_seconds": tailer.seconds}.items():
            self._add(name, {"": value})
        clients = Counter(connection.transport_name for connection in self._connections.open)
        for name in ("websocket", "multiplex", "sse", "durable-sse"):
            self._clients.labels(name).set(clients[name])
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
