"""Ranks that are threads of one process: the protocol without MPI, so that its users can be tested everywhere."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from netc.solve.ranks.protocol import Message

T = TypeVar("T")


class Board:
    """Where the threads leave for each other what they say."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=60)
        self.said: list[Any] = [None] * size


class Thread:
    """The `Ranks` that one of the threads sees."""

    def __init__(self, board: Board, rank: int) -> None:
        self.board, self.rank, self.size = board, rank, board.size

    def gather(self, value: T) -> list[T]:
        self.board.said[self.rank] = value
        self.board.barrier.wait()
        found = copy.deepcopy(self.board.said)
        self.board.barrier.wait()
        return found

    def broadcast(self, value: T, root: int = 0) -> T:
        return self.gather(value if self.rank == root else None)[root]  # type: ignore[return-value]

    def begin(self, sent: Sequence[Message], received: Sequence[Message], label: int = 0) -> Callable[[], None]:
        def end() -> None:
            every = self.gather((label, [(to, array.copy()) for to, array in sent]))
            assert {theirs for theirs, _ in every} == {label}
            coming = [iter([array for to, array in theirs if to == self.rank]) for _, theirs in every]
            for rank, array in received:
                array[...] = next(coming[rank])
            assert not any(list(rest) for rest in coming)

        return end

    def overlaps(self, threads: int) -> bool:
        return True

    def barrier(self) -> None:
        self.gather(None)

    def close(self) -> None:
        self.barrier()

    def abort(self, code: int) -> None:
        self.board.barrier.abort()


def together(size: int, run: Callable[[Thread], T]) -> list[T]:
    """What `run` gives on each of `size` ranks; raises what one of them raises first."""
    board = Board(size)

    def alone(rank: int) -> T:
        try:
            return run(Thread(board, rank))
        except BaseException:
            board.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(alone, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
