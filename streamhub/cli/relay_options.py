"""The options of ``streamhub relay``. In the environment they begin with ``STREAMHUB_RELAY_``."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from streamhub.cli.options import directory_option, duration, note_file, size
from streamhub.config import duration_text, read_settings, size_text
from streamhub.errors import ConfigError
from streamhub.relay.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    Command: TypeAlias = Callable[..., Any] | click.Command


def _option(flag: str, *name: str, **attributes: Any) -> Any:  # noqa: ANN401 - a decorator of either kind
    envvar = "STREAMHUB_RELAY_" + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, *name, **{"envvar": envvar, "show_envvar": True, "show_default": True, **attributes})


def _file(flag: str, text: str) -> Any:  # noqa: ANN401
    return _option(flag, default="", metavar="FILE", show_default=False, help=text)


def _servers(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Several may stand in one value, as a variable of the environment has it."""
    return tuple(part for value in values for part in value.replace(",", " ").split())


def _apply_file(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    """Take the defaults from a file: ``dir`` at its top, and the table ``[relay]``, which is for both directions."""
    root, group = ctx.find_root().command, ctx.parent.command if ctx.parent else None
    if path is None or ctx.resilient_parsing or not (isinstance(root, click.Group) and isinstance(group, click.Group)):
        return
    settings = read_settings(path, "relay", root.list_commands(ctx.find_root()))
    own = _names(ctx.command)
    known = {flag for command in group.commands.values() for flag in _names(command)}
    for flag in settings.keys() - known:
        raise ConfigError(f"configuration file {path!r}: relay has no setting {flag!r}: see {ctx.command_path} --help")
    several = {
        flag: [value] if flag == "nats" and isinstance(value, str) else value for flag, value in settings.items()
    }
    ctx.default_map = {own[flag]: value for flag, value in several.items() if flag in own}
    note_file(ctx, path)


def _names(command: click.Command) -> dict[str, str]:
    """What a command calls its options, by what a file calls them."""
    options = [option for option in command.params if isinstance(option, click.Option) and not option.is_eager]
    return {option.opts[0].removeprefix("--"): option.name or "" for option in options}


_COMMON = (
    click.option(
        "--config",
        metavar="FILE",
        envvar="STREAMHUB_CONFIG",
        show_envvar=True,
        is_eager=True,
        expose_value=False,
        callback=_apply_file,
        help="A TOML file with settings, named like the flags, in its table [relay].",
    ),
    directory_option,
    _option(
        "--nats",
        "servers",
        multiple=True,
        metavar="URL",
        envvar="STREAMHUB_NATS",
        default=Settings.servers,
        callback=_servers,
        help="Where NATS is, nats://[USER:PASSWORD@]HOST:PORT or tls://; repeatable, or several with commas.",
    ),
    _option("--stream-name", "store", default=Settings.store, help="JetStream's stream that holds the lines."),
    _option("--match", default=Settings.match, metavar="GLOB", help="Only the streams whose ids fit."),
    _option("--once", is_flag=True, help="End when what is there now is carried; exit code 4 if a stream differs."),
    _file("--creds", "A NATS credentials file: a JWT and its seed."),
    _file("--nkey", "A file with an NKey seed."),
    _file("--tls-ca", "The authorities to trust for TLS, in PEM.  [default: the system's]"),
    _file("--tls-cert", "The certificate to show NATS, in PEM."),
    _file("--tls-key", "Its private key, unless it is in the same file."),
    _option("--metrics-host", default=Settings.metrics_host, help="The address on which to answer /metrics."),
    _option(
        "--metrics-port", type=int, help="The port on which to answer /metrics; 0 takes a free one.  [default: none]"
    ),
)

_CREATION = (
    _option(
        "--max-age",
        type=duration,
        default=duration_text(Settings.max_age),
        help="How long JetStream keeps a line, 0 for good; when its stream is made.",
    ),
    _option(
        "--max-bytes",
        type=size,
        default=size_text(Settings.max_bytes),
        help="How much JetStream keeps, 0 for no limit; when its stream is made.",
    ),
    _option("--replicas", type=int, default=Settings.replicas, help="On how many servers; when its stream is made."),
    _option(
        "--piece-bytes",
        type=size,
        default=size_text(Settings.piece_bytes),
        help="The most bytes of a file in one message.",
    ),
)

_POLL = (
    _option(
        "--poll-floor",
        type=duration,
        default=duration_text(Settings.poll_floor),
        help="The time between looks at a busy stream.",
    ),
    _option(
        "--poll-ceiling",
        type=duration,
        default=duration_text(Settings.poll_ceiling),
        help="The time between looks at a quiet one, at most.",
    ),
)


def _all(options: tuple[Any, ...]) -> Callable[[Command], Any]:
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


common_options = _all(_COMMON)
creation_options = _all(_CREATION)
poll_options = _all(_POLL)
