"""The service manager, if it is systemd that started us: told when we serve, when we stop, and that we live.

The protocol is a datagram to the socket that ``NOTIFY_SOCKET`` names (sd_notify(3)).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

_log = logging.getLogger("streamhub.systemd")

_SOCKET: Final = "NOTIFY_SOCKET"
_PERIOD: Final = "WATCHDOG_USEC"
_PID: Final = "WATCHDOG_PID"


class Manager:
    """Where the service manager listens.

    Args:
        address: its socket; empty: there is no manager.
        patience: after so many seconds without a sign of life it kills us; 0: it does not.
    """

    def __init__(self, address: str = "", patience: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.patience = patience if address else 0.0

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """The manager that the environment names, which is taken out of it: children are not to speak for us."""
        address, period, pid = (environment.pop(name, "") for name in (_SOCKET, _PERIOD, _PID))
        if not address.startswith(("/", "@")):
            return cls()
        ours = not pid or pid == str(os.getpid())
        return cls(address, int(period) / 1e6 if ours and period.isascii() and period.isdigit() else 0.0)

    @property
    def beat(self) -> float:
        """Seconds from one sign of life to the next: half of what the manager waits, as sd_watchdog_enabled(3) asks."""
        return self.patience / 2

    def ready(self, status: str) -> None:
        """We serve; ``status`` is what ``systemctl status`` shows."""
        self._tell(f"READY=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        """We drain, and end."""
        self._tell("STOPPING=1\nSTATUS=telling readers to come back")

    def live(self) -> None:
        """We are alive."""
        if self.patience:
            self._tell("WATCHDOG=1")

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Within the block, show from the event loop that it turns."""
        if not self.patience:
            yield
            return
        task = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            task.cancel()

    async def _keep_alive(self) -> None:
        while True:
            self.live()
            await asyncio.sleep(self.beat)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)  # noqa: FBT003 - a manager that does not listen is not to hold us up
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            _log.warning("the service manager cannot be told %s: %s", state.partition("\n")[0], error)
