"""What is written for those who run a server: it names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamhub.config import SETTINGS
from tests.conftest import ROOT

FILES = [
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs" / "deploy").iterdir()),
    *(ROOT / "docs" / name for name in ("clients.md", "emit.md")),
]
#: Flags of other programs, and those that every command of ours has.
_ELSEWHERE = {
    *(
        "build",
        "rm",
        "read-only",
        "cap-drop",
        "security-opt",
        "pids-limit",
        "memory",
        "tmpfs",
        "ulimit",
        "mount",
        "now",
    ),
    *("no-cache-dir", "require-hashes", "requirement", "no-deps", "no-build-isolation", "from", "interval", "timeout"),
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_are_there(path: Path) -> None:
    """Each flag, and each variable of the environment, that is named is one of the server's."""
    text = path.read_text()
    flags = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text)) - _ELSEWHERE
    variables = set(re.findall(r"\bSTREAMHUB_([A-Z_]+)", text)) - {"TOKEN"}
    assert {name.lower().replace("_", "-") for name in variables} | flags <= SETTINGS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Each link to a file of the project finds it."""
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_nothing_is_writable() -> None:
    """The unit and the image take every privilege away, and have the streams read-only."""
    unit = (ROOT / "docs" / "deploy" / "streamhub.service").read_text().splitlines()
    assert {"ProtectSystem=strict", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ReadOnlyPaths=/srv/streams"} <= {
        *unit
    }
    assert not [line for line in unit if line.startswith(("ReadWritePaths", "StateDirectory", "User=root"))]
    image = (ROOT / "docs" / "deploy" / "Dockerfile").read_text()
    assert re.search(r"--read-only --cap-drop ALL --security-opt no-new-privileges", image)
    assert re.search(r"dst=/streams,readonly", image)
    assert re.search(r"^USER [1-9]\d*:", image, re.MULTILINE)


def test_systemd_hears_what_the_server_says() -> None:
    """The unit waits for READY=1, lets it be said, and restarts a server that gives no more signs of life."""
    unit = (ROOT / "docs" / "deploy" / "streamhub.service").read_text().splitlines()
    assert "Type=notify" in unit
    assert any(re.fullmatch(r"WatchdogSec=\d+s", line) for line in unit)
    assert "Restart=on-failure" in unit  # a watchdog's abort is one
    assert any(line.startswith("RestrictAddressFamilies=") and "AF_UNIX" in line.split() for line in unit)
