"""Which lines a search is for: text or a regular expression, and types."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from streamhub.errors import InvalidRequestError
from streamhub.filters import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence


class Matcher:
    """What a search is for.

    Args:
        pattern: the text, or the regular expression; empty: any line.
        event_types: the types; empty: any.
        regex: whether the pattern is a regular expression.
        case_sensitive: whether upper and lower case differ. Of text it is only ASCII's that does not.
        invert: whether those lines are wanted that the pattern is not in.

    Attributes:
        wanted: what can be asked of a source, which may leave more lines than are wanted.

    Raises:
        InvalidRequestError: the pattern is no regular expression.
    """

    def __init__(
        self, pattern: str, event_types: Sequence[str], *, regex: bool, case_sensitive: bool, invert: bool
    ) -> None:
        in_source = bool(pattern) and not (regex or invert)
        self.wanted = Filter(frozenset(event_types), pattern if in_source else "")
        self._invert = invert
        self._rest = None if in_source and not case_sensitive else _compile(pattern, regex, case_sensitive)
        if not pattern and not invert:
            self._rest = None

    def keep(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Those of a source's lines that are wanted."""
        if self._rest is None:
            return lines
        search, invert = self._rest.search, self._invert
        return [line for line in lines if (search(line.decode(errors="replace")) is None) is invert]


def _compile(pattern: str, regex: bool, case_sensitive: bool) -> re.Pattern[str]:  # noqa: FBT001 - of the class alone
    flags = re.NOFLAG if case_sensitive else re.IGNORECASE
    if not regex:
        return re.compile(re.escape(pattern), flags | re.ASCII)
    try:
        return _quietly(pattern, flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidRequestError(f"pattern {pattern[:100]!r} is no regular expression: {error}") from None


def _quietly(pattern: str, flags: int) -> re.Pattern[str]:
    """Compile it without a word about what some later Python may take it for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern, flags)
