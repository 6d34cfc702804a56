"""The design's table: which module may lean on which. Imports run one way, down."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "streamhub"


@dataclass(frozen=True)
class Layer:
    """Modules that may lean on each other and on the layers ``below``, and import packages from ``outside`` too."""

    modules: str
    below: str = ""
    outside: str = ""


# From the ground up. A module that is listed and does not exist (yet) is no mistake; one that exists and is not is.
LAYERS = {
    "errors": Layer("errors"),
    # What a thing is called. These lean on errors alone, not even on each other (see the test below).
    "names": Layer("config offset stream_id", "errors"),
    "schema": Layer("events envelope", "errors names", "msgspec"),
    # A line as bytes: what it means, how it travels. Pure (see the test below).
    "lines": Layer("line batch tag filters times wire inbound deflate meter", "errors names", "msgspec"),
    # What a mission imports, beside a web framework of its own: light, so no asyncio either (see the test below).
    "emitter": Layer("append backward plain writer current emitter handler", "errors names schema lines", "msgspec"),
    # The same for missions that have asyncio anyway.
    "async_emitter": Layer("worker async_emitter", "errors names schema emitter"),
    "stream": Layer("folder stream seek page", "errors names lines", "msgspec"),
    # What a stream, or a folder of them, holds at large.
    "survey": Layer("audit ends tally catalog summary", "errors names lines stream", "msgspec"),
    "tailer": Layer("tail tailer", "errors names lines stream"),
    # Who may read what.
    "trust": Layer("tokens signed", "errors names", "jwt cryptography"),
    "hub": Layer(
        "cursor lane crowd channel history reader poller watches hub", "errors names lines stream tailer", "aiofiles"
    ),
    "web": Layer(
        "web web.*",
        "errors names schema lines stream survey tailer trust hub",
        "aiofiles aiohttp msgspec multidict prometheus_client",
    ),
    "relay": Layer("relay relay.*", "errors names lines stream tailer hub", "nats prometheus_client"),
    "client": Layer("client client.*", "errors names schema lines", "aiohttp msgspec yarl"),
    # The public names. It loads only what is light, so that `import streamhub` costs a mission nothing.
    "package": Layer("streamhub", "errors names schema emitter async_emitter"),
    "demo": Layer("demo demo.*", "package errors names schema emitter web", "aiohttp"),
    "cli": Layer(
        "cli cli.* __main__",
        "package errors names schema lines emitter stream survey tailer trust hub web relay client demo",
        "aiohttp click rich msgspec",
    ),
}

#: Layers that no web framework and no command line may reach into.
CORE = {"errors", "names", "schema", "lines", "emitter", "stream", "survey", "tailer", "trust", "hub"}

#: Modules of the standard library that reach outside the process, or wait.
IO_MODULES = {
    *("aiofiles", "aiohttp", "asyncio", "fcntl", "io", "logging", "mmap", "multiprocessing", "os", "pathlib", "select"),
    *("selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "urllib"),
}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name below ``streamhub``; the package itself is ``streamhub``."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")
        found[name or "streamhub"] = ast.parse(path.read_text(), str(path))
    return found


def targets(name: str, node: ast.AST) -> set[str]:
    """The full dotted names that an import statement in a module could mean; none for another statement."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    source = node.module or ""
    if node.level:
        is_package = (PACKAGE / name.replace(".", "/") / "__init__.py").exists()
        parts = ["streamhub"] if name == "streamhub" else ["streamhub", *name.split(".")]
        base = parts[: len(parts) - node.level + (is_package or name == "streamhub")]
        source = ".".join([*base, source] if source else base)
    inside = {f"{source}.{alias.name}" for alias in node.names if f"{source}.{alias.name}" in full_names()}
    # `from streamhub import wire` leans on wire; `from streamhub import Emitter` on what the package itself offers.
    return inside if len(inside) == len(node.names) else {source, *inside}


@cache
def full_names() -> set[str]:
    """Every module of the package as an import statement names it."""
    return {"streamhub" if name == "streamhub" else f"streamhub.{name}" for name in modules()}


@cache
def imports(name: str) -> tuple[set[str], set[str]]:
    """What a module imports anywhere in it, under TYPE_CHECKING too: modules of the package, and packages outside."""
    found = set().union(*(targets(name, node) for node in ast.walk(modules()[name])))
    inside = {target for target in found if target.split(".")[0] == "streamhub"}
    own = {target.removeprefix("streamhub.") for target in inside}
    return own - {name}, {target.split(".")[0] for target in found - inside}


def layer_of(name: str) -> str | None:
    """The layer a module is in; None when the table lacks it."""
    for layer, row in LAYERS.items():
        if any(fnmatch(name, pattern) for pattern in row.modules.split()):
            return layer
    return None


def reach(name: str) -> set[str]:
    """A module with all that it leans on, near or far."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        if (current := waiting.pop()) not in seen:
            seen.add(current)
            waiting.extend(imports(current)[0])
    return seen


def existing(*layers: str) -> list[str]:
    """The modules of some layers that are there."""
    return sorted(name for name in modules() if layer_of(name) in layers)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_leans_only_on_what_the_table_allows(name: str) -> None:
    """Each module is in the table, and imports its own layer, the layers below that are named, and stated packages."""
    layer = layer_of(name)
    assert layer, f"streamhub/{name} is not in the table: add it to a layer of LAYERS in tests/test_imports.py"
    row = LAYERS[layer]
    own, outside = imports(name)
    high = {f"{other} ({layer_of(other)})" for other in own if layer_of(other) not in {layer, *row.below.split()}}
    assert not high, f"{name} ({layer}) must not import {', '.join(sorted(high))}: the table of layers forbids it"
    foreign = outside - sys.stdlib_module_names - set(row.outside.split())
    assert not foreign, f"{name} ({layer}) must not import {', '.join(sorted(foreign))}"


def test_the_table_runs_downwards() -> None:
    """A layer names only layers that stand above it in the table, so the table itself has no circle."""
    seen: set[str] = set()
    for layer, row in LAYERS.items():
        assert set(row.below.split()) <= seen, layer
        seen.add(layer)


def test_the_manual_shows_the_table() -> None:
    """Whoever reads the manual finds every module and package that there is, each in its layer."""
    text = (ROOT / "docs" / "architecture.md").read_text().partition("## The house")[2]
    rows = re.findall(r"^\| (\w+) \| (`[^|]*`) \|", text, re.MULTILINE)
    shown = {layer: set(re.findall("`(.*?)`", cell)) for layer, cell in rows}
    there: dict[str, set[str]] = {layer: set() for layer in LAYERS}
    for name in modules():
        there[layer_of(name) or "none"].add(shown_as(name))
    assert shown == there
    assert list(shown) == list(LAYERS)


def shown_as(name: str) -> str:
    """What the manual calls a module: a package, such as ``web/``, stands for all that is in it."""
    if name == "streamhub":
        return "__init__"
    top = name.split(".", maxsplit=1)[0]
    return f"{top}/" if (PACKAGE / top).is_dir() else top


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for types: a circle of nouns means that two of them are one."""
    try:
        TopologicalSorter({name: imports(name)[0] for name in modules()}).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' <- '.join(error.args[1])}", pytrace=False)


@pytest.mark.parametrize("name", existing("errors", "names"))
def test_the_ground_leans_on_nothing(name: str) -> None:
    """Errors, settings, offsets and ids can be read, and used, without any other module but the errors."""
    assert imports(name)[0] <= {"errors"}


@pytest.mark.parametrize("name", existing("lines"))
def test_lines_and_wire_are_pure(name: str) -> None:
    """Bytes in, bytes out: neither these modules nor what they lean on can open, wait for or log anything."""
    for module in reach(name):
        assert not imports(module)[1] & IO_MODULES, f"{name} leans on {module}, which does I/O"


@pytest.mark.parametrize("name", existing(*CORE))
def test_the_core_knows_no_web_framework_and_no_command_line(name: str) -> None:
    """Nothing that the core leans on, near or far, imports aiohttp or click."""
    for module in reach(name):
        assert not imports(module)[1] & {"aiohttp", "click"}, f"{name} leans on {module}"


@pytest.mark.parametrize("name", ["streamhub", *(f"streamhub.{name}" for name in existing("emitter"))])
def test_emitting_loads_nothing_heavy(name: str) -> None:
    """In a fresh interpreter, a mission that imports the emitter gets neither the server nor asyncio with it."""
    script = f"import sys, {name}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = set(answer.stdout.split())
    assert name in loaded
    heavy = loaded & {"aiohttp", "asyncio", "click", "aiofiles", "rich", "streamhub.hub", "streamhub.web"}
    assert not heavy, f"import {name} loads {', '.join(sorted(heavy))}"
