"""The servers that are compared."""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from benchmark.brokers import Nats, Nchan, NchanTwoWorkers, jetstream
from benchmark.peer import Peer
from benchmark.processes import ROOT, BenchError, Process, python

if TYPE_CHECKING:
    from collections.abc import Sequence


class Streamhub(Peer):
    """``streamhub serve``, fed by appending to a file."""

    path = "/v1/stream/s/ws"
    keeps = True
    flags: ClassVar[tuple[str, ...]] = ()
    module: ClassVar[str] = "streamhub"

    def command(self) -> list[str]:
        self.streams = self.folder / "streams"
        self.streams.mkdir(exist_ok=True)
        self._file = os.open(self.streams / "s.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.exit.callback(os.close, self._file)
        return python(self.module, "serve", "--dir", str(self.streams), "--port", "0", *self.flags)

    def started(self) -> None:
        self.port = int(self.process.line().rpartition(":")[2])

    def publish(self, lines: Sequence[bytes]) -> None:
        os.write(self._file, b"".join([line + b"\n" for line in lines]))


class StreamhubSse(Streamhub):
    """Its server-sent events."""

    path = "/v1/stream/s/sse"
    sse = True


class StreamhubMultiplexed(Streamhub):
    """Its multiplexed socket, on the same stream."""

    path = "/v1/ws?stream=s"


class StreamhubMatch(Streamhub):
    """Its multiplexed socket, on all streams of the folder."""

    path = "/v1/ws?match=*"


class StreamhubUvloop(Streamhub):
    """It on uvloop, which is no package of ours: to be installed by hand."""

    module = "benchmark.servers.streamhub_uvloop"

    @classmethod
    def missing(cls) -> str:
        return "" if importlib.util.find_spec("uvloop") else "uvloop is not installed"


def streamhub_with(*flags: str) -> type[Streamhub]:
    """It with further flags of ``serve``."""
    return type("StreamhubWith", (Streamhub,), {"flags": flags, "__doc__": f"It with {' '.join(flags)}."})


class StreamhubRelay(Streamhub):
    """``streamhub serve`` at an edge: lines come through a pusher, JetStream and a puller."""

    def __init__(self, folder: Path) -> None:
        with ExitStack() as before:
            url = before.enter_context(jetstream(folder))
            for command, name in (("push", "origin"), ("pull", "streams")):
                (folder / name).mkdir(exist_ok=True)
                relay = python("streamhub", "relay", command, "--dir", str(folder / name), "--nats", url)
                before.enter_context(Process(relay, folder / f"{command}.log"))
            super().__init__(folder)
            self.exit.push(before.pop_all())

    @classmethod
    def missing(cls) -> str:
        return Nats.missing()

    def command(self) -> list[str]:
        command = super().command()
        path = self.folder / "origin" / "s.jsonl"
        self._origin = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.exit.callback(os.close, self._origin)
        return command

    def started(self) -> None:
        super().started()
        (self.folder / "origin" / "first.jsonl").write_bytes(b"{}\n")
        for _ in range(1000):
            if (self.streams / "first.jsonl").is_file():
                return
            time.sleep(0.01)
        raise BenchError("nothing comes through the relay")

    def publish(self, lines: Sequence[bytes]) -> None:
        os.write(self._origin, b"".join([line + b"\n" for line in lines]))


class AiohttpNaive(Peer):
    """A loop over aiohttp's sockets."""

    def command(self) -> list[str]:
        return python("benchmark.servers.aiohttp_naive")


class WebsocketsBroadcast(Peer):
    """``websockets.broadcast()``."""

    def command(self) -> list[str]:
        return python("benchmark.servers.websockets_broadcast")


class NodeWs(Peer):
    """Node's ``ws``."""

    @classmethod
    def missing(cls) -> str:
        if not shutil.which("node"):
            return "node is not installed"
        return "" if (ROOT / "tests/js/node_modules/ws").is_dir() else "tests/js has no ws: run scripts/setup --bench"

    def command(self) -> list[str]:
        return ["node", str(Path(__file__).parent / "servers" / "ws_broadcast.cjs")]


#: Those that one can choose from, by name.
PEERS: Final[dict[str, type[Peer]]] = {
    "streamhub": Streamhub,
    "streamhub-sse": StreamhubSse,
    "streamhub-multiplexed": StreamhubMultiplexed,
    "streamhub-match": StreamhubMatch,
    "streamhub-uvloop": StreamhubUvloop,
    **{f"streamhub-floor-{ms}ms": streamhub_with("--poll-floor", f"{ms}ms") for ms in (1, 10, 20, 50, 100)},
    "streamhub-relay": StreamhubRelay,
    "streamhub-2-workers": streamhub_with("--workers", "2"),
    "aiohttp": AiohttpNaive,
    "websockets": WebsocketsBroadcast,
    "ws": NodeWs,
    "nchan": Nchan,
    "nchan-2-workers": NchanTwoWorkers,
    "nats": Nats,
}
