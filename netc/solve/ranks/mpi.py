"""Ranks that are processes of an MPI launcher. The only module that imports mpi4py; importing it starts MPI.

Nothing here waits within MPI. Its blocking calls keep a core busy, which a rank beside this one may need for
computing, and hold Python's signal handlers up. So requests are begun, and asked until they are done.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI

from netc.layer import Array
from netc.solve.ranks.cores import has_core_left
from netc.solve.ranks.protocol import Message, Overlap
from netc.solve.ranks.pulse import Pulse

T = TypeVar("T")
EAGER = 100  # times that a request is asked before the core is given to others: some tens of microseconds
LONGEST_SLEEP = 1e-3
EAGER_FOR_ARRAYS, LONGEST_FOR_ARRAYS = (
    1000,
    1e-4,
)  # of large messages each asking moves a piece, with TCP by no one else
INLINE = 248  # bytes of a value that travel with its length
TAKEN = 0.5  # seconds in which a launcher takes what this rank has said last: once it ends all, it may not look
LARGEST_MESSAGE = 1 << 21  # bytes: so that something arrives again and again while much is under way


class Mpi:
    """The `Ranks` of MPI's world.

    timeout: seconds after which all ranks end if one has not been heard of; see `Pulse`.
    parted: called where from now on nobody hears of this rank any more. overlap: see `overlaps`; "auto": where a core
    is left for that.
    """

    def __init__(self, timeout: float, parted: Callable[[], None], overlap: Overlap = "auto") -> None:
        self._world = MPI.COMM_WORLD.Dup()
        self.rank: int = self._world.rank
        self.size: int = self._world.size
        self.library = str(MPI.Get_library_version()).split("\n")[0]
        self._overlap = overlap
        self._parted = parted
        self._line = _Line(self._world.Dup())
        threaded = MPI.Query_thread() == MPI.THREAD_MULTIPLE
        self._pulse = Pulse(self._line, timeout, self.abort) if threaded and self.size > 1 else None

    # ------------------------------------------------------------ values

    def broadcast(self, value: T, root: int = 0) -> T:
        data = pickle.dumps(value) if self.rank == root else b""
        size = np.array([len(data)], np.int64)
        self._wait([self._world.Ibcast(size, root)])
        buffer = np.frombuffer(data, np.uint8) if self.rank == root else np.empty(int(size[0]), np.uint8)
        self._wait([self._world.Ibcast(buffer, root)])
        return value if self.rank == root else _loaded(buffer)

    def gather(self, value: T) -> list[T]:
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        mine, heads = np.zeros(8 + INLINE, np.uint8), np.empty((self.size, 8 + INLINE), np.uint8)
        mine[:8] = np.frombuffer(np.int64(data.size).tobytes(), np.uint8)
        mine[8 : 8 + data.size] = data[:INLINE]
        self._wait([self._world.Iallgather(mine, heads)])
        sizes = [int(np.frombuffer(head[:8].tobytes(), np.int64)[0]) for head in heads]
        if max(sizes) <= INLINE:  # everybody sees the same sizes, and so goes the same way
            return [_loaded(head[8 : 8 + size]) for head, size in zip(heads, sizes, strict=True)]
        every = np.empty(sum(sizes), np.uint8)
        self._wait([self._world.Iallgatherv(data, [every, sizes])])
        return [_loaded(part) for part in np.split(every, np.cumsum(sizes)[:-1])]

    # ------------------------------------------------------------ arrays

    def begin(self, sent: Sequence[Message], received: Sequence[Message], label: int = 0) -> Callable[[], None]:
        requests = [self._world.Irecv(piece, rank, label) for rank, array in received for piece in _pieces(array)]
        # each rank begins with its next one, so that no rank gets all at once
        for rank, array in sorted(sent, key=lambda message: (message[0] - self.rank) % self.size):
            requests += [self._world.Isend(piece, rank, label) for piece in _pieces(array)]
        return lambda: self._wait(requests, EAGER_FOR_ARRAYS, LONGEST_FOR_ARRAYS)

    def overlaps(self, threads: int) -> bool:
        left = has_core_left(self, threads)
        return MPI.Query_thread() >= MPI.THREAD_SERIALIZED and (
            left if self._overlap == "auto" else self._overlap == "on"
        )

    def barrier(self) -> None:
        self._wait([self._world.Ibarrier()])

    def close(self) -> None:
        self.barrier()
        self._parted()
        if self._pulse is not None:
            self._pulse.stop()
            self.barrier()  # from now on nobody sends
            self._line.drain()

    def abort(self, code: int) -> None:
        time.sleep(TAKEN)
        MPI.COMM_WORLD.Abort(code)
        os._exit(code)  # some implementations come back, and end the process from outside a moment later

    def _wait(self, requests: list[Any], eager: int = EAGER, longest: float = LONGEST_SLEEP) -> None:
        asked, left = 0, len(requests)
        while left:
            done = MPI.Request.Testsome(requests) or ()
            left -= len(done)
            asked = 0 if done else asked + 1  # where messages come, the next one is near
            if asked > eager:
                time.sleep(min(longest, 1e-5 * (asked - eager)))


class _Line:
    """How the pulses of ranks reach each other: by empty messages between rank 0 and each other one."""

    def __init__(self, world: Any) -> None:
        self.rank: int = world.rank
        self.others: Iterable[int] = range(1, world.size) if world.rank == 0 else (0,)
        self._world = world
        self._sent: dict[int, Any] = {}

    def send(self, rank: int) -> None:
        """Say to a rank that this one is there, unless it has not yet taken what was said before."""
        if rank not in self._sent or self._sent[rank].Test():
            self._sent[rank] = self._world.Isend(np.empty(0, np.uint8), rank)

    def heard(self, rank: int) -> bool:
        """Whether a rank has said something since this was asked."""
        found = False
        while self._world.Iprobe(rank):
            self._world.Recv(np.empty(0, np.uint8), rank)
            found = True
        return found

    def drain(self) -> None:
        """Take what is still under way; nobody may be sending."""
        for rank in self.others:
            self.heard(rank)
        MPI.Request.Waitall(list(self._sent.values()))


def _pieces(array: Array) -> list[Array]:
    """An array as messages, none for an empty one."""
    flat = array.reshape(-1)
    step = LARGEST_MESSAGE // max(flat.itemsize, 1)
    return [flat[at : at + step] for at in range(0, flat.size, step)]


def _loaded(data: Array) -> Any:
    """A value that a rank of this run has sent: the same program, started by the same launcher."""
    return pickle.loads(data.tobytes())
