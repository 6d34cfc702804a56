from __future__ import annotations

import inspect
import re

import pytest

from streamhub import errors
from streamhub.errors import OffsetGoneError, StreamhubError, StreamReplacedError

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def drawn_tree() -> dict[str, str]:
    """Each class that the module's docstring draws, and the one that it hangs on."""
    assert errors.__doc__ is not None
    parents: dict[str, str] = {}
    path: list[str] = []
    for row in errors.__doc__.splitlines():
        match = re.match(r"    ((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+Error)\b", row)
        if match is not None:
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1] if depth else "Exception"
    return parents


def test_tree_is_as_drawn() -> None:
    """The docstring draws every class there is, each below its base."""
    assert drawn_tree() == {name: value.__mro__[1].__name__ for name, value in CLASSES.items()}


def test_one_base() -> None:
    """Whoever catches the base catches all that is raised on purpose, and nothing else."""
    assert all(issubclass(value, StreamhubError) for value in CLASSES.values())
    assert StreamhubError.__bases__ == (Exception,)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_documented(name: str) -> None:
    """Each class says what it stands for, and its name says that it is an error."""
    assert name.endswith("Error")
    assert inspect.getdoc(CLASSES[name])


@pytest.mark.parametrize("kind", [OffsetGoneError, StreamReplacedError])
def test_earliest(kind: type[OffsetGoneError | StreamReplacedError]) -> None:
    """Errors that end a reader's place say where a new one begins; their message stays as it was given."""
    error = kind("it is gone", earliest="0123abcd_0000000000000000")
    assert error.earliest == "0123abcd_0000000000000000"
    assert str(error) == "it is gone"
