"""Servers of others that one installs: nginx with nchan, and nats-server."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from benchmark.peer import Peer
from benchmark.processes import Process, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NCHAN: Final = (
    Path("/usr/lib/nginx/modules/ngx_nchan_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_nchan_module.so"),
)


class Nchan(Peer):
    """nginx with nchan, fed by requests down one connection."""

    path = "/sub"
    keeps = True
    workers: ClassVar[int] = 1

    @classmethod
    def missing(cls) -> str:
        if not shutil.which("nginx"):
            return "nginx is not installed"
        return "" if any(path.is_file() for path in _NCHAN) else "nginx has no nchan"

    def command(self) -> list[str]:
        self._listen = free_port()
        module = next(path for path in _NCHAN if path.is_file())
        temporary = "".join(
            f"  {name}_temp_path {self.folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"load_module {module};\ndaemon off;\n{'user root;' if os.geteuid() == 0 else ''}\n"
            f"worker_processes {self.workers};\nworker_rlimit_nofile 19000;\npid {self.folder}/pid;\n"
            f"error_log {self.folder}/log error;\nevents {{ worker_connections 15000; }}\n"
            f"http {{\n  access_log off;\n  keepalive_requests 100000000;\n{temporary}"
            "  client_body_in_single_buffer on;\n  nchan_shared_memory_size 1024M;\n"
            f"  server {{\n    listen 127.0.0.1:{self._listen} backlog=4096;\n"
            "    location = /pub { nchan_publisher; nchan_channel_id s;\n"
            "      nchan_message_buffer_length 200000; nchan_message_timeout 1h; }\n"
            "    location = /sub { nchan_subscriber websocket; nchan_channel_id s;\n"
            "      nchan_subscriber_first_message oldest; }\n  }\n}\n"
        )
        return ["nginx", "-e", str(self.folder / "log"), "-c", str(self.folder / "nginx.conf")]

    def started(self) -> None:
        self.process.wait_for_port(self._listen)
        self.port = self._listen
        self._publisher = Publisher(self.port)
        self.exit.callback(self._publisher.close)

    def publish(self, lines: Sequence[bytes]) -> None:
        head = b"POST /pub HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        self._publisher.send(b"".join([head % len(line) + line for line in lines]))

    def preload(self, lines: Sequence[bytes]) -> None:
        # Its message ids count up to 65,535 within a second; a history that was published faster is not replayed whole.
        start, step = time.monotonic(), 100
        for first in range(0, len(lines), step):
            time.sleep(max(0.0, start + first / 10_000 - time.monotonic()))
            self.publish(lines[first : first + step])
        self._publisher.wait_for(b"HTTP/1.1 20", len(lines))


class NchanTwoWorkers(Nchan):
    """nchan with two workers."""

    workers = 2


class Nats(Peer):
    """nats-server: subscribers on its WebSocket port, a publisher on its own."""

    opening = 'CONNECT {"verbose":false}\r\nSUB s 1\r\nPING\r\n'
    opened = "PONG"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("nats-server") else "nats-server is not installed"

    def command(self) -> list[str]:
        self._listen, self._publish_port = free_port(), free_port()
        (self.folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{self._publish_port}"\n'
            f'websocket {{ listen: "127.0.0.1:{self._listen}", no_tls: true }}\n'
            "max_connections: 15000\nmax_pending: 268435456\n"  # or it would cut those who are slow in a burst
        )
        return ["nats-server", "-c", str(self.folder / "nats.conf")]

    def started(self) -> None:
        self.process.wait_for_port(self._listen)
        self.process.wait_for_port(self._publish_port)
        self.port = self._listen
        self._publisher = Publisher(self._publish_port)
        self.exit.callback(self._publisher.close)
        self._publisher.send(b'CONNECT {"verbose":false}\r\n')

    def publish(self, lines: Sequence[bytes]) -> None:
        self._publisher.send(b"".join([b"PUB s %d\r\n%s\r\n" % (len(line), line) for line in lines]))


@contextlib.contextmanager
def jetstream(folder: Path) -> Iterator[str]:
    """A nats-server with JetStream within the block; gives its URL."""
    port = free_port()
    (folder / "nats.conf").write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder / "jetstream"}", max_file_store: 16GB }}\n'
    )
    with Process(["nats-server", "-c", str(folder / "nats.conf")], folder / "nats.log") as process:
        process.wait_for_port(port)
        yield f"nats://127.0.0.1:{port}"


class Publisher:
    """A connection that publishes; a thread reads what the server answers."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = bytearray()
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def wait_for(self, answer: bytes, count: int) -> None:
        """Wait until an answer has come so many times."""
        with self._more:
            self._more.wait_for(lambda: self._answers.count(answer) >= count, 60)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):  # the server has closed it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while data := self._receive():
            with self._more:
                self._answers += data
                self._more.notify()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except OSError:
            return b""
