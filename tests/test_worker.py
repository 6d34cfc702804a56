from __future__ import annotations

import gc
import threading
from functools import partial

import pytest

from streamhub.worker import Worker


def threads() -> list[threading.Thread]:
    """The workers' threads that run, when nothing of workers past is left."""
    gc.collect()
    return [thread for thread in threading.enumerate() if thread.name == "streamhub-emitter"]


def test_jobs_are_done_in_order_by_one_thread() -> None:
    """Whoever puts them: one after the other, elsewhere."""
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


def test_a_job_may_come_while_the_thread_is_started() -> None:
    """From a signal handler, which must not wait: it is done in its turn."""
    worker, done = Worker(), []
    with worker._starting:
        worker.put(lambda: done.append("one"))
    worker.call(lambda: done.append("two")).result(30)
    assert done == ["one", "two"]


@pytest.mark.slow
def test_the_thread_comes_with_the_first_job_and_goes_with_the_worker() -> None:
    """One that has nothing to do costs nothing; one that is let go of does what it was given first."""
    worker, done = Worker(), []
    assert not threads()
    worker.put(lambda: done.append("one"))
    assert len(threads()) == 1
    del worker
    gc.collect()
    assert done == ["one"]
    assert not threads()


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
    for thread in threads():
        thread.join(30)
    assert not threads()
