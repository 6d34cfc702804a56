"""Text that is safe to show: what comes out of a stream must not steer the terminal, nor mislead the eye."""

from __future__ import annotations

import os
import sys

#: They print nothing by themselves, but scripts and emoji need them, and they cannot do harm.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""The text with control characters, marks that turn its direction and the like escaped (``\x1b``)."""
    if text.isprintable():
        return text
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return character.encode("unicode_escape").decode()


def printable_json(text: str) -> str:
    r"""JSON of the same meaning, without such characters: within strings they become ``\u`` escapes."""
    return text if text.isprintable() else "".join(map(_escape_json, text))


def _escape_json(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character in "\t\r":  # as they are, these stand between values only
        return " "
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def on_terminal() -> bool:
    """Whether stdout is a terminal; a program may be started without any."""
    return bool(sys.stdout) and sys.stdout.isatty()


def in_color(choice: str = "auto") -> bool:
    """Whether to colour stdout.

    Args:
        choice: ``always``, ``never``, or ``auto``: on a terminal that knows colours, unless somebody said ``NO_COLOR``
            (no-color.org).
    """
    if choice != "auto":
        return choice == "always"
    return on_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
