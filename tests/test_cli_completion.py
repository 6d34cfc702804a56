from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamhub.events import json_schema
from tests.commands import command
from tests.servers import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(shell: str) -> None:
    """Each shell gets a script of its own, on stdout."""
    outcome = command("completion", shell)
    assert (outcome.code, outcome.err) == (0, "")
    assert f"{shell}_complete" in outcome.out.decode()
    assert command("completion", "csh").code == 2


@pytest.mark.slow
def test_bash_takes_it(tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    """A shell completes commands, flags, and the ids of the folder's streams."""
    for name in ("m-1", "m-2", "other"):
        with Stream(tmp_path, name) as stream:
            stream.line(1)
    program = tmp_path / "streamhub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streamhub "$@"\n')
    program.chmod(0o755)
    script = command("completion", "bash").out.decode()

    def completed(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _streamhub_completion streamhub"
        ended = subprocess.run(
            [require_tool("bash", "completes words"), "-c", f"{script}\n{ask}; echo ${{COMPREPLY[@]}}"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", "STREAMHUB_DIR": str(tmp_path)},
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return set(ended.stdout.split())

    assert completed("streamhub", "che") == {"check"}
    assert completed("streamhub", "tail", "--fol") == {"--follow"}
    assert completed("streamhub", "tail", "m-") == {"m-1", "m-2"}
    assert completed("streamhub", "tail", "--dir", "/missing", "m-") == set()


def test_schema() -> None:
    """The schema is JSON, the same as a server's."""
    outcome = command("schema")
    assert outcome.code == 0
    assert json.loads(outcome.out) == json_schema()
