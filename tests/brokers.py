"""NATS servers with JetStream for tests: one, or a cluster, each in a process of its own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.servers import free_port, until


class Broker:
    """One nats-server, on a port that stays the same over restarts; what it stored is there again."""

    def __init__(self, program: str, directory: Path, *, name: str = "n1", config: str = "") -> None:
        self.port = free_port()
        self.monitor = free_port()
        self.process: asyncio.subprocess.Process | None = None
        self.directory = directory
        self._program = program
        self._config = directory / f"{name}.conf"
        self._settings = (
            f'server_name: {name}\nlisten: "127.0.0.1:{self.port}"\nhttp: "127.0.0.1:{self.monitor}"\n'
            f'jetstream {{ store_dir: "{directory / name}", max_file_store: 8GB, max_memory_store: 256MB }}\n{config}\n'
        )

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        await self.launch()
        await until(self.is_healthy)

    async def launch(self) -> None:
        """Start it."""
        self._config.write_text(self._settings)
        with (self.directory / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self._program, "-c", str(self._config), stdout=log, stderr=log
            )

    def configure(self, config: str) -> None:
        """Give it further settings, before it is started."""
        self._settings += config

    async def stop(self, number: int = signal.SIGKILL) -> None:
        """End it with a signal."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()

    def is_healthy(self) -> bool:
        """Whether it says that JetStream is ready."""
        assert self.process is not None
        assert self.process.returncode is None, (self.directory / "log").read_text()[-2000:]
        with contextlib.suppress(OSError):
            return self._ask("healthz").get("status") == "ok"
        return False

    def leads(self, store: str) -> bool:
        """Whether it leads a stream of JetStream's, as far as it knows."""
        with contextlib.suppress(OSError):
            for account in self._ask("jsz?streams=1&config=1").get("account_details", []):
                for stream in account.get("stream_detail", []):
                    cluster = stream.get("cluster") or {}
                    if stream["name"] == store and cluster.get("leader") == self._config.stem:
                        return True
        return False

    def knows_all_peers(self, count: int) -> bool:
        """Whether it leads the cluster, and sees so many others in step."""
        with contextlib.suppress(OSError):
            meta = self._ask("jsz").get("meta_cluster") or {}
            replicas = meta.get("replicas") or []
            return meta.get("leader") == self._config.stem and [peer["current"] for peer in replicas] == [True] * count
        return False

    def _ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/{path}", timeout=2) as answer:
            found = json.load(answer)
        assert isinstance(found, dict)
        return found

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()
