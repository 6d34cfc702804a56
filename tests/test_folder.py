from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import InvalidStreamIdError, StreamNotFoundError
from streamhub.folder import Folder
from streamhub.stream_id import STREAM_ID_PATTERN

NOBODY: Final = 65534


def descriptors() -> int:
    """How many descriptors this process holds."""
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A folder of streams; in the end not one descriptor is left of it."""
    before = descriptors()
    path = tmp_path / "streams"
    path.mkdir()
    folder = Folder(str(path))
    yield folder
    folder.close()
    assert descriptors() == before


def put(folder: Folder, name: str, data: bytes = b"{}\n") -> Path:
    """Write a file into the folder."""
    path = Path(folder.path, name)
    path.write_bytes(data)
    return path


def content(folder: Folder, stream_id: str) -> bytes:
    """What the stream's file holds, read through the folder."""
    fd = folder.open(stream_id)
    try:
        return os.pread(fd, 1000, 0)
    finally:
        os.close(fd)


def is_missing(folder: Folder, stream_id: str) -> bool:
    """Whether the folder says, in every way, that there is no such stream."""
    with pytest.raises(StreamNotFoundError) as caught:
        folder.open(stream_id)
    assert str(caught.value).isprintable()
    assert repr(stream_id) in str(caught.value)
    return folder.identity(stream_id) is None and folder.status(stream_id) is None and stream_id not in folder.scan()


# --- What is a stream ---------------------------------------------------------------------------------------------


def test_regular_files(folder: Folder) -> None:
    """Regular files with an id and the suffix are streams: listed with their inode, opened, and looked up."""
    paths = {stream_id: put(folder, f"{stream_id}.jsonl") for stream_id in ("a", "m-42", "A.b_c", "x" * 128)}
    assert folder.scan() == {stream_id: path.stat().st_ino for stream_id, path in paths.items()}
    for stream_id, path in paths.items():
        status = path.stat()
        assert content(folder, stream_id) == b"{}\n"
        assert folder.identity(stream_id) == (status.st_dev, status.st_ino)
        found = folder.status(stream_id)
        assert found is not None
        assert found.st_size == 3


def test_descriptor(folder: Folder) -> None:
    """The descriptor is for reading only, and no child process inherits it."""
    put(folder, "a.jsonl")
    fd = folder.open("a")
    try:
        assert not os.get_inheritable(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(fd, b"x")
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    "name",
    [
        *("a", "a.json", "a.jsonl.gz", "a.JSONL", ".a.jsonl", "-a.jsonl", "_a.jsonl", ".jsonl", "a b.jsonl"),
        *("a\n.jsonl", "\xe9.jsonl", "x" * 129 + ".jsonl", "a.jsonl~", "a\\b.jsonl"),
    ],
)
def test_foreign_names(folder: Folder, name: str) -> None:
    """A file that is not named like a stream is not listed."""
    put(folder, name)
    assert folder.scan() == {}


def test_names_that_are_no_text(folder: Folder) -> None:
    """A name that is no UTF-8 is passed over; its neighbours are not."""
    os.close(os.open(os.fsencode(folder.path) + b"/\xff\xfe.jsonl", os.O_CREAT | os.O_WRONLY))
    put(folder, "a.jsonl")
    assert list(folder.scan()) == ["a"]


@pytest.mark.parametrize(
    "stream_id", ["", ".", "..", "../a", "a/b", "/etc/passwd", "a\x00", "a\n", "\xe9", "-a", ".a", "x" * 129, "a/../b"]
)
def test_bad_ids(folder: Folder, stream_id: str) -> None:
    """What is no id names no file, here or elsewhere: it is refused before anything is opened."""
    put(folder, "a.jsonl")
    (Path(folder.path).parent / "a.jsonl").write_bytes(b"outside")
    for ask in (folder.open, folder.identity, folder.status):
        with pytest.raises(InvalidStreamIdError):
            ask(stream_id)


@settings(max_examples=50)
@given(st.sets(st.from_regex(STREAM_ID_PATTERN, fullmatch=True).filter(str.isascii), max_size=5))
def test_any_ids(tmp_path_factory: pytest.TempPathFactory, ids: set[str]) -> None:
    """Whatever the ids, those whose files were made are those there are; case and dots make them different."""
    path = tmp_path_factory.mktemp("ids")
    folder = Folder(str(path))
    for stream_id in ids:
        put(folder, f"{stream_id}.jsonl", stream_id.encode())
    assert folder.scan().keys() == ids
    assert all(content(folder, stream_id) == stream_id.encode() for stream_id in ids)
    folder.close()


# --- What only looks like one ---------------------------------------------------------------------------------------


def plant_link(path: Path) -> None:
    """A link to a file that is worth hiding."""
    path.with_name("secret").write_bytes(b"secret\n")
    path.symlink_to(path.with_name("secret"))


def plant_link_to_stream(path: Path) -> None:
    """A link to another stream of the folder."""
    path.with_name("other.jsonl").write_bytes(b"{}\n")
    path.symlink_to("other.jsonl")


def plant_socket(path: Path) -> None:
    """What is left in a folder of a listening socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


PLANTED: Final = {
    "link": plant_link,
    "link to a stream": plant_link_to_stream,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a directory": lambda path: path.symlink_to(path.parent),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "FIFO": os.mkfifo,
    "directory": os.mkdir,
    "socket": plant_socket,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("planted", PLANTED)
def test_no_stream(folder: Folder, planted: str) -> None:
    """What is no regular file is neither listed nor opened, is not followed, never waits, and leaks nothing."""
    PLANTED[planted](Path(folder.path, "a.jsonl"))
    folder.scan()  # the folder's own descriptor is open now
    before = descriptors()
    for _ in range(3):
        assert is_missing(folder, "a")
    assert descriptors() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_device(folder: Folder) -> None:
    """A device is no stream, whatever can be read from it."""
    try:
        os.mknod(Path(folder.path, "a.jsonl"), stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")
    assert is_missing(folder, "a")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be somebody who may not read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder() -> Iterator[Folder]:
    """A folder that anybody can reach; pytest's own directories are for their owner alone."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        folder = Folder(path)
        yield folder
        folder.close()


def test_unreadable_file(public_folder: Folder) -> None:
    """A file that may not be read does not exist for a reader, and takes no descriptor."""
    folder = public_folder
    put(folder, "a.jsonl").chmod(0)
    put(folder, "b.jsonl").chmod(0o644)
    assert folder.scan().keys() == {"a", "b"}  # names can be read
    before = descriptors()
    with unprivileged():
        for _ in range(3):
            with pytest.raises(StreamNotFoundError):
                folder.open("a")
        assert content(folder, "b") == b"{}\n"
    assert descriptors() == before


def test_unreadable_folder(public_folder: Folder) -> None:
    """A folder that may not be opened is empty, until it may."""
    put(public_folder, "a.jsonl").chmod(0o644)
    Path(public_folder.path).chmod(0)
    with unprivileged():
        assert is_missing(public_folder, "a")
    Path(public_folder.path).chmod(0o755)
    with unprivileged():
        assert content(public_folder, "a") == b"{}\n"


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Have all descriptors in use."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.open("/", os.O_RDONLY)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_no_descriptors_left(folder: Folder) -> None:
    """That descriptors ran out is said as such, and not that there is no such stream."""
    put(folder, "a.jsonl")
    with no_descriptors_left():
        for ask in (lambda: folder.open("a"), folder.scan, lambda: folder.status("a")):
            with pytest.raises(OSError, match="Too many open files"):
                ask()
    assert content(folder, "a") == b"{}\n"
    with no_descriptors_left():
        for ask in (lambda: folder.open("a"), folder.scan):
            with pytest.raises(OSError, match="Too many open files"):
                ask()
        assert folder.status("a") is not None
    assert folder.scan().keys() == {"a"}


# --- Files that come and go ------------------------------------------------------------------------------------------


def test_replaced_file(folder: Folder) -> None:
    """A name leads to the file that carries it now."""
    put(folder, "a.jsonl", b"old")
    before = folder.identity("a")
    put(folder, "new", b"new").rename(Path(folder.path, "a.jsonl"))
    assert folder.identity("a") != before
    assert content(folder, "a") == b"new"
    Path(folder.path, "a.jsonl").unlink()
    assert is_missing(folder, "a")
    put(folder, "a.jsonl", b"again")
    assert content(folder, "a") == b"again"


def test_file_that_becomes_a_link(folder: Folder) -> None:
    """A stream whose file gives way to a link is gone from then on."""
    path = put(folder, "a.jsonl")
    assert content(folder, "a") == b"{}\n"
    path.rename(path.with_name("b.jsonl"))
    path.symlink_to("b.jsonl")
    assert is_missing(folder, "a")
    assert content(folder, "b") == b"{}\n"


# --- Folders that come and go ----------------------------------------------------------------------------------------


def test_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """A folder may come later; until then it is empty, and nothing is created."""
    before = descriptors()
    folder = Folder(str(tmp_path / "later" / "streams"))
    assert is_missing(folder, "a")
    assert folder.changed_ns() == 0
    assert descriptors() == before
    assert not (tmp_path / "later").exists()
    (tmp_path / "later" / "streams").mkdir(parents=True)
    put(folder, "a.jsonl")
    assert content(folder, "a") == b"{}\n"
    assert folder.scan().keys() == {"a"}
    folder.close()
    assert descriptors() == before


@pytest.mark.parametrize("first", ["scan", "open", "identity", "status"])
def test_folder_that_vanishes_and_comes_back(folder: Folder, first: str) -> None:
    """A folder that is removed is empty, one made anew in its place is read, whatever is asked first."""
    put(folder, "old.jsonl")
    assert folder.scan().keys() == {"old"}
    shutil.rmtree(folder.path)
    assert is_missing(folder, "old")
    os.mkdir(folder.path)
    put(folder, "a.jsonl", b"new")
    assert answers(folder, first, "a")
    shutil.rmtree(folder.path)
    os.mkdir(folder.path)  # this time nobody has looked in between
    put(folder, "a.jsonl", b"newer")
    assert answers(folder, first, "a")
    assert content(folder, "a") == b"newer"


@pytest.mark.parametrize("first", ["scan", "open"])
def test_folder_that_is_replaced(folder: Folder, first: str) -> None:
    """A folder that another one takes the place of, with all its files, is the other one from then on."""
    put(folder, "a.jsonl", b"old")
    put(folder, "old.jsonl")
    assert folder.scan().keys() == {"a", "old"}
    os.rename(folder.path, folder.path + ".aside")
    os.mkdir(folder.path)
    put(folder, "a.jsonl", b"new")
    assert answers(folder, first, "a")
    assert content(folder, "a") == b"new"
    assert is_missing(folder, "old")


@pytest.mark.parametrize("first", ["scan", "open"])
def test_folder_that_is_moved_away(folder: Folder, first: str) -> None:
    """A folder that is moved away is empty, though its files live on elsewhere; and is back when it is back."""
    put(folder, "a.jsonl")
    assert folder.scan().keys() == {"a"}
    os.rename(folder.path, folder.path + ".aside")
    assert not answers(folder, first, "a")
    assert is_missing(folder, "a")
    os.rename(folder.path + ".aside", folder.path)
    assert answers(folder, first, "a")


def answers(folder: Folder, how: str, stream_id: str) -> bool:
    """Whether the folder has that stream, asked in one of the four ways."""
    if how == "scan":
        return stream_id in folder.scan()
    if how == "open":
        try:
            os.close(folder.open(stream_id))
        except StreamNotFoundError:
            return False
        return True
    return (folder.identity(stream_id) if how == "identity" else folder.status(stream_id)) is not None


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A path that leads to no directory is an empty folder."""
    (tmp_path / "file").write_bytes(b"")
    folder = Folder(str(tmp_path / "file"))
    assert is_missing(folder, "a")
    folder.close()


def test_folder_behind_a_link(tmp_path: Path) -> None:
    """The folder itself may be a link: whoever serves chose it; when the link is turned, so is the folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_bytes(name.encode())
    (tmp_path / "link").symlink_to("one")
    folder = Folder(str(tmp_path / "link"))
    assert content(folder, "a") == b"one"
    (tmp_path / "turned").symlink_to("two")
    os.replace(tmp_path / "turned", tmp_path / "link")
    assert content(folder, "a") == b"two"
    folder.close()


def test_close(folder: Folder) -> None:
    """Closing gives the descriptor back, as often as it is done; the folder opens it anew when it is used."""
    before = descriptors()
    folder.close()
    put(folder, "a.jsonl")
    folder.scan()
    assert descriptors() == before + 1
    folder.close()
    folder.close()
    assert descriptors() == before
    assert content(folder, "a") == b"{}\n"


def test_changed(folder: Folder) -> None:
    """The hint moves when a name comes or goes, and when another folder takes the place of this one."""
    os.utime(folder.path, ns=(1, 1))
    assert folder.changed_ns() == 1
    path = put(folder, "a.jsonl")
    assert folder.changed_ns() > 1
    os.utime(folder.path, ns=(2, 2))
    path.unlink()
    assert folder.changed_ns() > 2
    os.utime(folder.path, ns=(3, 3))
    assert folder.changed_ns() == 3
    os.rename(folder.path, folder.path + ".aside")
    assert folder.changed_ns() == 0
    os.mkdir(folder.path)
    assert folder.changed_ns() > 3


def test_threads(folder: Folder) -> None:
    """While the folder is replaced again and again, readers in threads see it or nothing, and never a wrong file."""
    for number in range(2):
        os.mkdir(f"{folder.path}.{number}")
        Path(f"{folder.path}.{number}", "a.jsonl").write_bytes(b"right")
    (Path(folder.path).parent / "a.jsonl").write_bytes(b"wrong")
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            try:
                if content(folder, "a") != b"right" or not folder.scan().keys() <= {"a"}:
                    wrong.append("content")
                folder.identity("a")
            except StreamNotFoundError:
                pass
            except OSError as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    os.rmdir(folder.path)
    for turn in range(400):
        os.rename(f"{folder.path}.{turn % 2}", folder.path)
        folder.scan()
        os.rename(folder.path, f"{folder.path}.{turn % 2}")
        folder.scan()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_many_streams(folder: Folder) -> None:
    """Thousands of names are listed in one pass, and opening them one after the other leaves nothing behind."""
    for number in range(2000):
        put(folder, f"s{number}.jsonl", b"")
    assert len(folder.scan()) == 2000
    before = descriptors()
    for number in range(2000):
        os.close(folder.open(f"s{number}"))
    assert descriptors() == before
