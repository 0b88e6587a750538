"""Small nets on many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netc.fast.program import order
from netc.run import environment


@contextmanager
def all_threads() -> Iterator[None]:
    """Within it nets use all threads that they are given, and each launch is done by all, however small they are."""
    before = environment.THREAD_WORK, order.ALONE_BYTES
    environment.THREAD_WORK, order.ALONE_BYTES = 1, 0
    try:
        yield
    finally:
        environment.THREAD_WORK, order.ALONE_BYTES = before
