"""The run of ``scripts/check`` that came before this one."""

from __future__ import annotations

import os

import pytest


def test_scripts_check_passed() -> None:
    """``scripts/test`` runs ``scripts/check`` first: had it failed, pytest's closing line must not look green."""
    status = os.environ.get("CHECK_STATUS")
    if status is None:
        pytest.skip("pytest was started without scripts/test")
    if status != "0":
        pytest.fail("scripts/check failed: what is wrong stands above, before pytest's first line", pytrace=False)
