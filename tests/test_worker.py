from __future__ import annotations

import gc
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from streamhub.worker import Worker
from tests.conftest import ROOT


def threads() -> list[threading.Thread]:
    """The workers' threads that run."""
    gc.collect()
    return [thread for thread in threading.enumerate() if thread.name == "streamhub-emitter"]


def all_gone() -> bool:
    """Whether the threads of workers past end."""
    for thread in threads():
        thread.join(30)
    return not threads()


def test_jobs_are_done_in_order_by_one_thread() -> None:
    """Whoever puts them: one after the other, elsewhere."""
    assert all_gone()
    worker = Worker()
    done: list[int] = []
    where: set[threading.Thread] = set()

    def job(number: int) -> None:
        done.append(number)
        where.add(threading.current_thread())

    for number in range(100):
        worker.put(partial(job, number))
    worker.call(lambda: None).result(30)
    assert done == list(range(100))
    assert where == set(threads())


def test_what_comes_of_a_job() -> None:
    """Its result, or what it raised."""
    worker = Worker()
    assert worker.call(lambda: 7).result(30) == 7
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0).result(30)


def test_a_job_that_nobody_waits_for_any_more_is_done() -> None:
    """Giving up on the result does not take the job back, and does no harm to those after it."""
    worker, go, done = Worker(), threading.Event(), []
    worker.put(go.wait)
    given_up = worker.call(lambda: done.append("one"))
    assert given_up.cancel()
    go.set()
    worker.call(lambda: done.append("two")).result(30)
    assert done == ["one", "two"]


def test_a_job_may_come_while_the_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a signal handler, which must not wait: it is done in its turn."""
    worker, done, start = Worker(), [], threading.Thread.start

    def struck(thread: threading.Thread) -> None:
        worker.put(lambda: done.append("two"))
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", struck)
        worker.put(lambda: done.append("one"))
    worker.call(lambda: done.append("three")).result(30)
    assert done == ["one", "two", "three"]


@pytest.mark.slow
def test_the_thread_comes_with_the_first_job_and_goes_with_the_worker() -> None:
    """One that has nothing to do costs nothing; one that is let go of does what it was given first."""
    worker, done = Worker(), []
    assert all_gone()
    worker.put(lambda: done.append("one"))
    assert len(threads()) == 1
    del worker
    assert all_gone()
    assert done == ["one"]


def test_nobody_waits_for_a_worker_that_is_let_go_of() -> None:
    """Its last reference may go in an event loop, while the disk that it writes to hangs."""
    worker, go, done = Worker(), threading.Event(), []
    worker.put(go.wait)
    worker.put(lambda: done.append("one"))
    del worker
    gc.collect()
    assert not done
    go.set()
    assert all_gone()
    assert done == ["one"]


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit, KeyboardInterrupt])
def test_a_job_that_raises(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and those after it are done."""
    worker = Worker()

    def job() -> None:
        raise error

    worker.put(job)
    assert worker.call(lambda: 7).result(30) == 7
    assert error.__name__ in caplog.text


def test_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put meanwhile is done by whoever puts it: nobody waits for ever, and all is done in order."""
    worker, done = Worker(), []

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        worker.put(lambda: done.append("one"))
        worker.call(lambda: done.append("two")).result(0)
    worker.call(lambda: done.append("three")).result(30)
    assert done == ["one", "two", "three"]


def test_an_interrupt_while_the_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether it was: jobs are done nevertheless, in order and by one at a time."""
    worker, done, start = Worker(), [], threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.put(lambda: done.append(0))
    for number in range(1, 100):
        worker.put(partial(done.append, number))
    worker.call(lambda: None).result(30)
    assert done == list(range(100))


def test_a_forked_child_ends(tmp_path: Path) -> None:
    """It waits for its own jobs, and not for those of its parent, whose thread it does not have."""
    program = """
import os, sys
from streamhub import worker
worker._PATIENCE = 3600
mine = worker.Worker()
mine.call(lambda: None).result()
if (child := os.fork()) == 0:
    mine.begin()
    mine.put(lambda: open(sys.argv[1], "w").close())
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    flags = ("-W", "ignore::DeprecationWarning")
    subprocess.run([sys.executable, *flags, "-c", program, str(tmp_path / "done")], check=True, cwd=ROOT, timeout=60)
    assert (tmp_path / "done").exists()


def test_the_process_ends(tmp_path: Path) -> None:
    """What is put after the thread has gone, by what is done last in the process, is done by whoever puts it."""
    program = """
import atexit, sys
done = open(sys.argv[1], "w")
atexit.register(lambda: Worker().put(lambda: print("last", file=done, flush=True)))
atexit.register(lambda: worker.put(lambda: print("at exit", file=done, flush=True)))
from streamhub.worker import Worker
worker = Worker()
atexit.register(lambda: worker.put(lambda: print("before that", file=done, flush=True)))
worker.put(lambda: print("one", file=done, flush=True))
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "done")], check=True, cwd=ROOT, timeout=60)
    assert (tmp_path / "done").read_text().splitlines() == ["one", "before that", "at exit", "last"]


@pytest.mark.slow
def test_a_worker_may_be_let_go_of_by_its_own_job() -> None:
    """Then its thread does not wait for itself."""
    workers, gone = [Worker()], threading.Event()

    def job() -> None:
        workers.clear()
        gc.collect()
        gone.set()

    workers[0].put(job)
    assert gone.wait(30)
    assert all_gone()
