"""The page on the command line: its examples run, and it names every command."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT
from tests.test_cli_app import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "cli.md").read_text()


@pytest.mark.slow
def test_examples_run(tmp_path: Path) -> None:
    """The shell blocks of the page run one after the other, in an empty folder, each command with success."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "streamhub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m streamhub "$@"\n')
    program.chmod(0o755)
    (tmp_path / "empty").mkdir()
    script = "\n".join(["set -euo pipefail", *re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)])
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path / "empty", env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    for said in ("m-42", "captcha", "9.25", "damaged", "flag --port", "STREAMHUB_TAIL_LINES", "completed (final)"):
        assert said in ended.stdout


def test_every_command_is_there() -> None:
    """Each command has its row in the table."""
    rows = {name.removesuffix(" show") for name in re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE)}
    assert set(COMMANDS) <= rows
