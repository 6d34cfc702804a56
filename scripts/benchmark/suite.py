"""The cases: how large, who is compared, and which figure counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark import cases, local, relays
from benchmark.brokers import Nats
from benchmark.cases import Size
from benchmark.peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark.cases import Figures


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        title: what happens in it.
        peers: who is compared, the one that the others are compared with first.
        figure: the figure that is compared.
        more_is_better: which way that is.
        run: measures a peer; quickly, if said so; with a profile, if said where.
        served: whether the peers are servers.
        slow: whether it takes its time, however small it is made.
    """

    title: str
    peers: tuple[str, ...]
    figure: str
    more_is_better: bool
    run: Callable[[str, bool, Path | None], Figures]
    served: bool = True
    slow: bool = False

    def missing(self, peer: str) -> str:
        """What this machine lacks to run a peer, if anything."""
        if peer in relays.BACKLOGS:
            return Nats.missing()
        return PEERS[peer].missing() if self.served else ""


def _served(measure: cases.Measure, size: Size, quick_size: Size) -> Callable[[str, bool, Path | None], Figures]:
    def run(peer: str, quick: bool, profile: Path | None) -> Figures:  # noqa: FBT001
        return cases.run(measure, peer, quick_size if quick else size, profile)

    return run


_OTHERS: Final = ("aiohttp", "websockets", "ws", "nchan", "nats")
_FLOORS: Final = tuple(f"streamhub-floor-{ms}ms" for ms in (1, 10, 20, 50, 100))

CASES: Final[dict[str, Case]] = {
    "burst": Case(
        title="2,000 events at once to 1,000 clients",
        peers=("streamhub", "streamhub-sse", "streamhub-multiplexed", "streamhub-uvloop", *_OTHERS, "nchan-2-workers"),
        figure="deliveries_per_s",
        more_is_better=True,
        run=_served(cases.burst, Size(1000, 2000), Size(50, 500)),
    ),
    "paced": Case(
        title="100 events a second to 1,000 clients, for 5 seconds",
        peers=("streamhub", "streamhub-uvloop", *_OTHERS, "nchan-2-workers"),
        figure="p99_ms",
        more_is_better=False,
        run=_served(cases.paced, Size(1000, 500, 100), Size(50, 100, 100)),
    ),
    "gentle": Case(
        title="10 events a second to 1,000 clients, for 5 seconds",
        peers=("streamhub", *_OTHERS),
        figure="p50_ms",
        more_is_better=False,
        run=_served(cases.paced, Size(1000, 50, 10), Size(50, 10, 10)),
    ),
    "idle": Case(
        title="10,000 clients to whom nothing happens, then five events to all of them, one a second",
        peers=("streamhub", *_OTHERS),
        figure="kib_per_client",
        more_is_better=False,
        run=_served(cases.idle, Size(10_000, 5, 1), Size(200, 2, 10)),
    ),
    "replay": Case(
        title="100 clients read a history of 100,000 lines",
        peers=("streamhub", "streamhub-sse", "streamhub-multiplexed"),
        figure="lines_per_s",
        more_is_better=True,
        run=_served(cases.replay, Size(100, 100_000), Size(10, 5_000)),
    ),
    "replays": Case(
        title="100 clients read a history of 100,000 lines, then 500 do",
        peers=("streamhub", "streamhub-sse", "streamhub-multiplexed"),
        figure="kib_per_further_client",
        more_is_better=False,
        run=_served(cases.replays, Size(100, 100_000), Size(10, 5_000)),
    ),
    # nchan does not get through the longer one within two minutes: what a line takes it grows with their number.
    "short-replay": Case(
        title="100 clients read a history of 10,000 lines",
        peers=("streamhub", "nchan"),
        figure="lines_per_s",
        more_is_better=True,
        run=_served(cases.replay, Size(100, 10_000), Size(10, 5_000)),
    ),
    "floor": Case(
        title="the paced case with other values of --poll-floor than 5 ms",
        peers=("streamhub", *_FLOORS),
        figure="server_cpu_s",
        more_is_better=False,
        run=_served(cases.paced, Size(1000, 500, 100), Size(50, 100, 100)),
    ),
    "workers": Case(
        title="the paced case with --workers 2",
        peers=("streamhub", "streamhub-2-workers"),
        figure="p99_ms",
        more_is_better=False,
        run=_served(cases.paced, Size(1000, 500, 100), Size(50, 100, 100)),
    ),
    "quiet": Case(
        title="10,000 watched streams that nobody writes, then one event on one of them",
        peers=("streamhub-match",),
        figure="core_percent",
        more_is_better=False,
        run=_served(cases.quiet, Size(1, 1, streams=10_000), Size(1, 1, streams=200)),
        slow=True,
    ),
    "relay": Case(
        title="100 events a second to 10 clients, for 5 seconds, then 100,000 at once to one",
        peers=("streamhub", "streamhub-relay"),
        figure="p50_ms",
        more_is_better=False,
        run=_served(cases.relay, Size(10, 500, 100), Size(5, 50, 100)),
    ),
    "relay-backlog": Case(
        title="a backlog with --once: 4,400,000 lines (1 GiB) of 4 streams; lone: 10,000 streams of one line",
        peers=tuple(relays.BACKLOGS),
        figure="lines_per_s",
        more_is_better=True,
        run=lambda peer, quick, _profile: relays.backlog(peer, quick=quick),
        served=False,
    ),
    "many": Case(
        title="1,000 streams with 10 clients each, an event a second on each, for 10 seconds",
        peers=("streamhub",),
        figure="drift_ms",
        more_is_better=False,
        run=_served(cases.many, Size(10_000, 10, 1, 1000), Size(100, 10, 10, 20)),
    ),
    # The naive loops over aiohttp's sockets wait for whoever reads nothing: they would never come to an end.
    "stalled": Case(
        title="5 MB at once to 180 clients, with 20 more that read nothing beside none of them",
        peers=("streamhub", "ws"),
        figure="kept_percent",
        more_is_better=True,
        run=_served(cases.stalled, Size(180, 20_000), Size(18, 2_000)),
    ),
    "start": Case(
        title="a server that starts with 10,000 streams in its folder",
        peers=("streamhub",),
        figure="listening_ms",
        more_is_better=False,
        run=lambda peer, quick, _profile: cases.start(peer, Size(0, 0, streams=100 if quick else 10_000)),
        served=False,
    ),
    "emitter": Case(
        title="one event written by a mission",
        peers=("streamhub", "json-append"),
        figure="cpu_us_per_event",
        more_is_better=False,
        run=lambda peer, quick, _profile: local.emitter(peer, quick=quick),
        served=False,
    ),
    "wire": Case(
        title="an event over loopback: a write and the read of it, with no server around them",
        peers=tuple(local.WRITES),
        figure="cpu_us_per_event",
        more_is_better=False,
        run=lambda peer, quick, _profile: local.wire(peer, quick=quick),
        served=False,
    ),
    "compress": Case(
        title="what --compress saves and costs, on events of the demo's missions",
        peers=tuple(local.FORMS),
        figure="saved_percent",
        more_is_better=True,
        run=lambda peer, quick, _profile: local.compress(peer, quick=quick),
        served=False,
    ),
}
