"""``/metrics`` of a relay, on a port of its own.

Streams are named in labels here, which ``serve`` never does: whoever may ask a relay runs it. Still there are never
more series than a dashboard can bear: of the streams that are behind, those that are furthest.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

    from streamhub.relay.meter import Meter
    from streamhub.relay.settings import Settings

#: The most streams whose lag is told.
MOST_STREAMS: Final = 100


class Metrics(Collector):
    """What a relay counts, for Prometheus."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def collect(self) -> Iterable[Metric]:
        """All numbers as they are now."""
        yield from self._totals()
        yield from self._states()
        yield from self._lags()

    def _totals(self) -> Iterator[Metric]:
        meter = self._meter
        for name, text, value in (
            ("messages", "Messages acknowledged by JetStream (push), or appends to files (pull).", meter.messages),
            ("bytes", "Bytes of lines carried.", meter.bytes),
            ("lines", "Lines carried.", meter.lines),
            (
                "repeats",
                "Messages that brought nothing new, or positions that had to be asked for again.",
                meter.repeats,
            ),
            ("foreign_messages", "Messages on the subjects of streams that are none of a relay's.", meter.foreign),
            ("reconnects", "Connections to NATS that were lost and made again.", meter.reconnects),
        ):
            yield CounterMetricFamily(f"streamhub_relay_{name}", text, value=value)
        retries = CounterMetricFamily("streamhub_relay_retries", "What had to be tried again.", labels=["cause"])
        for cause, count in list(meter.retries.items()):
            retries.add_metric([cause], count)
        yield retries

    def _states(self) -> Iterator[Metric]:
        meter = self._meter
        for name, text, value in (
            ("connected", "Whether there is a connection to NATS.", int(meter.connected)),
            ("streams", "Streams that are carried.", meter.streams),
            ("refused_streams", "Streams that are not what the other end has, and so are left.", len(meter.refused)),
            ("pending_messages", "Messages that JetStream has and a puller has not read.", meter.pending),
            ("delay_seconds", "How old the last message was when it was written.", meter.delay),
            ("lagging_streams", "Streams that are behind.", len(meter.lags)),
            ("lacking_bytes", "Bytes that all streams together are behind.", meter.lacking),
            ("longest_lag_seconds", "How long the stream is behind that has been for longest.", meter.longest),
        ):
            yield GaugeMetricFamily(f"streamhub_relay_{name}", text, value=value)

    def _lags(self) -> Iterator[Metric]:
        now = time.time()
        sizes = GaugeMetricFamily(
            "streamhub_relay_lag_bytes", "Bytes that a stream is behind; of those furthest behind.", labels=["stream"]
        )
        times = GaugeMetricFamily(
            "streamhub_relay_lag_seconds", "How long it has been behind; of the same.", labels=["stream"]
        )
        for stream, lag in self._meter.worst(MOST_STREAMS):
            sizes.add_metric([stream], lag.bytes)
            times.add_metric([stream], max(0.0, now - lag.since))
        yield from (sizes, times)


@contextmanager
def exported(settings: Settings, meter: Meter) -> Iterator[int | None]:
    """Answer ``/metrics`` within the block; gives the port, or None when nobody asked for it.

    Raises:
        StreamhubError: the port cannot be had.
    """
    if settings.metrics_port is None:
        yield None
        return
    registry = CollectorRegistry()
    registry.register(Metrics(meter))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        where = f"{settings.metrics_host} port {settings.metrics_port}"
        raise StreamhubError(f"cannot answer /metrics on {where}: {error.strerror}; take another port") from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
