"""One thread at a time: who runs a net now, and whose inputs and values it holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from netc.errors import Code, Diagnostic, NetError
from netc.run.held import Held

TWO_THREADS = Code(
    "RUN026",
    "one net is used by two threads at once",
    why="A net has its blobs once. A second pass that starts before the first has ended, or inputs that are set "
    "between another thread's inputs and its pass, would give each thread results that are made of both.",
    example="ThreadPoolExecutor(2).map(lambda x: (net.set_input('data', x), net.forward()), images)",
    fix="Give each thread a net of its own: `net.replica()` shares the weights and the compiled program, and costs its "
    "blobs only. Or hold a lock from the first input that is set until the outputs are there.",
)
REPLICA = "give each thread a net of its own: net.replica() shares the weights and costs its blobs only"


class Claims:
    """Which threads have put something there that another thread has replaced since."""

    def __init__(self) -> None:
        self._lost: dict[int, bool] = {}

    def claim(self) -> None:
        """This thread puts something of its own into the place; what others have there is lost."""
        me = threading.get_ident()
        for other in list(self._lost):
            self._lost[other] = other != me
        self._lost[me] = False

    def lost(self) -> bool:
        """Whether another thread has put something there since this one last did; said once."""
        return self._lost.pop(threading.get_ident(), False)

    def use(self) -> None:
        """What is there has served its purpose: whoever put it there will not miss it."""
        for one in [one for one, lost in list(self._lost.items()) if not lost]:
            self._lost.pop(one, None)


class Holder:
    """Who has something: a thread of a process (a fork knows nothing of its parent's threads)."""

    __slots__ = ("process", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.process = os.getpid()


class Only:
    """What one holder at a time may have. Unlike a lock, an interrupt cannot split the taking from the knowing."""

    def __init__(self) -> None:
        self._holder: dict[str, Holder] = {}

    @property
    def holder(self) -> Holder | None:
        return self._holder.get("")

    def take(self, me: Holder) -> Holder | None:
        """None if it is mine from now on; else who has it."""
        now = self._holder.setdefault("", me)
        if now.process != me.process:
            self._holder[""] = now = me
        return None if now is me else now

    def drop(self, me: Holder) -> None:
        """Give it back, if it is mine."""
        if self._holder.get("") is me:
            del self._holder[""]


class Turns:
    """Lets one pass run at a time, and refuses (RUN026) those of other threads that would mix with it.

    remedy: what the refusal says to do.
    """

    def __init__(self, remedy: str = REPLICA) -> None:
        self.remedy = remedy
        self._pass = Only()
        self._inputs = Claims()
        self._values = Claims()

    def touch(self) -> None:
        """This thread may set inputs from now on; raises NetError(RUN026) while another one runs."""
        now = self._pass.holder
        if now is not None and now.process == os.getpid() and now.thread != threading.get_ident():
            raise self._refuse("its inputs were asked for while another thread runs it")
        self._inputs.claim()

    def setting(self) -> AbstractContextManager[None]:
        """While this thread sets inputs, no pass begins; raises NetError(RUN026) in one."""
        return self._alone(self._inputs.claim)

    def forward(self) -> AbstractContextManager[None]:
        """A forward pass: whole, or ended by an exception of its own, and alone."""
        return self._alone(self._begin_forward)

    def _begin_forward(self) -> None:
        if self._inputs.lost():
            raise self._refuse("another thread has set its inputs since this one did")
        self._inputs.use()
        self._values.claim()

    def backward(self) -> AbstractContextManager[None]:
        """Around a backward, of the forward pass that this thread, or at least no other one, ran last.

        Raises NetError(RUN026).
        """
        return self._alone(self._begin_backward)

    def _begin_backward(self) -> None:
        if self._values.lost():
            raise self._refuse("another thread has run forward since this one did")

    @contextmanager
    def _alone(self, begin: Callable[[], None]) -> Iterator[None]:
        """Within a block: nobody else is, after `begin`. One generator, as small nets notice each."""
        me = Holder()
        with Held():
            try:
                if (other := self._pass.take(me)) is not None:
                    same = other.thread == me.thread
                    raise self._refuse("from inside a pass" if same else "another thread is running it")
                begin()
                yield
            finally:
                self._pass.drop(me)

    def _refuse(self, what: str) -> NetError:
        return NetError(Diagnostic(TWO_THREADS, f"the net is used twice at once: {what}", help=self.remedy))
