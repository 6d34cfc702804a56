"""The locks: complete, hashed, and silent about where packages come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_python_packages_are_pinned_with_their_hashes(lock: Path) -> None:
    """Each package has one version and at least one hash; no option names an index."""
    text = lock.read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry, re.DOTALL), entry
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_project_is_not_taken_from_an_index(lock: Path) -> None:
    """Another project bears our name in the package index; the checkout is installed, never that."""
    assert not re.search(r"^streamhub\b", lock.read_text(), re.MULTILINE)


def test_node_packages_are_pinned_with_their_hashes() -> None:
    """Each package has an integrity, none says where it was fetched from."""
    packages = json.loads((ROOT / "tests" / "js" / "package-lock.json").read_text())["packages"]
    fetched = {name: package for name, package in packages.items() if name}
    assert fetched
    for name, package in fetched.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
