"""The wheel and the sdist: what they hold, and that they work where nothing else is installed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.commands import line_of
from tests.conftest import ROOT, missing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message

pytestmark = pytest.mark.slow

EMIT = """
import sys
from streamhub import Emitter, ResponseEnvelope
with Emitter("m", directory=sys.argv[1]) as stream:
    stream.navigation(url="https://example.com", action="click")
assert ResponseEnvelope(ok=True, live_stream_id=stream.live_stream_id).live_stream_id
print(stream.path)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"aiohttp", "click", "rich", "asyncio"}))
"""


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program, with no settings of ours and no way to a package index; gives how it ended."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMHUB_", "PYTHON", "PIP_"))}
    env = {**kept, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages: the sdist, and the wheel that was built from it."""
    out = tmp_path_factory.mktemp("dist")
    ended = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return out


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    """The wheel."""
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    """What the wheel says of itself."""
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(file.read(name))


def pip() -> list[str]:
    """A pip; Debian's Python may have none inside a virtual environment."""
    outside = str(getattr(sys, "_base_executable", sys.executable))
    python = sys.executable if find_spec("pip") else outside
    if run(python, "-m", "pip", "--version").returncode:
        missing("pip is not installed: it installs the wheel")
    return [python, "-m", "pip"]


def environment(directory: Path, wheel: Path, packages: Iterable[str]) -> Path:
    """A new environment with the wheel installed in it, and the named packages of ours lent to it; gives its Python."""
    venv.create(directory, with_pip=False, symlinks=True)
    python = directory / "bin" / "python"
    lent = directory / "lent"
    lent.mkdir()
    for name in packages:
        for part in {
            file.parts[0] for file in distribution(name).files or () if file.parts[0] not in {"..", "__pycache__"}
        }:
            (lent / part).symlink_to(Path(str(distribution(name).locate_file(part))))
    (site,) = directory.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    ended = run(*pip(), "--python", python, "install", "--quiet", "--no-deps", wheel)
    assert ended.returncode == 0, ended.stderr
    return python


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The Python of an environment that has the wheel, msgspec, and nothing else."""
    return environment(tmp_path_factory.mktemp("light") / "venv", wheel, ["msgspec"])


# --- what is in them ------------------------------------------------------------------------------------------------


def sources(below: str) -> set[str]:
    """The files of a folder of the checkout, without what running it leaves there."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / below).rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    }


def test_the_wheel_holds_the_package(wheel: Path) -> None:
    """Every file of the package, the page's and the type marker among them, and no test or script."""
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    assert names == sources("streamhub")
    assert {"streamhub/py.typed", "streamhub/web/static/index.html", "streamhub/web/static/client.d.ts"} <= names


def test_the_sdist_holds_the_project(built: Path) -> None:
    """What it takes to build, to test and to read about it; nothing that a checkout only collects."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    wanted = {"pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "PKG-INFO"}
    assert wanted <= names
    assert sources("streamhub") | sources("requirements") <= names
    assert {"tests/conftest.py", "scripts/test", "docs/deploy/streamhub.service"} <= names
    assert not [name for name in names if {"node_modules", "__pycache__", ".venv", "_build"} & set(name.split("/"))]


def test_licences(wheel: Path, metadata: Message) -> None:
    """Ours, and those of what others wrote and we ship, stand where tools look for them."""
    assert metadata["License-Expression"] == "MIT"
    vendored = {name for name in sources("streamhub/web/static/vendor") if name.endswith("/LICENSE")}
    folders = {path.name for path in (ROOT / "streamhub/web/static/vendor").iterdir()}
    assert {Path(name).parent.name for name in vendored} == folders
    assert set(metadata.get_all("License-File", [])) == {"LICENSE"} | vendored
    with zipfile.ZipFile(wheel) as file:
        assert sum(".dist-info/licenses/" in name for name in file.namelist()) == 1 + len(vendored)


def test_metadata(metadata: Message) -> None:
    """A mission needs msgspec alone; Python 3.11 to 3.14; the readme is the long description."""
    needs = metadata.get_all("Requires-Dist", [])
    assert [need for need in needs if "extra ==" not in need] == ["msgspec>=0.19"]
    assert {"server", "relay", "all"} <= set(metadata.get_all("Provides-Extra", []))
    assert any(need.startswith("aiohttp") and "'server'" in need for need in needs)
    assert metadata["Requires-Python"] == ">=3.11"
    classifiers = metadata.get_all("Classifier", [])
    for minor in range(11, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert (ROOT / "README.md").read_text() in str(metadata.get_payload())


# --- in an empty environment ----------------------------------------------------------------------------------------


def test_nothing_is_amiss(light: Path) -> None:
    """With msgspec alone, pip finds every need of the wheel met."""
    ended = run(*pip(), "--python", light, "check")
    assert ended.returncode == 0, ended.stdout
    names = "from importlib.metadata import distributions; print(*sorted(found.name for found in distributions()))"
    assert run(light, "-c", names).stdout.split() == ["msgspec", "streamhub"]


def test_a_mission_emits(light: Path, tmp_path: Path) -> None:
    """The emitter and the envelope work where there is neither a web framework nor a command line."""
    ended = run(light, "-c", EMIT, tmp_path, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    path, loaded = ended.stdout.split("\n")[:2]
    assert loaded == ""
    assert [b'"event_type":"navigation"' in line for line in Path(path).read_bytes().splitlines()] == [True, False]


@pytest.mark.parametrize("command", [["serve"], ["ls"], []])
def test_what_else_it_takes(light: Path, tmp_path: Path, command: list[str]) -> None:
    """Both ways to call the program say in one line which extra to install."""
    for program in ([light, "-m", "streamhub"], [light.with_name("streamhub")]):
        ended = run(*program, *command, cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("streamhub: click is not installed: ")
        assert ended.stderr.endswith("pip install '.[server]'\n")


def test_version(light: Path, wheel: Path, tmp_path: Path) -> None:
    """The version is told in any environment, and is the wheel's."""
    number = wheel.name.split("-")[1]
    for python in (str(light), sys.executable):
        ended = run(python, "-m", "streamhub", "--version", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (0, f"streamhub {number}\n")


def test_the_manual_quotes_it(light: Path, tmp_path: Path) -> None:
    """What the manual says that one is told is what one is told."""
    assert run(light, "-m", "streamhub", "serve", cwd=tmp_path).stderr in (ROOT / "docs" / "install.md").read_text()


async def test_serve(wheel: Path, tmp_path: Path) -> None:
    """With what the extra ``server`` names, the installed wheel serves the page and its files."""
    python = environment(tmp_path / "venv", wheel, sorted(needed("server")))
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "streamhub", "serve", "--port", "0", "--dir", tmp_path),
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith(("STREAMHUB_", "PYTHON"))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        url = (await line_of(process.stdout)).decode()
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/static/client.js", "/static/client.d.ts", "/openapi.json", "/metrics"):
                async with session.get(url + path) as response:
                    assert response.status == 200, path
    finally:
        process.terminate()
        assert await process.wait() == 0


def needed(extra: str) -> set[str]:
    """The distributions that an extra comes to, with all that they need in turn."""
    found: set[str] = set()
    open_ends = [Requirement(f"streamhub[{extra}]")]
    while open_ends:
        requirement = open_ends.pop()
        for text in distribution(requirement.name).requires or ():
            need = Requirement(text)
            asked = [{"extra": name} for name in requirement.extras] or [{"extra": ""}]
            name = canonicalize_name(need.name)
            if name not in found and (need.marker is None or any(map(need.marker.evaluate, asked))):
                found.add(name)
                open_ends.append(need)
    return found
