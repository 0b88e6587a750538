"""Replicas of a net for the threads of a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock

from numpy.typing import ArrayLike

from netc.api.sized import SizedNet
from netc.errors import Code, Diagnostic, NetError
from netc.layer import Array
from netc.run.held import Held

CLOSED = Code(
    "RUN030",
    "the pool is closed",
    why="A pool gives no more replicas once it is closed; those that are out may finish. Threads that were waiting are "
    "told so.",
    example="with netc.Pool(net, 4) as pool: ...\npool.forward(data=image)  # after the block",
    fix="Keep the pool open as long as requests come, and stop the threads before it is closed.",
)
NO_TURN = Code(
    "RUN031",
    "no replica of the pool was free in time",
    why="All replicas were in use for as long as the pool's `timeout` says. Either there is more work than the machine "
    "can do, or threads keep replicas that they do not use.",
    example="netc.Pool(net, 1, timeout=0.01)  # with many threads",
    fix="Answer that the server is busy; or give more time, or more replicas if cores are idle.",
)
INPUT_MISSING = Code(
    "RUN032",
    "an input of the pool's net was not given",
    why="A replica still holds what another thread gave for that input, which would be mixed with what was given now.",
    example="pool.forward(data=image)  # the net has the inputs data and im_info",
    fix="Give all inputs in one call: pool.forward(data=image, im_info=[[600, 800, 1.5]])",
)
BAD_POOL = Code(
    "RUN033",
    "a pool cannot have this size",
    why="A pool has at least one replica.",
    example="netc.Pool(net, 0)",
    fix="netc.Pool(net, 4)",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes that a pool takes: `shared`, the parameters, once; `own`, blobs and inputs, of all replicas together."""

    shared: int
    own: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.shared + self.own


class _Place:
    """A thread's place in the queue: the replica that it was given, if it was."""

    def __init__(self) -> None:
        self.ready = Event()
        self.net: SizedNet | None = None


class Pool:
    """Replicas of a net that any number of threads share: one set of weights, and each replica's blobs.

        net = netc.Net("deploy.prototxt", weights="model.caffemodel", threads=1)
        pool = netc.Pool(net, 4)

        scores = pool.forward(data=image)["prob"]  # in any thread; waits until a replica is free

        with pool.net() as net:  # a replica for several calls, in this thread
            net.forward(data=image, end="pool5")

    Threads get replicas in the order in which they asked. size: how many replicas there are, so many passes run at a
    time; a core each is enough, with nets of one thread. timeout: seconds that a thread waits; for ever if None.
    The net itself stays the caller's: what is written into its weights, the replicas compute with from their next pass
    on. `with netc.Pool(...) as pool` closes the pool at the end. Raises NetError(RUN033).
    """

    def __init__(self, net: SizedNet, size: int, *, timeout: float | None = None) -> None:
        if size < 1:
            raise NetError(Diagnostic(BAD_POOL, f"a pool of {size} replicas cannot be", help=BAD_POOL.fix))
        self.size, self.timeout = size, timeout
        self._lock = Lock()
        self._all: tuple[SizedNet, ...] = tuple(net.replica() for _ in range(size))
        self._free = list(self._all)
        self._queue: deque[_Place] = deque()
        self._closed = False

    def forward(self, end: str | None = None, **inputs: ArrayLike) -> dict[str, Array]:
        """Run a replica on these inputs, all that the net has, up to layer `end`; copies of the outputs, by name.

        Raises NetError as `net`, for an input that is missing (RUN032) and as `Net.forward`.
        """
        with self.net() as net:
            if missing := [name for name in net.inputs if name not in inputs]:
                message = f"nothing was given for {', '.join(missing)}"
                raise NetError(Diagnostic(INPUT_MISSING, message, help="give every input in the same call"))
            return net.forward(None, end, **inputs)

    @contextmanager
    def net(self, timeout: float | None = None) -> Iterator[SizedNet]:
        """A replica, within `with` for this thread alone. timeout: instead of the pool's.

        It holds the inputs and blobs that its last user left. Raises NetError(RUN030, RUN031).
        """
        place = _Place()
        try:
            yield self._take(place, self.timeout if timeout is None else timeout)
        finally:
            self._leave(place)

    def _take(self, place: _Place, timeout: float | None) -> SizedNet:
        with Held(), self._lock:
            if self._closed:
                raise self._no_more()
            if self._free and not self._queue:
                place.net = self._free.pop()
                return place.net
            self._queue.append(place)
        place.ready.wait(timeout)
        with self._lock:
            if place.net is not None:
                return place.net
            raise self._no_more() if self._closed else self._too_late(timeout)

    def _leave(self, place: _Place) -> None:
        """Wait no longer, and hand the replica, if there is one, to the thread that has waited longest."""
        with Held(), self._lock:
            if place in self._queue:
                self._queue.remove(place)
            net, place.net = place.net, None
            if net is None:
                return
            if self._queue:
                following = self._queue.popleft()
                following.net = net
                following.ready.set()
            else:
                self._free.append(net)

    def _no_more(self) -> NetError:
        return NetError(Diagnostic(CLOSED, "the pool is closed", help=CLOSED.fix))

    def _too_late(self, timeout: float | None) -> NetError:
        message = f"all {self.size} replicas were in use for {timeout:g} s, and {len(self._queue)} threads wait"
        return NetError(Diagnostic(NO_TURN, message, help=NO_TURN.fix))

    # ------------------------------------------------------------ the whole of it

    @property
    def memory(self) -> Taken:
        """What its replicas take; blobs of several sizes if they have run on several."""
        held = [net.memory_held() for net in self._all]
        return Taken(max(shared for shared, _ in held), sum(own for _, own in held))

    def close(self) -> None:
        """Give no more replicas, and tell threads that wait so (RUN030). Passes that run may finish."""
        with self._lock:
            self._closed = True
            while self._queue:
                self._queue.popleft().ready.set()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
