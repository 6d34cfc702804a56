"""TLS: the server's own certificate."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from streamhub.errors import ConfigError

if TYPE_CHECKING:
    from streamhub.config import Config


def tls_context(config: Config) -> ssl.SSLContext | None:
    """What a server shows its clients; None: it speaks plain HTTP.

    Raises:
        ConfigError: a file cannot be read, or does not hold what it has to.
    """
    if not config.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # An empty password: a key that needs one is refused, where OpenSSL would ask at the terminal.
        context.load_cert_chain(config.tls_cert, config.tls_key or None, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = " and ".join(repr(name) for name in (config.tls_cert, config.tls_key) if name)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"TLS cannot be had with {files}: {reason}; give a certificate in PEM and its key, without a password"
        ) from None
    return context
