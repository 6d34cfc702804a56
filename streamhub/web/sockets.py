"""What the kernel is asked and told about a socket."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

#: TCP keepalive finds peers that vanished: idle seconds, seconds between probes, probes.
_KEEPALIVE: Final = (60, 15, 4)


def watch_for_silence(sock: socket.socket, patience: float) -> None:
    """Have the kernel find out that a peer is gone: by probes while all is quiet, by the clock once a word is out.

    Args:
        sock: the socket; what is none of TCP is left alone.
        patience: seconds after which a peer that confirms nothing is given up.
    """
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    idle, interval, count = _KEEPALIVE
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
    # While a sign of life waits to be confirmed there are no probes, and of itself the kernel tries for a quarter hour.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))


def unsent(fd: int) -> int:
    """Bytes in the kernel's buffer that the peer has not acknowledged."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, b"\0" * 4))[0])
    except OSError:
        return 0


def waiting(transport: asyncio.Transport) -> int:
    """Bytes that a transport's peer has not taken yet, in the process and in the kernel."""
    sock = transport.get_extra_info("socket")
    return transport.get_write_buffer_size() + (0 if sock is None else unsent(sock.fileno()))


def cut(transport: asyncio.Transport) -> None:
    """End a connection by force: its peer is told, and what it has not taken is thrown away.

    A mere ``abort()`` leaves that to the kernel, which keeps it for minutes, for a peer that takes nothing.
    """
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
