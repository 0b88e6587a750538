"""What the solver knows of the processes that train with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from netc.layer import Array

T = TypeVar("T")
Message = tuple[int, Array]
"""The other rank, and what is sent to it, or where what it sends comes to."""

Overlap = Literal["auto", "on", "off"]
"""Whether gradients are exchanged while backward goes on."""


class Ranks(Protocol):
    """Processes that train one net together, as one of them sees them.

    Each method but `abort` is for all ranks at once: every rank calls the same ones in the same order, and one that
    does not leaves the others waiting. While a rank waits, signals of Python are handled, and cores are left to others.
    """

    @property
    def rank(self) -> int:
        """Which of them this is, from 0 on. Rank 0 prints and writes."""

    @property
    def size(self) -> int:
        """How many they are."""

    def broadcast(self, value: T, root: int = 0) -> T:
        """The value that rank `root` gives; those of the others are not looked at."""

    def gather(self, value: T) -> list[T]:
        """What every rank gives, in the order of the ranks; the same list for all of them."""

    def begin(self, sent: Sequence[Message], received: Sequence[Message], label: int = 0) -> Callable[[], None]:
        """Begin to send arrays to other ranks and to fill arrays with what they send; gives what waits for the end.

        Contiguous arrays, in the same order on both sides; each as long as the one that it meets, and of its type.
        Until the end nothing else may be done with them. What has begun ends in any order if it has labels of its own
        (from 0 on, below 32768).
        """

    def overlaps(self, threads: int) -> bool:
        """Whether another thread than the first shall exchange arrays while so many threads of this rank compute.

        The first one does nothing with ranks meanwhile. Ranks need not be of one mind: what they send is the same.
        """

    def barrier(self) -> None:
        """Wait until every rank is here."""

    def close(self) -> None:
        """Part in order. This process must end soon then, and nothing else may be asked of the ranks."""

    def abort(self, code: int) -> None:
        """End all ranks at once, wherever they are, with this exit code."""
