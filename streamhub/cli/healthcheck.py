"""``streamhub healthcheck``: whether a server is up and ready, for those who restart it when it is not."""

from __future__ import annotations

from contextlib import closing
from typing import Final

import click

from streamhub.cli.help import command
from streamhub.cli.options import config_option, duration, host_option, port_option, setting, tls_ca_option
from streamhub.cli.server import Server
from streamhub.errors import StreamhubError

#: Where to ask a server that listens on every address.
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - nothing is bound here


def _timeout(value: object) -> float:
    seconds = duration(value)
    if not seconds:
        raise click.BadParameter(f"{str(value)!r} is no time to answer in: give more, such as 2s")
    return seconds


@command()
@config_option
@setting("--url", metavar="URL", help="The server.  [default: what --host, --port and --tls-cert come to]")
@host_option
@port_option
@setting("--tls-cert", metavar="FILE", help="As of serve: if there is one, the server speaks TLS.")
@tls_ca_option
@click.option("--timeout", type=_timeout, default="2s", show_default=True, help="How long it may take to answer.")
def healthcheck(
    url: str | None, host: str, port: int, tls_cert: str | None, tls_ca: str | None, timeout: float
) -> None:
    r"""Ask a server whether it is up and ready.

    Up is what /healthz says, ready /readyz. Exit code 0 if it is both, else 1.

    \b
      streamhub healthcheck                       with the settings of serve, as in a container
      streamhub healthcheck --url https://streams.example --timeout 5s

    No token is needed, and none is sent. At --host no certificate is checked, since it is made for another name.
    """
    server = _server_at(host, port, timeout, tls=bool(tls_cert)) if url is None else Server(url, "", tls_ca, timeout)
    with closing(server):
        try:
            for path in ("/healthz", "/readyz"):
                server.get(path, {})
        except StreamhubError as error:
            raise StreamhubError(str(error)) from error  # 404 is no missing stream here: each has the same exit code
    click.echo("ok")


def _server_at(host: str, port: int, timeout: float, *, tls: bool) -> Server:
    host = _ANY.get(host, host)
    place = f"[{host}]" if ":" in host else host
    return Server(f"{'https' if tls else 'http'}://{place}:{port}", timeout=timeout, verify=False)
