"""Memory figures follow what a process does."""

import mmap
import os
import threading

from harness.process import usage

_MB = 1 << 20


def test_touched_memory_is_seen_and_reserved_memory_is_not() -> None:
    me = os.getpid()
    anonymous, data, resident = usage.anonymous(me), usage.data_size(me), usage.resident([me])
    with mmap.mmap(-1, 64 * _MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as kept:
        assert usage.data_size(me) - data >= 60 * _MB
        assert usage.anonymous(me) - anonymous < 8 * _MB
        kept.write(b"x" * (64 * _MB))
        assert usage.anonymous(me) - anonymous >= 60 * _MB
        assert usage.resident([me]) - resident >= 60 * _MB


def test_shared_memory_counts() -> None:
    me = os.getpid()
    resident, proportional = usage.resident([me]), usage.proportional([me])
    with mmap.mmap(-1, 32 * _MB) as shared:
        shared.write(b"x" * (32 * _MB))
        assert usage.resident([me]) - resident >= 30 * _MB
        assert usage.proportional([me]) - proportional >= 30 * _MB


def test_threads_are_counted() -> None:
    before = usage.threads(os.getpid())
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    during = usage.threads(os.getpid())
    stop.set()
    thread.join()
    assert during == before + 1


def test_a_process_that_is_gone_uses_nothing() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert (usage.anonymous(pid), usage.resident([pid]), usage.proportional([pid]), usage.threads(pid)) == (
        0,
        0,
        0,
        0,
    )
