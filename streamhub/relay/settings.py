"""What a relay can be told: one frozen struct, with the defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from streamhub.config import DEFAULT_DIRECTORY, KIB, MIB, Config
from streamhub.errors import ConfigError

_STORE_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_GLOB: Final = re.compile(r"[A-Za-z0-9._*?!\[\]-]{1,256}", re.ASCII)
_SCHEMES: Final = {"nats", "tls"}
_DAY: Final = 86400.0


@dataclass(frozen=True)
class Settings:
    """The settings of a relay, at either end.

    Attributes:
        directory: the folder of streams.
        servers: where NATS is: ``nats://`` or ``tls://`` URLs, perhaps with a user and a password.
        store: the name of JetStream's stream that holds all of ours.
        creds: a file with a JWT and its seed, as ``nsc`` makes it; empty: none.
        nkey: a file with an NKey seed; empty: none.
        tls_ca: a file with the authorities to trust, in PEM; empty: the system's.
        tls_cert, tls_key: files with the certificate to show, and its key.
        match: the streams to carry: those whose ids fit this glob.
        once: carry what is there, then end.
        max_age: how long JetStream is to keep a line, in seconds; 0: for good. When its stream is created, only.
        max_bytes: how much JetStream is to keep; 0: no limit. When its stream is created, only.
        replicas: on how many servers. When its stream is created, only.
        piece_bytes: the most bytes in one message.
        poll_floor, poll_ceiling: seconds between looks at a busy stream, and at a quiet one at most.
        metrics_host, metrics_port: where to answer ``/metrics``; None: nowhere.
    """

    directory: str = DEFAULT_DIRECTORY
    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    store: str = "STREAMHUB"
    creds: str = ""
    nkey: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    match: str = "*"
    once: bool = False
    max_age: float = 7 * _DAY
    max_bytes: int = 0
    replicas: int = 1
    piece_bytes: int = 256 * KIB
    poll_floor: float = Config.poll_floor
    poll_ceiling: float = Config.poll_ceiling
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a value breaks its rule.
        """
        for name, value, low, high in (
            ("replicas", self.replicas, 1, 5),
            ("max-age", self.max_age, 0, 36500 * _DAY),
            ("max-bytes", self.max_bytes, 0, 1 << 60),
            ("piece-bytes", self.piece_bytes, 1 * KIB, 32 * MIB),
            ("poll-floor", self.poll_floor, 0.001, 60),
            ("poll-ceiling", self.poll_ceiling, self.poll_floor, 60),
            ("metrics-port", self.metrics_port or 0, 0, 65535),
        ):
            if not low <= value <= high:
                raise ConfigError(f"{name} {value} is out of range: give {low} to {high}")
        if _STORE_NAME.fullmatch(self.store) is None:
            raise ConfigError(f"stream-name {self.store[:80]!r} is malformed: use 1 to 64 of A-Z, a-z, 0-9, '_', '-'")
        if _GLOB.fullmatch(self.match) is None:
            raise ConfigError(f"match {self.match[:80]!r} is no glob of streams: use what ids have, and *, ? and [...]")
        if self.creds and self.nkey:
            raise ConfigError("creds and nkey contradict each other: give one of both")
        if self.tls_key and not self.tls_cert:
            raise ConfigError(f"tls-key {self.tls_key!r} is given without a certificate: give tls-cert too")
        self._check_servers()

    def _check_servers(self) -> None:
        if not self.servers:
            raise ConfigError("no NATS server is named: give nats, such as nats://127.0.0.1:4222")
        for server in self.servers:
            try:
                url = urlsplit(server)
                sound = url.scheme in _SCHEMES and bool(url.hostname) and (url.port or 1) > 0
            except ValueError:
                sound = False
            if not sound:
                raise ConfigError(f"nats {without_secret(server)!r} is no server: write nats://HOST:PORT, or tls://")


def without_secret(url: str) -> str:
    """A server's URL without the user and the password in it: for messages and logs."""
    scheme, there, rest = url.partition("://")
    address = rest.rpartition("@")[2] if there else scheme.rpartition("@")[2]
    return f"{scheme}://{address}" if there else address
