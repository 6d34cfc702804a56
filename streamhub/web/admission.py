"""How many live connections there may be: sockets, event streams, and requests that wait for news."""

from __future__ import annotations

import contextlib
import ipaddress
from collections import Counter
from typing import TYPE_CHECKING

from streamhub.errors import AddressLimitError, CapacityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamhub.config import Config


class Admission:
    """Counts the live connections, in all and by address."""

    def __init__(self, config: Config) -> None:
        self._most = config.max_connections
        self._most_of_one = config.max_connections_per_address
        self._count = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, remote: str | None) -> str:
        """Take one more in; gives the name under which it is to leave.

        Raises:
            AddressLimitError: its address has all that it may have.
            CapacityError: the server has all that it may have.
        """
        address = _network(remote or "")
        if 0 < self._most_of_one <= self._by_address[address]:
            raise AddressLimitError(
                f"this address has {self._most_of_one} live connections, which is all that one may have: close another"
            )
        if self._count >= self._most:
            raise CapacityError("the server has all the live connections that it may have: try again in a moment")
        self._count += 1
        self._by_address[address] += 1
        return address

    def leave(self, address: str) -> None:
        """One has gone."""
        self._count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    @contextlib.contextmanager
    def admitted(self, remote: str | None) -> Iterator[None]:
        """One that is live within the block.

        Raises:
            AddressLimitError, CapacityError: see :meth:`enter`.
        """
        address = self.enter(remote)
        try:
            yield
        finally:
            self.leave(address)


def _network(remote: str) -> str:
    """What counts as one address: of IPv6 the /64, which is the least that anybody is given."""
    if ":" not in remote:
        return remote
    try:
        address = ipaddress.IPv6Address(remote.partition("%")[0])
    except ValueError:
        return remote
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
