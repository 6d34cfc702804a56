"""Commands whose help is short and in parts: what it does, examples, and flags by what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_SECTIONS: Final = {
    "Which streams": {"config", "dir", "url", "token-file", "tls-ca", "match"},
    "Which part of them": {
        *("offset", "after-cursor", "since", "until", "lines", "follow", "wait"),
        *("event-type", "contains"),
    },
    "What is shown": {"output", "color", "prefix", "show-cursor"},
}
_OTHERS: Final = "Options"
#: Flags are in parts only where they are this many.
_MANY: Final = 12


class Command(click.Command):
    r"""A command whose docstring may have ``\b`` before a paragraph that is not to be filled, raw as docstrings are."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(*arguments, **attributes)
        self.help = (self.help or "").replace("\\b\n", "\b\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Call each flag in the environment what it is called on the command line, not what the code calls it."""
        for option in self.params:
            if isinstance(option, click.Option) and option.envvar is None and ctx.auto_envvar_prefix:
                flag = option.opts[-1].lstrip("-").replace("-", "_").upper()
                option.envvar = f"{ctx.auto_envvar_prefix}_{flag}"
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, in parts where they are many."""
        parts: dict[str, list[tuple[str, str]]] = {name: [] for name in (_OTHERS, *_SECTIONS)}
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for option in options:
            if (record := option.get_help_record(ctx)) is not None:
                parts[_section_of(option) if len(options) >= _MANY else _OTHERS].append(record)
        for name, records in parts.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def _section_of(param: click.Parameter) -> str:
    names = {name.lstrip("-") for name in param.opts}
    return next((section for section, flags in _SECTIONS.items() if names & flags), _OTHERS)


def command() -> Callable[[Callable[..., None]], Command]:
    """Make a function a command of ours."""
    return click.command(cls=Command)
